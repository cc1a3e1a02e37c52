package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal"
)

// What one transaction of a compaction does at most: little enough that an
// append hardly notices.
const (
	stageStep = 256 << 10 // bytes of parts written
	trimStep  = 256       // keys removed
)

// Compact implements journal.Journal. The parts are written beside the
// snapshot in force, one transaction each; one more transaction puts them in
// force; the rest tidies up. A compaction that was interrupted is tidied up by
// the next one.
func (j *Journal) Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	current, err := j.mayCompact(rev, term)
	if err != nil || current == rev {
		return err
	}
	if err := j.tidy(ctx); err != nil {
		return err
	}
	if err := j.stage(ctx, rev, parts); err != nil {
		return err
	}
	j.step("compact: staged")
	err = j.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(metaBucket).Put(snapshotKey, binary.BigEndian.AppendUint64(key(rev), term))
	})
	if err != nil {
		return err
	}
	j.step("compact: in force")
	return j.tidy(ctx)
}

// mayCompact checks the caller's revision and term and returns the revision of
// the snapshot in force.
func (j *Journal) mayCompact(rev, term uint64) (current uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.db.View(func(tx *bbolt.Tx) error {
		current, _ = snapshotOf(tx)
		return nil
	})
	switch {
	case err != nil:
		return 0, closed(err)
	case term < j.term:
		return 0, journal.ErrFenced
	case rev < current || rev > j.rev:
		return 0, journal.ErrGap
	}
	return current, nil
}

// stage writes the parts, several at a time.
func (j *Journal) stage(ctx context.Context, rev uint64, parts iter.Seq2[[]byte, error]) error {
	var batch [][]byte
	number, size := uint32(0), 0
	flush := func() error {
		err := j.db.Update(func(tx *bbolt.Tx) error { return putParts(tx, rev, number, batch) })
		number += uint32(len(batch))
		batch, size = nil, 0
		j.step("compact: parts written")
		return err
	}
	for data, err := range parts {
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		batch = append(batch, bytes.Clone(data))
		size += len(data)
		if size < stageStep {
			continue
		}
		if err := flush(); err != nil {
			return err
		}
	}
	if number == 0 && len(batch) == 0 {
		return journal.ErrEmptySnapshot
	}
	return flush()
}

func putParts(tx *bbolt.Tx, rev uint64, number uint32, parts [][]byte) error {
	b := tx.Bucket(partsBucket)
	b.FillPercent = 1
	for i, data := range parts {
		if err := b.Put(partKey(rev, number+uint32(i)), data); err != nil {
			return err
		}
	}
	return nil
}

// tidy removes the entries that the snapshot in force stands for, and the parts
// of any other snapshot.
func (j *Journal) tidy(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left := trimStep
		err := j.db.Update(func(tx *bbolt.Tx) error {
			rev, _ := snapshotOf(tx)
			return errors.Join(
				remove(tx.Bucket(logBucket), nil, key(rev+1), &left),
				remove(tx.Bucket(partsBucket), nil, key(rev), &left),
				remove(tx.Bucket(partsBucket), key(rev+1), nil, &left))
		})
		if err != nil || left > 0 {
			return err
		}
		j.step("compact: trimmed")
	}
}

// remove deletes keys from first up to but not including end (nil for all), as
// long as there are any left to delete.
func remove(b *bbolt.Bucket, first, end []byte, left *int) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(first); k != nil && len(keys) < *left; k, _ = c.Next() {
		if end != nil && bytes.Compare(k, end) >= 0 {
			break
		}
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	*left -= len(keys)
	return nil
}
