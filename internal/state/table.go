package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// Table is a typed set of values with a primary key and secondary indexes.
//
// In a Snapshot it is read-only and safe for concurrent use. In a Tx it belongs
// to the function that Update runs: reads see the transaction's own writes, and
// an iteration that is under way does not see writes made after it began.
type Table[T any] struct {
	def  *definition[T]
	rows *rows[T]
	log  *changeLog // nil in a snapshot
	own  bool       // rows were copied by this transaction and may be written
}

// definition says how values of a table are named and found.
type definition[T any] struct {
	name    string // in the journal; never changes
	key     func(*T) string
	indexes []index[T]
}

type index[T any] struct {
	name    Index
	entries func(*T) []string
}

// rows are the contents of a table.
type rows[T any] struct {
	primary   tree[T]
	secondary []tree[T] // by indexKey, in the order of the definition's indexes
}

// table defines a table: its name in the journal, which must never change, the
// primary key of a value, and the indexes.
func table[T any](name string, key func(*T) string, indexes ...index[T]) Table[T] {
	r := &rows[T]{primary: newTree[T](), secondary: make([]tree[T], len(indexes))}
	for i := range indexes {
		r.secondary[i] = newTree[T]()
	}
	return Table[T]{def: &definition[T]{name, key, indexes}, rows: r}
}

// by defines an index with at most one entry per value; "" is no entry.
func by[T any](name Index, entry func(*T) string) index[T] {
	return index[T]{name, func(v *T) []string {
		if e := entry(v); e != "" {
			return []string{e}
		}
		return nil
	}}
}

// byEach defines an index with any number of entries per value. A value that
// names an entry twice is found once.
func byEach[T any](name Index, entries func(*T) []string) index[T] {
	return index[T]{name, func(v *T) []string {
		es := slices.Clone(entries(v))
		slices.Sort(es)
		return slices.Compact(es)
	}}
}

// Get returns the value with the given primary key.
func (t *Table[T]) Get(key string) (*T, bool) { return t.rows.primary.get(key) }

// Len returns the number of values.
func (t *Table[T]) Len() int { return t.rows.primary.items.Len() }

// All yields every value in the order of primary keys.
func (t *Table[T]) All() iter.Seq[*T] { return t.Prefix("") }

// Prefix yields the values whose primary key begins with prefix, in the order
// of primary keys.
func (t *Table[T]) Prefix(prefix string) iter.Seq[*T] {
	return values(t.rows.primary.under(prefix))
}

// By yields the values that have the given entry in an index, in the order of
// primary keys. It panics when the table has no such index.
func (t *Table[T]) By(name Index, entry string) iter.Seq[*T] {
	i := slices.IndexFunc(t.def.indexes, func(ix index[T]) bool { return ix.name == name })
	if i < 0 {
		panic(fmt.Sprintf("state: table %s has no index %q", t.def.name, name))
	}
	return values(t.rows.secondary[i].under(indexKey(entry, "")))
}

func values[T any](seq iter.Seq2[string, *T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, v := range seq {
			if !yield(v) {
				return
			}
		}
	}
}

// Put adds v, or replaces the value that has the same primary key. From here on
// v belongs to the store and must not be changed any more. Put panics outside
// of the function that Update runs, and for a value without a primary key.
func (t *Table[T]) Put(v *T) {
	key := t.def.key(v)
	if key == "" {
		panic(fmt.Sprintf("state: value without a key put into table %s", t.def.name))
	}
	t.record(key, t.put(key, v), v)
}

// Delete removes the value with the given primary key, if there is one. It
// panics outside of the function that Update runs.
func (t *Table[T]) Delete(key string) {
	t.writable()
	if old, ok := t.Get(key); ok {
		t.remove(key, old)
		t.record(key, old, nil)
	}
}

func (t *Table[T]) put(key string, v *T) (old *T) {
	t.writable()
	old, replaced := t.Get(key)
	t.rows.primary.insert(key, v)
	for i, ix := range t.def.indexes {
		var was []string
		if replaced {
			was = ix.entries(old)
		}
		t.rows.secondary[i].refer(key, was, ix.entries(v), v)
	}
	return old
}

func (t *Table[T]) remove(key string, old *T) {
	t.rows.primary.remove(key)
	for i, ix := range t.def.indexes {
		t.rows.secondary[i].refer(key, ix.entries(old), nil, nil)
	}
}

// writable makes sure that the table may be written, and that writes touch only
// this transaction's copy of the rows.
func (t *Table[T]) writable() {
	switch {
	case t.log == nil:
		panic(fmt.Sprintf("state: write to table %s outside of Update: snapshots are read-only", t.def.name))
	case t.log.over:
		panic(fmt.Sprintf("state: write to table %s after its transaction was given up", t.def.name))
	case !t.own:
		t.rows = &rows[T]{t.rows.primary, slices.Clone(t.rows.secondary)}
		t.own = true
	}
}

// record notes a change for the journal and the subscriptions. A missing side
// is an untyped nil.
func (t *Table[T]) record(key string, old, new *T) {
	c := Change{Table: t.def.name, Key: key}
	if old != nil {
		c.Old = old
	}
	if new != nil {
		c.New = new
	}
	t.log.add(c)
}

// anyTable is what the store does with every table alike.
type anyTable interface {
	title() string
	begin(*changeLog)
	end()
	load(key string, data json.RawMessage) error
	each() iter.Seq2[string, any]
}

func (t *Table[T]) title() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// begin opens a copy of the table for a transaction.
func (t *Table[T]) begin(log *changeLog) { t.log, t.own = log, false }

// end makes the table a part of a snapshot again.
func (t *Table[T]) end() {
	t.rows.primary.seal()
	for i := range t.rows.secondary {
		t.rows.secondary[i].seal()
	}
	t.log, t.own = nil, false
}

// load applies a change read from the journal; no data is a deletion.
func (t *Table[T]) load(key string, data json.RawMessage) error {
	t.writable()
	if len(data) == 0 {
		if old, ok := t.Get(key); ok {
			t.remove(key, old)
		}
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("table %s, key %s: %w", t.def.name, key, err)
	}
	if got := t.def.key(v); got != key {
		return fmt.Errorf("table %s: value kept under key %s calls itself %s", t.def.name, key, got)
	}
	t.put(key, v)
	return nil
}

// each yields every value with its key.
func (t *Table[T]) each() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for v := range t.All() {
			if !yield(t.def.key(v), v) {
				return
			}
		}
	}
}
