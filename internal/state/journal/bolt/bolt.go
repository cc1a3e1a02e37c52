// Package bolt is a journal in one file, kept by bbolt.
//
// An append is one bbolt transaction: when it returns, the entries are on the
// disk (bbolt syncs twice, once for the pages and once for the page that makes
// them valid), and a process killed at any instruction leaves either all of
// them or none. A compaction is many small transactions, so that appends wait
// for one of those and never for the whole.
//
// The file belongs to one process at a time and is readable by its owner only.
// The package knows nothing of what the bytes mean.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/berthhq/berth/internal/state/journal"
)

// ErrInUse is returned by Open when another process has the file open.
var ErrInUse = errors.New("in use by another process")

// lockWait is how long Open waits for the other process to go away.
const lockWait = 300 * time.Millisecond

// The file's buckets and keys.
var (
	logBucket   = []byte("log")   // revision -> term, data
	partsBucket = []byte("parts") // revision, number -> data; of the snapshot, or left over
	metaBucket  = []byte("meta")
	snapshotKey = []byte("snapshot") // in meta -> revision, term
	formatKey   = []byte("format")   // in meta -> format
)

// format is the version of the layout above.
const format = "1"

// Journal implements journal.Journal.
type Journal struct {
	db *bbolt.DB

	mu     sync.Mutex // guards what follows; held while an append is under way
	rev    uint64     // newest acknowledged revision
	term   uint64     // and its term
	unsure bool       // an append failed and may have left entries in the file
	room   *room

	compacting sync.Mutex        // held during Compact
	reached    func(step string) // for tests: told before and after each step, nil otherwise
}

// Open opens the journal in the file, which is made when it is not there; its
// directory must exist.
func Open(path string) (*Journal, error) {
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait,
		// The list of free pages is rebuilt when the file is opened, which
		// saves writing it with every append.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	room, err := openRoom(path)
	j := &Journal{db: db, room: room}
	if err := errors.Join(err, j.prepare(), syncDir(path, fresh)); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), j.Close())
	}
	return j, nil
}

// prepare makes the buckets of a new file and finds the newest entry.
func (j *Journal) prepare() error {
	ready, err := j.find()
	if ready || err != nil {
		return err
	}
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{logBucket, partsBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(formatKey, []byte(format))
	})
}

func (j *Journal) find() (ready bool, err error) {
	err = j.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return nil
		}
		if got := string(meta.Get(formatKey)); got != format {
			return fmt.Errorf("its format is %q, and this version reads %q", got, format)
		}
		ready = true
		j.rev, j.term = snapshotOf(tx)
		if k, v := tx.Bucket(logBucket).Cursor().Last(); k != nil {
			j.rev, j.term = binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return ready, err
}

// syncDir makes a new file's name durable.
func syncDir(path string, fresh bool) error {
	if !fresh {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Append implements journal.Journal. An append that has begun is not stopped by
// ctx.
func (j *Journal) Append(ctx context.Context, entries []journal.Entry) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := journal.Check(j.rev, j.term, entries); err != nil {
		return err
	}
	err := j.db.Update(func(tx *bbolt.Tx) error {
		j.step("append: begun")
		j.room.make(tx)
		log := tx.Bucket(logBucket)
		log.FillPercent = 1 // entries come in order, so pages never split in the middle
		if err := j.forgetUnsure(log); err != nil {
			return err
		}
		for _, e := range entries {
			if err := log.Put(key(e.Rev), value(e)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		j.unsure = true
		return closed(err)
	}
	j.step("append: committed")
	if n := len(entries); n > 0 {
		j.rev, j.term = entries[n-1].Rev, entries[n-1].Term
	}
	j.unsure = false
	return nil
}

// forgetUnsure removes what a failed append may have left. bbolt calls a
// transaction failed also when only the last sync of the disk failed, and then
// shows it nevertheless.
func (j *Journal) forgetUnsure(log *bbolt.Bucket) error {
	if !j.unsure {
		return nil
	}
	all := math.MaxInt
	return remove(log, key(j.rev+1), nil, &all)
}

// Replay implements journal.Journal. It shows the journal as it was when the
// iteration began. Appends of the same goroutine must wait until it ended.
func (j *Journal) Replay(ctx context.Context, after uint64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		j.mu.Lock()
		newest := j.rev
		j.mu.Unlock()
		err := j.db.View(func(tx *bbolt.Tx) error {
			for e := range history(tx, after) {
				if e.Rev > newest {
					return nil
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if !yield(e, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(journal.Entry{}, closed(err))
		}
	}
}

// errStop says that the reader of a replay has seen enough.
var errStop = errors.New("stop")

// Close implements journal.Journal.
func (j *Journal) Close() error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	return errors.Join(j.db.Close(), j.room.close())
}

func (j *Journal) step(name string) {
	if j.reached != nil {
		j.reached(name)
	}
}

func closed(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return journal.ErrClosed
	}
	return err
}
