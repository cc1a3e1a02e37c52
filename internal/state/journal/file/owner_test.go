package file_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/file"
)

func openFor(t *testing.T, dir string, owner file.Owner) *file.Journal {
	t.Helper()
	j, err := file.OpenFor(dir, owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// A journal of another owner is refused with an error that names both files, and is not changed. The test
// covers a journal that was made for an owner, one that got its owner at a later opening, one that was
// compacted, and a copy.
func TestJournalOfAnotherOwner(t *testing.T) {
	mine, other := file.Owner{ID: 7, Keys: "/mine/keys"}, file.Owner{ID: 8, Keys: "/other/keys"}
	for name, first := range map[string]file.Owner{"made for it": mine, "had none": {}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := openFor(t, dir, first).Close(); err != nil {
				t.Fatal(err)
			}
			j := openFor(t, dir, mine)
			refused := func() {
				t.Helper()
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				refuses(t, dir, other)
				j = openFor(t, dir, file.Owner{}) // without an owner any journal may be opened
			}
			refused()
			if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1, Data: []byte("a")}}); err != nil {
				t.Fatal(err)
			}
			refused()
			err := j.Compact(t.Context(), 1, 1, func(yield func([]byte, error) bool) { yield([]byte("a"), nil) })
			if err != nil {
				t.Fatal(err)
			}
			refused()
			copied := t.TempDir()
			content, _, err := j.Copy()
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(content)
			err = errors.Join(err, content.Close(),
				os.WriteFile(filepath.Join(copied, file.JournalFile), b.Bytes(), 0o600))
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, copied, other)
			openFor(t, copied, mine)
		})
	}
}

func refuses(t *testing.T, dir string, owner file.Owner) {
	t.Helper()
	path := filepath.Join(dir, file.JournalFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j, err := file.OpenFor(dir, owner)
	if err == nil {
		j.Close()
	}
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), owner.Keys) {
		t.Errorf("opened for another owner: %v; want an error with both files", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal has changed (%v)", err)
	}
	found := 0
	for range file.Check(dir, owner, func(error) { found++ }) {
	}
	if found != 1 {
		t.Errorf("check finds %d places, want 1", found)
	}
}
