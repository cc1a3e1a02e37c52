package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
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
// Update, and only until that function returns.
type Tx struct {
	Tables
	log changeLog
}

// begin opens a transaction on top of s. s itself stays as it is.
func (s *Snapshot) begin() *Tx {
	tx := &Tx{Tables: s.Tables}
	for _, t := range tx.list() {
		t.begin(&tx.log)
	}
	return tx
}

// end makes the transaction's tables the snapshot of a revision. The
// transaction cannot be used any more.
func (tx *Tx) end(rev uint64) *Snapshot {
	next := &Snapshot{Tables: tx.Tables, Rev: rev}
	for _, t := range next.list() {
		t.end()
	}
	return next
}

// list returns the tables in the order of the struct's fields.
func (t *Tables) list() []anyTable {
	fields := reflect.ValueOf(t).Elem()
	tables := make([]anyTable, fields.NumField())
	for i := range tables {
		tables[i] = fields.Field(i).Addr().Interface().(anyTable)
	}
	return tables
}

// loader rebuilds tables from what the journal holds.
type loader struct {
	tx     *Tx
	tables map[string]anyTable
}

func newLoader() *loader {
	l := &loader{(&Snapshot{Tables: define()}).begin(), make(map[string]anyTable)}
	for _, t := range l.tx.list() {
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

// partSize is about how many bytes a part of a saved snapshot has. Parts are
// what the journal writes in one go; small ones keep appends from waiting.
const partSize = 128 << 10

// parts encodes the snapshot for the journal, as changes that make it out of
// nothing. There is always at least one part.
func (s *Snapshot) parts() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		buf := []byte{'['}
		for _, t := range s.list() {
			for key, v := range t.each() {
				one, err := marshal([]written{{t.title(), key, v}})
				if err != nil {
					yield(nil, err)
					return
				}
				if len(buf) > 1 {
					buf = append(buf, ',')
				}
				buf = append(buf, one[1:len(one)-2]...) // without "[" and "]\n"
				if len(buf) < partSize {
					continue
				}
				if !yield(append(buf, ']'), nil) {
					return
				}
				buf = []byte{'['}
			}
		}
		yield(append(buf, ']'), nil)
	}
}
