package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// references are the documents in docs/reference that code, tests and documentation cite.
const references = "../docs/reference"

var (
	// citation matches a document and the list of statements after it: "ecs.md 3.2.3, 3.4 and 3.5".
	citation = regexp.MustCompile(`\b([a-z][a-z-]*)\.md,? (?:(?:sections?|Appendix) )?(` +
		statementID + `(?:(?:, | and | to |; |/)` + statementID + `)*)`)
	statement = regexp.MustCompile(statementID)

	// A comment or a table may break a citation between two lines.
	lineBreak = regexp.MustCompile(`\s*\n\s*(?://|#|\*)?\s*`)

	heading  = regexp.MustCompile(`^#+ (?:Appendix )?([A-Z]{0,4}[0-9]*(?:\.[0-9]+)*)\.? `)
	listItem = regexp.MustCompile(`^[-*] \**([A-Z]{0,4}[0-9]+(?:\.[0-9]+)*)\.? `)
	numbered = regexp.MustCompile(`^([0-9]+)\. `)
)

// statementID matches 3, 3.2.3, Q41, IO6 and TL8. It does not match a number that goes on, as in "5,000" or "40s".
const statementID = `(?:[A-Z]{1,4}[0-9]+|[0-9]+(?:\.[0-9]+)*)\b`

// Every citation of a reference names a statement that the reference has.
func TestCitationsResolve(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(references, "[a-z]*.md"))
	if err != nil || len(documents) < 4 {
		t.Fatal(documents, err)
	}
	known := map[string][]string{}
	for _, file := range documents {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		known[name] = statements(t, name)
	}
	seen := 0
	for _, file := range textFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range citations(string(text)) {
			seen++
			if !slices.Contains(known[c.document], c.statement) {
				t.Errorf("%s cites %s.md %s, which is not there", file, c.document, c.statement)
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d citations were found; the pattern has missed most of them", seen)
	}
}

type cited struct{ document, statement string }

// citations returns every statement that a text cites.
func citations(text string) []cited {
	var all []cited
	for _, m := range citation.FindAllStringSubmatch(lineBreak.ReplaceAllString(text, " "), -1) {
		for _, id := range statement.FindAllString(m[2], -1) {
			all = append(all, cited{m[1], id})
		}
	}
	return all
}

// statements returns the ids of a reference: its sections, its list items, and the points of its
// numbered lists as SECTION.POINT.
func statements(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(references, name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	section := ""
	for line := range strings.Lines(string(text)) {
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
			ids = append(ids, section)
		} else if m := listItem.FindStringSubmatch(line); m != nil {
			ids = append(ids, m[1])
		} else if m := numbered.FindStringSubmatch(line); m != nil {
			ids = append(ids, section+"."+m[1])
		}
	}
	if len(ids) == 0 {
		t.Fatalf("%s.md has no statements", name)
	}
	return ids
}

// textFiles returns the files of the repository that may cite a reference.
func textFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == ".git" || file == references {
				return fs.SkipDir
			}
			return nil
		}
		if slices.Contains([]string{".go", ".md", ".js", ".sh"}, filepath.Ext(file)) {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCitationsAreRead(t *testing.T) {
	got := citations("see ecs.md 3.2.3, 3.4 and 3.5).\n// alb.md\n" +
		"// Q41; socketio.md 1.1: 40 s; ecs-agent.md section 12.9, which")
	want := []cited{{"ecs", "3.2.3"}, {"ecs", "3.4"}, {"ecs", "3.5"}, {"alb", "Q41"}, {"socketio", "1.1"},
		{"ecs-agent", "12.9"}}
	if !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}
