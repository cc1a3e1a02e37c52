package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proven is how many lines of test each line of code of a package has at least: 1 of a noun and 2 of a brain are the
// aim. A package below it may only rise; put the new figure here when it has.
var proven = map[string]float64{
	"alarm": 0.7, "appscaling": 1, "arn": 1, "cache": 1, "ecs": 1, "elb": 1, "fault": 1, "fleet": 1, "identity": 1,
	"loggroup": 1, "newid": 1, "quote": 1, "repository": 1, "role": 1, "scaling": 1, "tag": 1,

	"sched": 2.2, "sched/cql": 2, "rollout": 2.4, "route": 2,
}

// Lines are those that are neither blank nor comments. What tests compare with in testdata counts too, one line for one
// line: it is what they expect.
func TestPureCodeIsProven(t *testing.T) {
	for name, least := range proven {
		code, tests := 0, 0
		err := filepath.WalkDir(filepath.FromSlash(name), func(file string, d fs.DirEntry, err error) error {
			below := strings.Count(strings.TrimPrefix(filepath.ToSlash(file), name), "/")
			switch base := d.Name(); {
			case err != nil:
				return err
			case d.IsDir() && below == 1 && base != "testdata" || d.IsDir() && below > 1:
				return fs.SkipDir // another package, or what fuzzing and rapid have left
			case strings.HasSuffix(base, "_test.go") || below > 1:
				tests += lines(t, file)
			case strings.HasSuffix(base, ".go"):
				code += lines(t, file)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(tests) / float64(code); code == 0 || ratio < least {
			t.Errorf("%s has %d lines of test for %d lines of code, which is %.2f and less than %.1f",
				name, tests, code, ratio, least)
		}
	}
}

func lines(t *testing.T, file string) (n int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}
