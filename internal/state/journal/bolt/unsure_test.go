package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal"
)

// When only the last sync of a transaction fails, bbolt says that it failed and
// shows it nevertheless. What it left is not replayed, and the next append takes
// its place.
func TestLeftOversOfAFailedAppend(t *testing.T) {
	j, err := Open(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	entry := func(rev uint64, data string) journal.Entry {
		return journal.Entry{Rev: rev, Term: 1, Data: []byte(data)}
	}
	if err := j.Append(t.Context(), []journal.Entry{entry(1, "a")}); err != nil {
		t.Fatal(err)
	}
	err = j.db.Update(func(tx *bbolt.Tx) error { // the append that was said to have failed
		log := tx.Bucket(logBucket)
		return errors.Join(log.Put(key(2), value(entry(2, "failed"))), log.Put(key(3), value(entry(3, "failed"))))
	})
	if err != nil {
		t.Fatal(err)
	}
	j.unsure = true
	want := func(want string) {
		t.Helper()
		got := ""
		for e, err := range j.Replay(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%d %s ", e.Rev, e.Data)
		}
		if got != want {
			t.Errorf("replayed %q, want %q", got, want)
		}
	}
	want("1 a ")
	if err := j.Append(t.Context(), []journal.Entry{entry(2, "b")}); err != nil {
		t.Fatal(err)
	}
	want("1 a 2 b ")
	if err := j.Append(t.Context(), []journal.Entry{entry(3, "c")}); err != nil {
		t.Fatal(err)
	}
	want("1 a 2 b 3 c ")
}
