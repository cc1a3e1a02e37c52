// Package release tests the release binaries.
package release

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same commit gives the same bytes wherever it is checked out, and berth version knows the commit.
func TestBuildsOfTwoDirectoriesAreEqual(t *testing.T) {
	head := output(t, "..", "git", "rev-parse", "HEAD")
	var sums [2]string
	for i := range sums {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deeper/", i), "berth")
		output(t, "../..", "git", "clone", "--quiet", "--no-hardlinks", ".", dir)
		output(t, dir, "git", "checkout", "--quiet", head)
		sums[i] = output(t, dir, "scripts/release", "dist", "linux/amd64")
		if i == 0 {
			binaries, err := filepath.Glob(filepath.Join(dir, "dist", "berth-*-linux-amd64"))
			if err != nil || len(binaries) != 1 {
				t.Fatalf("binaries %q, %v", binaries, err)
			}
			if v := output(t, dir, binaries[0], "version", "--json"); !strings.Contains(v, head) ||
				strings.Contains(v, `"Modified": true`) {
				t.Errorf("berth version does not name the commit %s: %s", head, v)
			}
		}
	}
	if sums[0] != sums[1] || sums[0] == "" {
		t.Errorf("two builds differ:\n%s\n%s", sums[0], sums[1])
	}
}

func output(t *testing.T, dir string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return strings.TrimSpace(string(out))
}
