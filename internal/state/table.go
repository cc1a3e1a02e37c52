package state

import (
	"encoding/json"
	"iter"
	"slices"
)

// Table is a typed set of values with a primary key and secondary indexes. It can only be read.
//
// In a Snapshot it is safe for concurrent use. In a Tx it belongs to the function
// that Update runs: reads see the transaction's own writes, and an iteration that
// is under way does not see writes made after it began.
//
// Every package that uses Tables compiles the methods of every Table and Writable again, also those of
// embedded fields. So there are few of them, and code that does not need T is in methods of core.
type Table[T any] struct{ untyped core }

// Writable is a table in a transaction.
type Writable[T any] struct{ *Table[T] }

// table defines a table: its name in the journal, which must never change, the primary key of a
// value, and the indexes.
func table[T any](name string, key func(*T) string, indexes ...Index[T]) Table[T] {
	var all []*index
	for _, ix := range indexes {
		all = append(all, ix.index)
	}
	return Table[T]{untyped: core{
		def: &definition{
			name:    name,
			key:     func(v any) string { return key(v.(*T)) },
			decode:  decode[T],
			changed: changed[T],
			indexes: all,
		},
		rows: newRows(len(all), 0),
	}}
}

func decode[T any](data json.RawMessage) (any, error) {
	v := new(T)
	return v, json.Unmarshal(data, v)
}

// changed makes a typed change; a missing value is an untyped nil.
func changed[T any](key string, old, new any) Change {
	c := Changed[T]{Key: key}
	if old != nil {
		c.Old = old.(*T)
	}
	if new != nil {
		c.New = new.(*T)
	}
	return c
}

// Index is a secondary index of the table of T.
type Index[T any] struct{ index *index }

// by makes an index with at most one entry per value; "" means none.
func by[T any](entry func(*T) string) Index[T] {
	return Index[T]{&index{entries: func(v any) []string {
		if e := entry(v.(*T)); e != "" {
			return []string{e}
		}
		return nil
	}}}
}

// inOrder has the values of an entry of an index in an order of their own, and by primary key where that
// is the same for two. The texts of the order must all have the same length.
func inOrder[T any](ix Index[T], order func(*T) string) Index[T] {
	ix.index.order = func(v any) string { return order(v.(*T)) }
	return ix
}

// byEach makes an index with any number of entries per value. If a value returns an entry twice, it
// is found once.
func byEach[T any](entries func(*T) []string) Index[T] {
	return Index[T]{&index{entries: func(v any) []string {
		es := slices.Clone(entries(v.(*T)))
		slices.Sort(es)
		return slices.Compact(es)
	}}}
}

// withSums adds sums to a table's definition.
func withSums[T any](t Table[T], sums ...sum) Table[T] {
	t.untyped.def.sums, t.untyped.rows = sums, newRows(len(t.untyped.def.indexes), len(sums))
	return t
}

// Get returns the value with the given primary key.
func (t *Table[T]) Get(key string) (*T, bool) {
	v, ok := t.untyped.rows.primary.get(key)
	if !ok {
		return nil, false
	}
	return v.(*T), true
}

// Len returns the number of values.
func (t *Table[T]) Len() int { return t.untyped.rows.primary.items.Len() }

// All yields every value in the order of primary keys.
func (t *Table[T]) All() iter.Seq[*T] { return values[T](t.untyped.under(nil, "")) }

// Prefix yields the values whose primary key begins with prefix, in the order
// of primary keys.
func (t *Table[T]) Prefix(prefix string) iter.Seq[*T] { return values[T](t.untyped.under(nil, prefix)) }

// Last returns the last of the values that Prefix yields.
func (t *Table[T]) Last(prefix string) (*T, bool) {
	v, ok := t.untyped.rows.primary.last(prefix)
	if !ok {
		return nil, false
	}
	return v.(*T), true
}

// By yields the values with the given entry in an index. They are in the order of primary keys,
// unless the index has another order.
func (t *Table[T]) By(ix Index[T], entry string) iter.Seq[*T] {
	return values[T](t.untyped.under(ix.index, indexKey(entry, "")))
}

func values[T any](found iter.Seq2[string, any]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, v := range found {
			if !yield(v.(*T)) {
				return
			}
		}
	}
}

// Put adds v, or replaces the value that has the same primary key. From here on
// v belongs to the store and must not be changed any more. Put panics when the
// transaction has ended, and for a value without a primary key.
func (w Writable[T]) Put(v *T) { w.untyped.set(v) }

// Delete removes the value with the given primary key, if there is one. It panics
// when the transaction has ended.
func (w Writable[T]) Delete(key string) { w.untyped.unset(key) }
