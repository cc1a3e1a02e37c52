package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/berthhq/berth/internal/state/journal/bolt"
)

// The files of a journal in its directory.
const (
	JournalFile = "state.journal"
	GuardFile   = "state.bolt"
)

// Files are the files of a journal, and those made on the way to one.
var Files = []string{JournalFile, GuardFile}

// Format is the number of the format that this version writes.
const Format = "2"

// ErrInUse is returned by Open when another process has the journal open.
var ErrInUse = errors.New("in use by another process")

// errMissing is for a directory that once had a journal.
const errMissing = "%s says that there is a journal, but %s is missing: restore a backup, or remove the " +
	"whole directory to start anew"

// Exists reports whether there is a journal in the directory, of any format and in any condition.
func Exists(dir string) (bool, error) {
	for _, name := range []string{GuardFile, JournalFile} {
		if there, err := exists(filepath.Join(dir, name)); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// acquire makes sure that the directory has a journal of this format, and returns its lock, which
// is held until the file is closed. A new journal gets the owner.
func acquire(dir string, owner uint32) (lock *os.File, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close() // this releases the lock that keeps two processes from creating the files at the same time
	if err := flock(d); err != nil {
		return nil, err
	}
	guard, data := filepath.Join(dir, GuardFile), filepath.Join(dir, JournalFile)
	there, err := exists(guard)
	if err != nil {
		return nil, err
	}
	if !there {
		if err := create(data, owner); err != nil {
			return nil, err
		}
		return makeGuard(guard)
	}
	if lock, err = lockFile(guard); err != nil {
		return nil, err
	}
	converted, err := current(lock, guard, data, owner)
	if err != nil || converted == nil {
		return lock, closeOn(err, lock)
	}
	return converted, lock.Close()
}

func closeOn(err error, f *os.File) error {
	if err != nil {
		err = errors.Join(err, f.Close())
	}
	return err
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return f, closeOn(flock(f), f)
}

// create creates an empty journal if there is none.
func create(path string, owner uint32) error {
	if there, err := exists(path); there || err != nil {
		return err
	}
	w, err := newWriter(path+".new", owner)
	if err != nil {
		return err
	}
	if _, err := w.finish(); err != nil {
		return errors.Join(err, w.abandon())
	}
	if err := replace(w.f.Name(), path); err != nil {
		return errors.Join(err, w.abandon())
	}
	return w.f.Close()
}

// makeGuard creates a bbolt file with the format of the directory, and returns it locked.
func makeGuard(path string) (*os.File, error) {
	made := path + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	db, err := bbolt.Open(made, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("meta"))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte(Format))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	lock, err := lockFile(made)
	if err != nil {
		return nil, err
	}
	return lock, closeOn(replace(made, path), lock)
}

// current checks the format in the guard file. It converts a journal of format 1 and then returns
// the new guard file, locked.
func current(lock *os.File, guard, data string, owner uint32) (converted *os.File, err error) {
	f, err := bolt.Read(guard)
	if err != nil {
		return nil, err
	}
	format, err := f.Format()
	if err != nil {
		return nil, err
	}
	switch format {
	case Format:
		there, err := exists(data)
		if err == nil && !there {
			err = fmt.Errorf(errMissing, guard, data)
		}
		return nil, err
	case bolt.Format1:
		return convert(f, guard, data, owner)
	}
	return nil, fmt.Errorf("%s: the format of the data is %q, and this version reads the formats %q and "+
		"%q: it was written by a newer version of Berth",
		guard, format, bolt.Format1, Format)
}

// convert writes the contents of a file of format 1 to a journal of this format. Until the new
// guard file replaces it in one step, the file of format 1 is the valid one. A journal left by an
// earlier attempt is replaced.
func convert(old *bolt.File, guard, data string, owner uint32) (*os.File, error) {
	w, err := newWriter(data+".new", owner)
	if err != nil {
		return nil, err
	}
	if err := w.history(old); err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	if _, err := w.finish(); err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	if err := replace(w.f.Name(), data); err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	if err := w.f.Close(); err != nil {
		return nil, err
	}
	return makeGuard(guard)
}

func (w *writer) history(old *bolt.File) error {
	var s snapshot
	for e, err := range old.History() {
		switch {
		case err != nil:
			return err
		case e.Part:
			s = snapshot{e.Rev, e.Term, s.parts + 1}
			err = w.frame(partFrame, e.Data)
		default:
			if err = w.endSnapshot(&s); err == nil {
				err = w.frame(entriesFrame, appendEntry(nil, e))
			}
		}
		if err != nil {
			return err
		}
	}
	return w.endSnapshot(&s)
}

// endSnapshot writes the frame that ends the parts, if there are any.
func (w *writer) endSnapshot(s *snapshot) error {
	if s.parts == 0 {
		return nil
	}
	defer func() { *s = snapshot{} }()
	return w.frame(snapshotEnd, s.payload())
}
