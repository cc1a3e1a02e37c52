package blob

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Upload is an unfinished blob. It outlives requests and the process: after a restart it is found again by its
// id.
type Upload struct {
	s    *Store
	id   string
	path string

	mu   sync.Mutex // guards what follows; one writer at a time
	size int64
	sum  hash.Hash // of the first size bytes
	done bool
	// placed is set when the file has become the blob.
	placed bool

	touched atomic.Int64 // when it was last used, in nanoseconds since 1970
}

// Unfinished uploads hold a file and memory.
const (
	// MaxUploads is how many uploads may be open at the same time.
	MaxUploads = 256
	// idleUpload is how long an upload must have been idle before another may replace it.
	idleUpload = time.Minute
)

// ErrTooManyUploads is returned when MaxUploads uploads are open and in use.
var ErrTooManyUploads = errors.New("too many uploads are open")

// NewUpload starts an upload.
func (s *Store) NewUpload() (*Upload, error) {
	u := &Upload{s: s, id: rand.Text(), sum: sha256.New()}
	u.path = filepath.Join(s.uploads, u.id)
	u.touch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeRoom(time.Now()); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(u.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	s.active[u.id] = u
	return u, nil
}

func (u *Upload) touch() { u.touched.Store(time.Now().UnixNano()) }

// makeRoom removes the uploads that have been idle for longest until one more may be opened.
func (s *Store) makeRoom(now time.Time) error {
	for len(s.active) >= MaxUploads {
		var oldest *Upload
		for _, u := range s.active {
			if oldest == nil || u.touched.Load() < oldest.touched.Load() {
				oldest = u
			}
		}
		if now.Sub(time.Unix(0, oldest.touched.Load())) < idleUpload {
			return ErrTooManyUploads
		}
		if !oldest.mu.TryLock() { // it is being written to
			oldest.touch()
			continue
		}
		oldest.done = true
		delete(s.active, oldest.id)
		if os.Remove(oldest.path) == nil { // a file that cannot be removed is swept later
			s.used.Add(-oldest.size)
		}
		oldest.mu.Unlock()
	}
	return nil
}

// Resume returns the upload with that id.
func (s *Store) Resume(id string) (*Upload, error) {
	// the alphabet of rand.Text; with it, an id cannot be a path
	if id == "" || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return nil, ErrUploadUnknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.active[id]; u != nil {
		u.touch()
		return u, nil
	}
	u := &Upload{s: s, id: id, path: filepath.Join(s.uploads, id), sum: sha256.New()}
	f, err := os.Open(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrUploadUnknown
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if u.size, err = io.Copy(u.sum, f); err != nil {
		return nil, err
	}
	u.touch()
	s.active[id] = u
	return u, nil
}

// abandon forgets an old upload and reports whether its file may be removed: not while it is being written to.
func (s *Store) abandon(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.active[id]
	if u == nil {
		return true
	}
	if !u.mu.TryLock() {
		return false
	}
	defer u.mu.Unlock()
	u.done = true
	delete(s.active, id)
	return true
}

// ID returns the name of the upload for Resume.
func (u *Upload) ID() string { return u.id }

// Size returns the number of bytes received.
func (u *Upload) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

// Expect returns ErrOffset unless offset is the upload's end.
func (u *Upload) Expect(offset int64) error {
	if n := u.Size(); n != offset {
		return fmt.Errorf("%w: %d, but %d bytes have been received", ErrOffset, offset, n)
	}
	return nil
}

// Write appends p. After an error, what was received before the call is intact and the upload may be continued.
func (u *Upload) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		return 0, ErrUploadUnknown
	}
	if u.s.take != nil {
		if err := u.s.take(int64(len(p))); err != nil {
			return 0, err
		}
	}
	f, err := u.open()
	if err != nil {
		return 0, err
	}
	_, err = f.WriteAt(p, u.size)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Truncate(u.path, u.size))
	}
	u.touch()
	u.sum.Write(p)
	u.size += int64(len(p))
	u.s.used.Add(int64(len(p)))
	return len(p), nil
}

// open opens the upload's file. If a reset or another process has removed it, the upload is unknown.
func (u *Upload) open() (*os.File, error) {
	f, err := os.OpenFile(u.path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrUploadUnknown
	}
	return f, err
}

// Commit makes the upload the blob with this digest. It returns when the blob is durable. After ErrDigest the
// upload is gone.
func (u *Upload) Commit(digest string) error {
	final, err := u.s.path(digest)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		return ErrUploadUnknown
	}
	if got := "sha256:" + hex.EncodeToString(u.sum.Sum(nil)); got != digest {
		u.endLocked()
		return fmt.Errorf("%w: announced %s, received %s", ErrDigest, digest, got)
	}
	if err := u.placeLocked(final); err != nil {
		return err
	}
	u.endLocked()
	return nil
}

func (u *Upload) placeLocked(final string) error {
	f, err := u.open()
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	dir := filepath.Dir(final)
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncDir(u.s.blobs); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	replaced, statErr := os.Stat(final)
	if err := os.Rename(u.path, final); err != nil {
		return err
	}
	u.placed = true
	if statErr == nil {
		u.s.used.Add(-replaced.Size())
	}
	return syncDir(dir)
}

// Cancel removes the upload; after Commit it does nothing.
func (u *Upload) Cancel() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.done {
		u.endLocked()
	}
	return nil
}

// endLocked forgets the upload. A file that cannot be removed is swept later, so the error does not matter.
func (u *Upload) endLocked() {
	u.done = true
	if os.Remove(u.path) == nil && !u.placed {
		u.s.used.Add(-u.size)
	}
	u.s.mu.Lock()
	delete(u.s.active, u.id)
	u.s.mu.Unlock()
}
