// Package checkpoint stores what an agent needs after a restart: its container instance, its tasks and their
// progress, and how much of each container's log has been shipped.
//
// A Store is two files in the agent's data directory with the same content. Each is a log of lines with a
// checksum and a number, so that damaged or missing lines of one are read from the other. If both lack
// something, it is not known what it was: the files are set aside, and the agent starts as a new container
// instance that keeps the name of the old one, by which it finds its containers.
//
// When a write returns, it is in both files and on disk. A Store is safe for concurrent use and starts no
// goroutine. Two agents cannot open the same directory. Values are JSON that the store does not interpret.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Buckets of a Store.
const (
	Agent  = "agent"  // values of the agent itself
	Tasks  = "tasks"  // by task ARN
	Logs   = "logs"   // by container id
	Images = "images" // by image id
)

// Name is the key in bucket Agent of the name that identifies this agent's containers. It is kept when
// everything else is lost.
const Name = "name"

// The files in the data directory.
const (
	firstFile  = "checkpoint.1"
	secondFile = "checkpoint.2"
	lockFile   = "checkpoint.lock"
	aside      = ".damaged" // is added to the name of a file that is set aside
)

// ErrInUse means that another agent uses the data directory.
var ErrInUse = errors.New("another agent uses this data directory")

// Store is an open checkpoint.
type Store struct {
	dir  string
	lock *os.File

	mu     sync.Mutex // guards what follows; held during disk operations
	files  [2]*os.File
	size   [2]int64
	state  map[key]entry
	live   int64 // size of the state as lines, in bytes
	seq    uint64
	closed bool
}

// Open opens the checkpoint in a directory, and creates it if needed. It imports the checkpoint of a version
// that used bbolt.
func Open(dir string, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	var err error
	if s.lock, err = lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	if err := s.open(log); err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoint in %s: %w", dir, err), s.Close())
	}
	if err := os.Remove(filepath.Join(dir, oldFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// lock locks a file. The lock ends with the process.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		case time.Now().After(deadline):
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Dir(path), ErrInUse), f.Close())
		}
	}
}

func (s *Store) paths() [2]string {
	return [2]string{filepath.Join(s.dir, firstFile), filepath.Join(s.dir, secondFile)}
}

func (s *Store) open(log *slog.Logger) error {
	var copies []*replica
	for _, path := range s.paths() {
		r, err := readReplica(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		copies = append(copies, r)
	}
	var err error
	if s.state, s.seq, err = merge(copies); len(copies) == 0 {
		s.state, err = importOld(s.dir, log)
		s.seq = uint64(len(s.state))
	}
	if errors.Is(err, errLost) {
		log.Error("the checkpoint is damaged in both copies; they are set aside, and this agent begins anew: "+
			"it registers as a new container instance, and the tasks that it had are stopped",
			"copies", s.paths(), "setAsideWith", aside, "error", err)
		for _, path := range s.paths() {
			if err := os.Rename(path, path+aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	} else if err != nil {
		return err
	}
	for _, e := range s.state {
		s.live += int64(len(e.line()))
	}
	if whole := len(copies) == 2 && copies[0].whole() && copies[1].whole() && copies[0].last == copies[1].last; !whole {
		if len(copies) > 0 && err == nil {
			log.Warn("a copy of the checkpoint is damaged, lacks its end or is missing; nothing is "+
				"lost: the other has it",
				"copies", s.paths())
		}
		return s.compact()
	}
	for i, path := range s.paths() {
		if s.files[i], err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return err
		}
		s.size[i] = copies[i].size
	}
	return nil
}

// compact rewrites both files, one after the other, with the present state.
func (s *Store) compact() error {
	text := entry{Seq: s.seq, Base: new(fingerprint(s.state))}.line()
	for _, e := range inOrder(s.state) {
		text = append(text, e.line()...)
	}
	for i, path := range s.paths() {
		f, err := replace(path, text)
		if err != nil {
			return err
		}
		old := s.files[i]
		s.files[i], s.size[i] = f, int64(len(text))
		if old != nil {
			if err := old.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace writes a file durably and returns it open.
func replace(path string, text []byte) (*os.File, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the files.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range append(s.files[:], s.lock) {
		if f != nil && !s.closed {
			errs = append(errs, f.Close())
		}
	}
	s.closed = true
	return errors.Join(errs...)
}

// slack is how many bytes the files may have in addition to twice the state.
const slack = 256 << 10

// append writes an entry to both files. After an error neither has it, as far as the disk allows.
func (s *Store) append(e entry) error {
	if s.closed {
		return os.ErrClosed
	}
	e.Seq = s.seq + 1
	line := e.line()
	var err error
	for i, f := range s.files {
		if _, err = f.WriteAt(line, s.size[i]); err != nil {
			break
		}
	}
	for _, f := range s.files {
		if err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		for i, f := range s.files {
			err = errors.Join(err, f.Truncate(s.size[i]))
		}
		return err
	}
	s.seq++
	s.size[0] += int64(len(line))
	s.size[1] += int64(len(line))
	if old, ok := s.state[e.key]; ok {
		s.live -= int64(len(old.line()))
	}
	if e.Value != nil {
		s.live += int64(len(line))
	}
	e.apply(s.state)
	if max(s.size[0], s.size[1]) > 2*s.live+slack {
		_ = s.compact() // the entry is on the disk already; compaction is tried again after the next write
	}
	return nil
}

// Put writes v under the key.
func (s *Store) Put(bucket, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("checkpoint of %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.append(entry{key: key{bucket, name}, Value: data})
}

// Get decodes the value of a key into v and reports whether there is one.
func (s *Store) Get(bucket, name string, v any) (bool, error) {
	s.mu.Lock()
	e, found := s.state[key{bucket, name}]
	s.mu.Unlock()
	if !found {
		return false, nil
	}
	return true, json.Unmarshal(e.Value, v)
}

// Delete removes the key.
func (s *Store) Delete(bucket, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.state[key{bucket, name}]; !there {
		return nil
	}
	return s.append(entry{key: key{bucket, name}})
}

// Each calls fn with every key of the bucket in order; decode decodes its value.
func (s *Store) Each(bucket string, fn func(name string, decode func(v any) error) error) error {
	s.mu.Lock()
	var all []entry
	for k, e := range s.state {
		if k.Bucket == bucket {
			all = append(all, e)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range all {
		if err := fn(e.Name, func(v any) error { return json.Unmarshal(e.Value, v) }); err != nil {
			return err
		}
	}
	return nil
}
