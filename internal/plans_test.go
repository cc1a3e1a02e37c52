package internal_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// ownRule marks a line of the plans that the rules do not allow yet.
const ownRule = "# needs a rule of its own"

// The arrows of "Packages to come" in docs/architecture.md agree with the rules: together they have no circle, and what
// a package to come may import there is what the rules let it import. A line that needs another rule says so.
func TestPlansAgreeWithTheRules(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Packages to come\n")
	plans := regexp.MustCompile("(?s)```text\n(.*?)```").FindStringSubmatch(section)
	if plans == nil {
		t.Fatal("the section has no arrows")
	}
	g, err := parseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseRules(rules + plans[1]); err != nil {
		t.Errorf("the plans and the rules together: %v", err)
	}
	for line := range strings.Lines(plans[1]) {
		for _, problem := range disagreements(g, line) {
			t.Errorf("%s: %s", strings.TrimSpace(line), problem)
		}
	}
}

// disagreements returns how a line of the plans differs from the rules. Packages that the rules do not have yet are
// left out.
func disagreements(g graph, line string) (all []string) {
	plan, _, _ := strings.Cut(line, ";")
	below, above, ok := strings.Cut(plan, "<")
	if !ok {
		return []string{"no arrow"}
	}
	refused := false
	for pkg := range strings.SplitSeq(above, ",") {
		for imported := range strings.SplitSeq(below, ",") {
			pkg, imported := strings.TrimSpace(pkg), strings.TrimSpace(imported)
			if g.node(pkg) == "" || g.node(imported) == "" || g.allows(pkg, imported) {
				continue
			}
			if refused = true; !strings.Contains(line, ownRule) {
				all = append(all, "the rules do not let "+pkg+" import "+imported+", and the line does not say so")
			}
		}
	}
	if strings.Contains(line, ownRule) && !refused {
		all = append(all, "the rules allow this")
	}
	return all
}

func TestDisagreementsAreFound(t *testing.T) {
	g, err := parseRules("a < b < c/*; d;")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{
		"a, b < c/new;": 0, "unknown < b;": 0, "d < c/new;": 1, "d, c/old < b;": 2, "a": 1,
		"d < b; " + ownRule: 0, "a < b; " + ownRule: 1,
	} {
		if got := disagreements(g, line); len(got) != want {
			t.Errorf("%s: %v, want %d", line, got, want)
		}
	}
}
