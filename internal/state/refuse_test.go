package state_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// A version that does not know a table refuses the directory and changes none of its bytes, also when the newer version
// was killed: then the head does not cover the last record, and there may be half a record behind it.
func TestRefusalChangesNothing(t *testing.T) {
	dir := t.TempDir()
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for rev, data := range []string{
		`[{"t":"ecs.clusters","k":"c","v":{"ClusterARN":"c"}}]`, `[{"t":"new.table","k":"k","v":{}}]`,
	} {
		err := j.Append(t.Context(), []journal.Entry{{Rev: uint64(rev + 1), Term: 1, Data: []byte(data)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, torn := range map[string]string{"killed between appends": "", "killed in an append": "half a record"} {
		t.Run(name, func(t *testing.T) {
			killed := t.TempDir()
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			tear(t, filepath.Join(killed, file.JournalFile), torn)
			before := bytesOf(t, killed)
			for range 2 {
				j, err := file.Open(killed)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = state.Load(t.Context(), j, nil); err == nil ||
					!strings.Contains(err.Error(), "table new.table is unknown") {
					t.Errorf("the state was read: %v", err)
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			}
			after := bytesOf(t, killed)
			for _, name := range slices.Sorted(maps.Keys(after)) {
				if !bytes.Equal(before[name], after[name]) {
					t.Errorf("%s was changed", name)
				}
			}
			if len(before) != len(after) {
				t.Errorf("there are %d files, and there were %d", len(after), len(before))
			}
		})
	}
}

// tear writes text behind the records of a journal.
func tear(t *testing.T, path, text string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := (len(bytes.TrimRight(content, "\x00")) + 511) / 512 * 512
	if err := os.WriteFile(path, append(content[:end], text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

// bytesOf returns the contents of the files in a directory.
func bytesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(all) < 2 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}
