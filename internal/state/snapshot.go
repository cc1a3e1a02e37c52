package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"unsafe"
)

// Snapshot is everything as it was at one revision. It is immutable, costs
// nothing to take or to keep, and is safe for concurrent use.
type Snapshot struct {
	Tables
	// Rev counts updates from 1; 0 is the empty store.
	Rev uint64
}

// Tx is a transaction: the newest state, and writes on top of it that nobody
// else sees yet. It belongs to the goroutine that runs the function given to
// Update, and only until that function returns. Rev is the revision of what the
// transaction began with.
type Tx struct {
	Snapshot
	log *changeLog
}

// begin opens a transaction on top of s. When s is sealed it stays as it is;
// otherwise the transaction writes into rows that s shares, and has to be
// ended or undone before anybody else looks at s.
func (s *Snapshot) begin() *Tx {
	tx := &Tx{Snapshot: *s, log: new(changeLog)}
	for t := range tx.list() {
		t.log = tx.log
	}
	return tx
}

// end makes what the transaction wrote the state at a revision, on which the
// next transaction may begin. The transaction can write no more.
func (tx *Tx) end(rev uint64) *Snapshot {
	for t := range tx.list() {
		t.log = nil
	}
	tx.Rev = rev
	return &tx.Snapshot
}

// undo takes back what the transaction wrote.
func (tx *Tx) undo() {
	for _, c := range tx.log.changes {
		for t := range tx.list() {
			if t.title() == c.Table {
				t.restore(c.Key, c.Old)
			}
		}
	}
}

// seal makes s immutable: transactions that begin on it copy what they write.
// Transactions between two seals share their copies, which is most of what an
// update costs.
func (s *Snapshot) seal() *Snapshot {
	for t := range s.list() {
		t.seal()
	}
	return s
}

// list yields the tables in the order of the struct's fields. Every
// transaction asks twice, so where the tables lie is looked up once.
func (t *Tables) list() iter.Seq[*core] {
	return func(yield func(*core) bool) {
		for _, at := range offsets {
			if !yield((*core)(unsafe.Add(unsafe.Pointer(t), at))) {
				return
			}
		}
	}
}

// offsets are where the cores of the tables lie in Tables. A Table is its core
// and nothing else.
var offsets = func() []uintptr {
	fields := reflect.TypeFor[Tables]()
	at := make([]uintptr, fields.NumField())
	for i := range at {
		f := fields.Field(i)
		if f.Type.NumField() != 1 || f.Type.Field(0).Type != reflect.TypeFor[core]() {
			panic("state: field " + f.Name + " of Tables is not a Table")
		}
		at[i] = f.Offset
	}
	return at
}()

// loader rebuilds tables from what the journal holds.
type loader struct {
	tx     *Tx
	tables map[string]*core
}

func newLoader() *loader {
	l := &loader{(&Snapshot{Tables: define()}).begin(), make(map[string]*core)}
	for t := range l.tx.list() {
		l.tables[t.title()] = t
	}
	return l
}

// load applies one entry of the journal, or one part of a saved snapshot.
func (l *loader) load(data []byte) error {
	var changes []read
	if err := json.Unmarshal(data, &changes); err != nil {
		return err
	}
	for _, c := range changes {
		t, ok := l.tables[c.Table]
		if !ok {
			return fmt.Errorf("table %s is unknown: the data was written by a newer version", c.Table)
		}
		if err := t.load(c.Key, c.Value); err != nil {
			return err
		}
	}
	return nil
}

// partSize is about how many bytes a part of a saved snapshot has.
const partSize = 16 << 10

// parts encodes the snapshot for the journal, as changes that make it out of
// nothing. There is always at least one part; each is good until the next one
// is asked for.
func (s *Snapshot) parts() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		part := []byte{'['}
		for t := range s.list() {
			for key, v := range t.each() {
				if len(part) >= partSize {
					if !yield(append(part, ']'), nil) {
						return
					}
					part = part[:1]
				}
				one, err := json.Marshal(written{t.title(), key, v})
				if err != nil {
					yield(nil, err)
					return
				}
				if len(part) > 1 {
					part = append(part, ',')
				}
				part = append(part, one...)
			}
		}
		yield(append(part, ']'), nil)
	}
}

// Clear deletes every value of every table.
func (tx *Tx) Clear() {
	for t := range tx.list() {
		for key := range t.each() {
			t.unset(key)
		}
	}
}
