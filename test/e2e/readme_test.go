package e2e

import (
	"os"
	"strings"
	"testing"
)

// What README tells a reader to type is what TestWalk runs.
func TestReadmeShowsTheWalk(t *testing.T) {
	walk, err := os.ReadFile("testdata/walk.sh")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	// The walk's server must be in the region that the walk speaks of.
	if start := "bin/berth server --dev-credentials --region eu-west-2 &"; !strings.Contains(string(readme), start) {
		t.Errorf("README.md does not start the server as the test does: %s", start)
	}
	steps, _, found := strings.Cut(string(walk), "# And away with everything.")
	if !found {
		t.Fatal("the walk does not end by taking everything away")
	}
	for step := range strings.SplitSeq(strings.TrimSpace(steps), "\n\n") {
		if strings.HasPrefix(step, "# The article's system") {
			continue // what the file is, not a step
		}
		if !strings.Contains(string(readme), step) {
			t.Errorf("README.md does not have this step of testdata/walk.sh:\n%s", step)
		}
	}
}
