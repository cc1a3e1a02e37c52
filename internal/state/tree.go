package state

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// tree is an ordered map from a key to a value of one table. Trees share their common nodes:
// copying a tree is cheap, and a write copies the few nodes on its path.
//
// Only one transaction writes to a tree. What seal has returned, and so every tree of a snapshot,
// is never written again.
type tree struct {
	items items
	own   bool // items were copied since the last seal
}

// item holds its value as any, so that one kind of B-tree serves all tables.
type item struct {
	key   string
	value any
}

// items is the part of btree.BTreeG[item] that a tree needs. If tree had a field of that type instead, every
// package that reads state would compile the B-tree again.
type items interface {
	Get(item) (item, bool)
	Set(item) (item, bool)
	Delete(item) (item, bool)
	Len() int
	Ascend(from item, yield func(item) bool)
	Descend(from item, yield func(item) bool)
	copied() items // a copy, which may be written while others read the original
}

type bTree struct{ *btree.BTreeG[item] }

// copied copies a copy of b: BTreeG.Copy writes to the tree that it copies.
func (b bTree) copied() items {
	shared := *b.BTreeG
	return bTree{shared.Copy()}
}

// degree is chosen by measuring: small nodes cost less to copy, large ones less
// to search. A node has up to 2*degree-1 items.
const degree = 8

func newTree() tree {
	before := func(a, b item) bool { return a.key < b.key }
	return tree{items: bTree{btree.NewBTreeGOptions(before, btree.Options{Degree: degree, NoLocks: true})}}
}

func (t *tree) get(key string) (any, bool) {
	found, ok := t.items.Get(item{key: key})
	return found.value, ok
}

func (t *tree) insert(key string, v any) { t.writable().Set(item{key, v}) }

// update replaces the value under key by the result of change; nil means no value. It stores
// nothing under the key "".
func (t *tree) update(key string, change func(any) any) {
	if key == "" {
		return
	}
	kept, _ := t.get(key)
	if v := change(kept); v != nil {
		t.insert(key, v)
	} else {
		t.remove(key)
	}
}

func (t *tree) remove(key string) { t.writable().Delete(item{key: key}) }

func (t *tree) writable() items {
	if !t.own {
		t.items, t.own = t.items.copied(), true
	}
	return t.items
}

// seal returns the items as they are now, whatever is written later.
func (t *tree) seal() items {
	if t.own { // else it may be another goroutine's too
		t.own = false
	}
	return t.items
}

// under yields the values whose keys begin with prefix, in the order of keys.
func (t *tree) under(prefix string) iter.Seq2[string, any] {
	items := t.seal()
	return func(yield func(string, any) bool) {
		items.Ascend(item{key: prefix}, func(i item) bool {
			return strings.HasPrefix(i.key, prefix) && yield(i.key, i.value)
		})
	}
}

// last returns the value with the last key that begins with prefix.
func (t *tree) last(prefix string) (v any, ok bool) {
	// This key is after all that begin with prefix, because no UTF-8 text contains 0xff.
	t.items.Descend(item{key: prefix + "\xff"}, func(i item) bool {
		v, ok = i.value, strings.HasPrefix(i.key, prefix)
		return false
	})
	return v, ok
}

// refer moves v from the keys was of an index to the keys is.
func (t *tree) refer(was, is []string, v any) {
	for _, key := range was {
		if !slices.Contains(is, key) {
			t.remove(key)
		}
	}
	for _, key := range is {
		t.insert(key, v)
	}
}

// indexKey returns the key of a value in an index. The length of the entry separates entries with a
// common beginning; the rest, which ends with the primary key, separates and sorts the values of an
// entry.
func indexKey(entry, last string) string {
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(entry)))
	var key strings.Builder
	key.Grow(n + len(entry) + len(last))
	key.Write(length[:n])
	key.WriteString(entry)
	key.WriteString(last)
	return key.String()
}
