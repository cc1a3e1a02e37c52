package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/bolt"
	"github.com/berthhq/berth/internal/state/journal/journaltest"
)

func TestJournal(t *testing.T) {
	journaltest.Run(t, func(t testing.TB) func() journal.Journal {
		path := filepath.Join(t.TempDir(), "journal")
		return func() journal.Journal { return open(t, path) }
	})
}

func open(t testing.TB, path string) *bolt.Journal {
	t.Helper()
	j, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestFileIsTheOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	defer open(t, path).Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
}

func TestSecondOpenIsTurnedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first := open(t, path)
	second, err := bolt.Open(path)
	if err == nil {
		second.Close()
	}
	if !errors.Is(err, bolt.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("second open: %v, want ErrInUse that names the file", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path).Close()
}

func TestOpenRefusesAnotherFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	open(t, path).Close()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("2"))
	}), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(path); err == nil || !strings.Contains(err.Error(), `"2"`) {
		t.Errorf("open: %v, want an error that tells the formats", err)
	}
}

func TestOpenRefusesWhatIsNoJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a journal\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v, want an error that names the file", err)
	}
}
