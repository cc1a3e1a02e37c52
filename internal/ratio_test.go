package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// otherRatios are figures that are not the aim. One below it may only rise: put the new figure here when it
// has.
var otherRatios = map[string]float64{"alarm": 0.7, "dashboard": 0.7, "sched": 2.2, "rollout": 2.4}

// proven returns how many lines of test each line of code of a package has at least: 1 of a noun and 2 of a brain, as
// the rules of deps_test.go group them, unless otherRatios has another figure.
func proven(t *testing.T) map[string]float64 {
	t.Helper()
	g, err := parseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	least := map[string]float64{}
	for _, group := range []struct {
		name string
		code float64
	}{{"BRAINS", 2}, {"NOUNS", 1}} { // nouns are below brains, so they come last
		for name := range g.below(group.name) {
			if name != strings.ToUpper(name) {
				least[name] = group.code
			}
		}
	}
	for name, code := range otherRatios {
		if least[name] == 0 || least[name] == code {
			t.Errorf("%s has the figure of its group", name)
		}
		least[name] = code
	}
	return least
}

// Lines are those that are neither blank nor comments. What tests compare with in testdata counts too, one line for one
// line: it is what they expect.
func TestPureCodeIsProven(t *testing.T) {
	for name, least := range proven(t) {
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
