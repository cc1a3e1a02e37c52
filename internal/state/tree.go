package state

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// tree is an ordered map from key to a pointer. Trees share the nodes they have
// in common: copying one is cheap, and a write copies the few nodes on its path.
//
// A tree is written by one transaction. What seal returned, and with it every
// tree of a snapshot, is never written again.
type tree[T any] struct {
	items *btree.BTreeG[item[T]]
	own   bool // items were copied since the last seal
}

type item[T any] struct {
	key   string
	value *T
}

// degree is chosen by measuring: small nodes cost less to copy, large ones less
// to search. A node has up to 2*degree-1 items.
const degree = 8

func newTree[T any]() tree[T] {
	before := func(a, b item[T]) bool { return a.key < b.key }
	return tree[T]{items: btree.NewBTreeGOptions(before, btree.Options{Degree: degree, NoLocks: true})}
}

func (t *tree[T]) get(key string) (*T, bool) {
	found, ok := t.items.Get(item[T]{key: key})
	return found.value, ok
}

func (t *tree[T]) insert(key string, v *T) { t.writable().Set(item[T]{key, v}) }

func (t *tree[T]) remove(key string) { t.writable().Delete(item[T]{key: key}) }

func (t *tree[T]) writable() *btree.BTreeG[item[T]] {
	if !t.own {
		t.items, t.own = t.items.Copy(), true
	}
	return t.items
}

// seal returns the items as they are now, whatever is written later.
func (t *tree[T]) seal() *btree.BTreeG[item[T]] {
	if t.own { // else it may be another goroutine's too
		t.own = false
	}
	return t.items
}

// under yields, in the order of keys, what has a key that begins with prefix.
func (t *tree[T]) under(prefix string) iter.Seq2[string, *T] {
	items := t.seal()
	return func(yield func(string, *T) bool) {
		items.Ascend(item[T]{key: prefix}, func(i item[T]) bool {
			return strings.HasPrefix(i.key, prefix) && yield(i.key, i.value)
		})
	}
}

// refer keeps v, which has a primary key, under some entries of an index, and
// no longer under others.
func (t *tree[T]) refer(primary string, was, is []string, v *T) {
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
