package internal_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	columns = 120
	tab     = 4
)

// A struct tag cannot be split, and gofmt aligns the tags of a struct.
var tagged = regexp.MustCompile("^\t+\\w+ +\\S+ +`[a-z]+:\".*\"`$")

// No line of Go is longer than 120 columns, where a tab counts as four, so that two files can be
// read side by side. Only fields with tags may be longer in what is generated.
func TestLinesFitOnAScreen(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "-z", "--", "*.go")
	cmd.Dir = ".."
	list, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	names := strings.FieldsFunc(string(list), func(r rune) bool { return r == 0 })
	if len(names) < 500 {
		t.Fatalf("git knows of %d files only", len(names))
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		generated := bytes.HasPrefix(text, []byte("// Code generated "))
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			line = strings.TrimRight(line, "\r\n")
			n := utf8.RuneCountInString(line) + (tab-1)*strings.Count(line, "\t")
			if n > columns && !(generated && tagged.MatchString(line)) {
				t.Errorf("%s:%d has %d columns, more than %d", name, number, n, columns)
			}
		}
	}
}
