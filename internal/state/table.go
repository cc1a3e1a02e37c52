package state

import (
	"encoding/json"
	"iter"
	"slices"
)

// Table is a typed set of values with a primary key and secondary indexes.
//
// In a Snapshot it is read-only and safe for concurrent use. In a Tx it belongs
// to the function that Update runs: reads see the transaction's own writes, and
// an iteration that is under way does not see writes made after it began.
type Table[T any] struct{ core }

// table defines a table: its name in the journal, which must never change, the
// primary key of a value, and the indexes.
func table[T any](name string, key func(*T) string, indexes ...index) Table[T] {
	return Table[T]{core{
		def: &definition{
			name:    name,
			key:     func(v any) string { return key(v.(*T)) },
			decode:  decode[T],
			indexes: indexes,
		},
		rows: newRows(len(indexes)),
	}}
}

func decode[T any](data json.RawMessage) (any, error) {
	v := new(T)
	return v, json.Unmarshal(data, v)
}

// by defines an index with at most one entry per value; "" is no entry.
func by[T any](name Index, entry func(*T) string) index {
	return index{name, func(v any) []string {
		if e := entry(v.(*T)); e != "" {
			return []string{e}
		}
		return nil
	}}
}

// byEach defines an index with any number of entries per value. A value that
// names an entry twice is found once.
func byEach[T any](name Index, entries func(*T) []string) index {
	return index{name, func(v any) []string {
		es := slices.Clone(entries(v.(*T)))
		slices.Sort(es)
		return slices.Compact(es)
	}}
}

// Get returns the value with the given primary key.
func (t *Table[T]) Get(key string) (*T, bool) {
	v, ok := t.rows.primary.get(key)
	if !ok {
		return nil, false
	}
	return v.(*T), true
}

// Len returns the number of values.
func (t *Table[T]) Len() int { return t.rows.primary.items.Len() }

// All yields every value in the order of primary keys.
func (t *Table[T]) All() iter.Seq[*T] { return t.values("", "") }

// Prefix yields the values whose primary key begins with prefix, in the order
// of primary keys.
func (t *Table[T]) Prefix(prefix string) iter.Seq[*T] { return t.values("", prefix) }

// By yields the values that have the given entry in an index, in the order of
// primary keys. It panics when the table has no such index.
func (t *Table[T]) By(name Index, entry string) iter.Seq[*T] {
	return t.values(name, indexKey(entry, ""))
}

func (t *Table[T]) values(name Index, prefix string) iter.Seq[*T] {
	found := t.under(name, prefix)
	return func(yield func(*T) bool) {
		for _, v := range found {
			if !yield(v.(*T)) {
				return
			}
		}
	}
}

// Put adds v, or replaces the value that has the same primary key. From here on
// v belongs to the store and must not be changed any more. Put panics outside
// of the function that Update runs, and for a value without a primary key.
func (t *Table[T]) Put(v *T) { t.set(v) }

// Delete removes the value with the given primary key, if there is one. It
// panics outside of the function that Update runs.
func (t *Table[T]) Delete(key string) { t.unset(key) }
