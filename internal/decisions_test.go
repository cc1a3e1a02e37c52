package internal_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/golden"
)

// decisions is where the choices and their reasons are written down.
const decisions = "../docs/decisions"

// decisionTitle is the first line of a decision: its number and its title.
var decisionTitle = regexp.MustCompile(`^# ([0-9]{4}):? (.+)$`)

// decisionTexts returns the text of every decision by its file name, in order of the numbers.
func decisionTexts(t *testing.T) (names []string, texts map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(decisions, "[0-9]*.md"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d decisions in %s, %v", len(files), decisions, err)
	}
	texts = map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		names, texts[name] = append(names, name), string(text)
	}
	return names, texts
}

// The index has every decision under its title, and a decision has the number of its file.
func TestDecisionsHaveAnIndex(t *testing.T) {
	names, texts := decisionTexts(t)
	var index strings.Builder
	seen := map[string]string{}
	for _, name := range names {
		first, _, _ := strings.Cut(texts[name], "\n")
		m := decisionTitle.FindStringSubmatch(first)
		if m == nil || m[1] != name[:4] {
			t.Errorf("%s begins with %q; want its number and its title", name, first)
			continue
		}
		if other := seen[m[1]]; other != "" {
			t.Errorf("%s and %s have the same number", other, name)
		}
		seen[m[1]] = name
		fmt.Fprintf(&index, "| [%s](%s) | %s |\n", m[1], name, capital(m[2]))
	}
	golden.Section(t, filepath.Join(decisions, "README.md"), "decisions",
		"| number | decision |\n|---|---|\n"+index.String())
}

// capital begins a title with a capital letter, unless it begins with a path.
func capital(title string) string {
	if word, _, _ := strings.Cut(title, " "); strings.Contains(word, "/") {
		return title
	}
	return strings.ToUpper(title[:1]) + title[1:]
}

// decisionNumber is how documents and comments name a decision.
var decisionNumber = regexp.MustCompile(`\bdecisions? ([0-9]{4})\b`)

// Every decision that code or a document names is there.
func TestDecisionsThatAreNamedExist(t *testing.T) {
	names, _ := decisionTexts(t)
	known := map[string]bool{}
	for _, name := range names {
		known[name[:4]] = true
	}
	for _, file := range textFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range decisionNumber.FindAllStringSubmatch(string(text), -1) {
			if !known[m[1]] {
				t.Errorf("%s names decision %s, which is not there", file, m[1])
			}
		}
	}
}

// Every module that a go.mod requires or uses as a tool is in a decision that says what for. Modules that only those
// need (// indirect) are theirs to explain.
func TestDependenciesAreDecided(t *testing.T) {
	_, texts := decisionTexts(t)
	var all strings.Builder
	for _, text := range texts {
		all.WriteString(braces(text))
	}
	for _, dir := range append(workspace(), tools) {
		for _, path := range directly(t, dir) {
			named := regexp.MustCompile(regexp.QuoteMeta(path) + `\b`)
			if !strings.HasPrefix(path, module) && !named.MatchString(all.String()) {
				t.Errorf("%s/go.mod needs %s, and no decision says what for", dir, path)
			}
		}
	}
}

// directly returns the modules that a go.mod requires without "// indirect", and its tools.
func directly(t *testing.T, dir string) (paths []string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Require {
		if !r.Indirect {
			paths = append(paths, r.Path)
		}
	}
	for _, tool := range m.Tool {
		paths = append(paths, tool.Path)
	}
	return paths
}

var brace = regexp.MustCompile(`(\S*)\{([^{}\s]+)\}(\S*)`)

// braces writes lists such as github.com/moby/moby/{api,client} out.
func braces(text string) string {
	return brace.ReplaceAllStringFunc(text, func(list string) string {
		m := brace.FindStringSubmatch(list)
		var all []string
		for one := range strings.SplitSeq(m[2], ",") {
			all = append(all, m[1]+one+m[3])
		}
		return strings.Join(all, " ")
	})
}

func TestBraces(t *testing.T) {
	if got := braces("a github.com/moby/moby/{api,client} | b"); got !=
		"a github.com/moby/moby/api github.com/moby/moby/client | b" {
		t.Errorf("braces = %q", got)
	}
}
