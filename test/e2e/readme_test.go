package e2e

import (
	"os"
	"strings"
	"testing"
)

// docs/tour.md shows the commands that TestWalkThroughTheArticle runs.
func TestTourShowsTheWalk(t *testing.T) {
	walk, err := os.ReadFile("testdata/walk.sh")
	if err != nil {
		t.Fatal(err)
	}
	tour, err := os.ReadFile("../../docs/tour.md")
	if err != nil {
		t.Fatal(err)
	}
	// The server must be in the region that the commands use.
	if start := "bin/berth server --dev-credentials --region eu-west-2 &"; !strings.Contains(string(tour), start) {
		t.Errorf("docs/tour.md does not start the server as the test does: %s", start)
	}
	steps, _, found := strings.Cut(string(walk), "# Remove everything.")
	if !found {
		t.Fatal("testdata/walk.sh does not end by removing everything")
	}
	for step := range strings.SplitSeq(strings.TrimSpace(steps), "\n\n") {
		if strings.HasPrefix(step, "# The article's system") {
			continue // describes the file, and is not a step
		}
		if !strings.Contains(string(tour), step) {
			t.Errorf("docs/tour.md does not have this step of testdata/walk.sh:\n%s", step)
		}
	}
}
