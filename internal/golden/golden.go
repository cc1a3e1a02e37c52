// Package golden compares what tests print with files that people read, in testdata/ of the package under
// test. With -rewrite, a test writes its files instead. It is for tests only.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata instead of comparing with it")

// Section fails the test when a part of a document is not the text. The part stands between the lines
//
//	<!-- NAME: made by TestX -->
//	<!-- end of NAME -->
//
// and the document stays as it is around it.
func Section(t testing.TB, document, name, text string) {
	t.Helper()
	whole, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(whole), "<!-- "+name+": ")
	head, rest, marked := strings.Cut(rest, " -->\n")
	part, after, ends := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !begins || !marked || !ends {
		t.Fatalf("%s has no part %q", document, name)
	}
	if part == text {
		return
	}
	if !*rewrite {
		t.Errorf("the part %q of %s differs (go test -rewrite accepts it):\n%s", name, document, text)
		return
	}
	whole = []byte(before + "<!-- " + name + ": " + head + " -->\n" + text + "<!-- end of " + name + " -->" + after)
	if err := os.WriteFile(document, whole, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Compare fails the test when text is not what the file of testdata holds.
func Compare(t testing.TB, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs (go test -rewrite accepts it):\n%s", path, text)
	}
}
