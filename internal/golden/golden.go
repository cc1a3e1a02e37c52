// Package golden holds what tests print against files that people read: testdata/ of the package under test. Run with -rewrite, a test writes its
// files instead. It is for tests only.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata instead of comparing with it")

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
