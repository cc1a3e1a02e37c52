package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/state/journal/journaltest"
)

func TestJournal(t *testing.T) {
	journaltest.Run(t, func(t testing.TB) func() journal.Journal {
		dir := t.TempDir()
		return func() journal.Journal { return open(t, dir) }
	})
}

func open(t testing.TB, dir string) *file.Journal {
	t.Helper()
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := j.Compact(t.Context(), 1, 1,
		func(yield func([]byte, error) bool) { yield([]byte("a"), nil) }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file.JournalFile, file.GuardFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s is %o, want 600", name, got)
		}
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	second, err := file.Open(dir)
	if err == nil {
		second.Close()
	}
	if !errors.Is(err, file.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second open: %v, want ErrInUse that names the directory", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir).Close()
}

// Versions before format 2 open the guard file with bbolt, take its lock, and compare the format.
func TestOlderVersionsRefuseTheDirectory(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	path := filepath.Join(dir, file.GuardFile)
	if _, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 1}); err == nil {
		t.Error("an older version may open the directory while this one runs")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: 1, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		if got := string(tx.Bucket([]byte("meta")).Get([]byte("format"))); got != "2" {
			t.Errorf("the format is %q, want 2", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesANewerFormat(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	db, err := bbolt.Open(filepath.Join(dir, file.GuardFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("3"))
	}), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(dir); err == nil || !strings.Contains(err.Error(), `"3"`) {
		t.Errorf("open: %v, want an error that names both formats", err)
	}
}

// A directory that had a journal is never opened as an empty one.
func TestNothingStartsEmptyWhereAJournalWas(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"journal removed": func(dir string) error { return os.Remove(filepath.Join(dir, file.JournalFile)) },
		"journal emptied": func(dir string) error { return os.Truncate(filepath.Join(dir, file.JournalFile), 0) },
		"guard emptied":   func(dir string) error { return os.Truncate(filepath.Join(dir, file.GuardFile), 0) },
		"guard is text": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, file.GuardFile),
				[]byte(strings.Repeat("not a journal\n", 1000)), 0o600)
		},
		"journal is zeros": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, file.JournalFile), make([]byte, 4<<20), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir)
			if err := errors.Join(j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1}}), j.Close()); err != nil {
				t.Fatal(err)
			}
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			j, err := file.Open(dir)
			if err == nil {
				j.Close()
			}
			if err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("open: %v, want an error that names the file", err)
			}
		})
	}
}

// A lost guard file is made again from the journal.
func TestGuardIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if err := errors.Join(j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1}}), j.Close(),
		os.Remove(filepath.Join(dir, file.GuardFile))); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	defer j.Close()
	if err := j.Append(t.Context(), []journal.Entry{{Rev: 2, Term: 1}}); err != nil {
		t.Errorf("%v; want the journal from before", err)
	}
}
