package bolt

import (
	"bytes"
	"encoding/binary"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal"
)

// key is a revision as a key; keys sort as revisions do.
func key(rev uint64) []byte { return binary.BigEndian.AppendUint64(nil, rev) }

// partKey is the key of a piece of the snapshot.
func partKey(rev uint64, number uint32) []byte {
	return binary.BigEndian.AppendUint32(key(rev), number)
}

// value is an entry as kept under its revision.
func value(e journal.Entry) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(e.Data)), e.Term), e.Data...)
}

// snapshotOf returns revision and term of the snapshot in force, or zeros.
func snapshotOf(tx *bbolt.Tx) (rev, term uint64) {
	v := tx.Bucket(metaBucket).Get(snapshotKey)
	if v == nil {
		return 0, 0
	}
	return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
}

// history yields what is kept after a revision: the parts of the snapshot when
// it is newer than that, and the entries.
func history(tx *bbolt.Tx, after uint64) iter.Seq[journal.Entry] {
	return func(yield func(journal.Entry) bool) {
		rev, term := snapshotOf(tx)
		if rev > after {
			c := tx.Bucket(partsBucket).Cursor()
			for k, v := c.Seek(key(rev)); bytes.HasPrefix(k, key(rev)); k, v = c.Next() {
				if !yield(journal.Entry{Rev: rev, Term: term, Part: true, Data: bytes.Clone(v)}) {
					return
				}
			}
		}
		// Entries up to the snapshot may be there still; they are void.
		c := tx.Bucket(logBucket).Cursor()
		for k, v := c.Seek(key(max(rev, after) + 1)); k != nil; k, v = c.Next() {
			e := journal.Entry{Rev: binary.BigEndian.Uint64(k), Term: binary.BigEndian.Uint64(v), Data: bytes.Clone(v[8:])}
			if !yield(e) {
				return
			}
		}
	}
}
