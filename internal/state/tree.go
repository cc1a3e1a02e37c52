package state

import (
	"encoding/binary"
	"iter"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
)

// tree is an ordered map from key to value. Copies of a tree share what they
// have in common. While it is being written, a tree belongs to one transaction;
// between writes, and for good in a snapshot, it is immutable.
type tree[T any] struct {
	done *iradix.Tree[*T]
	open *iradix.Txn[*T] // not nil while there are writes that done lacks
}

func newTree[T any]() tree[T] { return tree[T]{done: iradix.New[*T]()} }

func (t *tree[T]) get(key string) (*T, bool) {
	if t.open != nil {
		return t.open.Get([]byte(key))
	}
	return t.done.Get([]byte(key))
}

func (t *tree[T]) insert(key []byte, v *T) {
	if t.open == nil {
		t.open = t.done.Txn()
	}
	t.open.Insert(key, v)
}

func (t *tree[T]) remove(key []byte) {
	if t.open == nil {
		t.open = t.done.Txn()
	}
	t.open.Delete(key)
}

// seal ends the writing: what was iterated over or handed out after it is not
// touched by later writes.
func (t *tree[T]) seal() *iradix.Tree[*T] {
	if t.open != nil {
		t.done, t.open = t.open.CommitOnly(), nil
	}
	return t.done
}

// under yields, in key order, the values whose key begins with prefix.
func (t *tree[T]) under(prefix []byte) iter.Seq[*T] {
	done := t.seal()
	return func(yield func(*T) bool) {
		it := done.Root().Iterator()
		if len(prefix) > 0 {
			it.SeekPrefix(prefix)
		}
		for _, v, ok := it.Next(); ok; _, v, ok = it.Next() {
			if !yield(v) {
				return
			}
		}
	}
}

// indexKey places a value under an index entry: the length of the entry keeps
// entries apart that begin alike, the primary key keeps values apart and in
// order.
func indexKey(entry, primary string) []byte {
	key := make([]byte, 0, binary.MaxVarintLen32+len(entry)+len(primary))
	key = binary.AppendUvarint(key, uint64(len(entry)))
	key = append(key, entry...)
	return append(key, primary...)
}
