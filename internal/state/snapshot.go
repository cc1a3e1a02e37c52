package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"unsafe"
)

// Snapshot is the whole state at one revision. It is immutable, cheap to take and to keep, and safe
// for concurrent use.
type Snapshot struct {
	Tables
	// Rev counts updates from 1; the empty store has 0.
	Rev uint64
}

// Tx is a transaction: the newest state, with writes that no other goroutine sees yet. Only the function
// given to Update may use it, on its own goroutine, and only until it returns. Rev is the revision
// with which the transaction began.
//
// Tables gives functions that only read the same tables.
type Tx struct {
	Snapshot
	writers
	log     *changeLog
	adopted bool // of a draft: another transaction has taken its tables over
}

// begin opens a transaction on top of s. If s is sealed, it stays as it is. Otherwise the
// transaction changes rows that s shares, and must be ended or undone before anybody else uses s.
func (s *Snapshot) begin() *Tx {
	tx := &Tx{Snapshot: *s, log: new(changeLog)}
	for t := range tx.list() {
		t.log = tx.log
	}
	tx.join()
	return tx
}

// join connects each writer with the table of the same name. Tables yields its tables in the order
// of offsets; the check below makes sure that the writers have the same order.
func (tx *Tx) join() {
	to := unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(&tx.writers)), len(offsets))
	for i, at := range offsets {
		to[i] = unsafe.Add(unsafe.Pointer(&tx.Tables), at)
	}
}

// end makes the result of the transaction the state at a revision, on which the next transaction
// may begin. The transaction cannot write any more.
func (tx *Tx) end(rev uint64) *Snapshot {
	for t := range tx.list() {
		t.log = nil
	}
	tx.Rev = rev
	return &tx.Snapshot
}

// undo reverts what the transaction wrote.
func (tx *Tx) undo() {
	for _, c := range tx.log.changes {
		for t := range tx.list() {
			if t.def == c.table {
				t.restore(c.key, c.old)
			}
		}
	}
}

// seal makes s immutable: transactions that begin on it copy what they change. Transactions between
// two seals share their copies, and copying is most of the cost of an update.
func (s *Snapshot) seal() *Snapshot {
	for t := range s.list() {
		t.seal()
	}
	return s
}

// list yields the tables in the order of the struct's fields. Every transaction calls it twice, so
// the offsets of the fields are computed once.
func (t *Tables) list() iter.Seq[*core] {
	return func(yield func(*core) bool) {
		for _, at := range offsets {
			if !yield((*core)(unsafe.Add(unsafe.Pointer(t), at))) {
				return
			}
		}
	}
}

// offsets are the offsets of the tables' cores in Tables. A Table consists of its core only.
var offsets = func() []uintptr {
	fields := reflect.TypeFor[Tables]()
	at := make([]uintptr, fields.NumField())
	if fields.NumField() != reflect.TypeFor[writers]().NumField() {
		panic("state: Tables and writers do not have the same fields")
	}
	writable := reflect.TypeFor[writers]()
	for i := range at {
		f := fields.Field(i)
		w := writable.Field(i)
		if w.Name != f.Name || w.Type.NumField() != 1 || w.Type.Field(0).Type != reflect.PointerTo(f.Type) {
			panic("state: field " + w.Name + " of writers is not that of the table " + f.Name)
		}
		if f.Type.NumField() != 1 || f.Type.Field(0).Type != reflect.TypeFor[core]() {
			panic("state: field " + f.Name + " of Tables is not a Table")
		}
		at[i] = f.Offset
	}
	return at
}()

// loader builds the tables from the journal.
type loader struct {
	tx     *Tx
	tables map[string]*core
	old    oldServices
}

func newLoader() *loader {
	l := &loader{(&Snapshot{Tables: define()}).begin(), make(map[string]*core), make(oldServices)}
	for t := range l.tx.list() {
		l.tables[t.title()] = t
	}
	return l
}

// load applies one entry of the journal, or one part of a snapshot in it.
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
		if t == &l.tx.Services.untyped {
			l.old.note(c.Key, c.Value)
		}
	}
	return nil
}

// partSize is the approximate number of bytes in a part of a snapshot.
const partSize = 16 << 10

// parts encodes the snapshot for the journal, as the changes that create it from an empty state.
// There is at least one part. Each is valid until the next one is requested.
func (s *Snapshot) parts() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		part := []byte{'['}
		var one bytes.Buffer // used again for each row: a snapshot may have many
		encoder := json.NewEncoder(&one)
		for t := range s.list() {
			for key, v := range t.each() {
				if len(part) >= partSize {
					if !yield(append(part, ']'), nil) {
						return
					}
					part = part[:1]
				}
				one.Reset()
				if err := encoder.Encode(written{t.title(), key, v}); err != nil {
					yield(nil, err)
					return
				}
				if len(part) > 1 {
					part = append(part, ',')
				}
				part = append(part, bytes.TrimSuffix(one.Bytes(), []byte("\n"))...)
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
