package state

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// tree is an ordered map from key to a value of one table. Trees share the
// nodes they have in common: copying one is cheap, and a write copies the few
// nodes on its path.
//
// A tree is written by one transaction. What seal returned, and with it every
// tree of a snapshot, is never written again.
type tree struct {
	items *btree.BTreeG[item]
	own   bool // items were copied since the last seal
}

// item holds its value as any: one tree serves all tables, so that the B-tree
// is compiled once and not once per table in every package that reads state.
type item struct {
	key   string
	value any
}

// degree is chosen by measuring: small nodes cost less to copy, large ones less
// to search. A node has up to 2*degree-1 items.
const degree = 8

func newTree() tree {
	before := func(a, b item) bool { return a.key < b.key }
	return tree{items: btree.NewBTreeGOptions(before, btree.Options{Degree: degree, NoLocks: true})}
}

func (t *tree) get(key string) (any, bool) {
	found, ok := t.items.Get(item{key: key})
	return found.value, ok
}

func (t *tree) insert(key string, v any) { t.writable().Set(item{key, v}) }

func (t *tree) remove(key string) { t.writable().Delete(item{key: key}) }

func (t *tree) writable() *btree.BTreeG[item] {
	if !t.own {
		t.items, t.own = t.items.Copy(), true
	}
	return t.items
}

// seal returns the items as they are now, whatever is written later.
func (t *tree) seal() *btree.BTreeG[item] {
	if t.own { // else it may be another goroutine's too
		t.own = false
	}
	return t.items
}

// under yields, in the order of keys, what has a key that begins with prefix.
func (t *tree) under(prefix string) iter.Seq2[string, any] {
	items := t.seal()
	return func(yield func(string, any) bool) {
		items.Ascend(item{key: prefix}, func(i item) bool {
			return strings.HasPrefix(i.key, prefix) && yield(i.key, i.value)
		})
	}
}

// refer keeps v, which has a primary key, under some entries of an index, and
// no longer under others.
func (t *tree) refer(primary string, was, is []string, v any) {
	for _, entry := range was {
		if !slices.Contains(is, entry) {
			t.remove(indexKey(entry, primary))
		}
	}
	for _, entry := range is {
		t.insert(indexKey(entry, primary), v)
	}
}

// indexKey places a value under an index entry: the length of the entry keeps
// entries apart that begin alike, the primary key keeps values apart and in
// order.
func indexKey(entry, primary string) string {
	key := make([]byte, 0, binary.MaxVarintLen32+len(entry)+len(primary))
	key = binary.AppendUvarint(key, uint64(len(entry)))
	key = append(key, entry...)
	return string(append(key, primary...))
}
