// Package blob stores the registry's content on disk: immutable byte strings named by their digest, and the
// uploads that become them.
//
// A blob is complete or does not exist: it is written to a temporary file, synced and renamed, and the
// directory is synced before the caller gets an answer. A crash leaves at most an unfinished upload, which
// Sweep removes when it is old. All repositories share the content; which repository may show a blob is decided
// elsewhere. All methods are safe for concurrent use.
package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDigest is returned when content does not have the announced digest, or a digest is not of sha256.
var ErrDigest = errors.New("digest does not match content")

// ErrUploadUnknown is returned for an upload id that was never issued, was finished, or was removed.
var ErrUploadUnknown = errors.New("upload unknown")

// ErrOffset is returned when an upload is continued at an offset that is not its end.
var ErrOffset = errors.New("upload continued at the wrong offset")

// Store is a directory of blobs.
type Store struct {
	blobs, uploads string // directories

	used atomic.Int64        // bytes of blobs and of uploads
	take func(n int64) error // called before an upload grows; may be nil

	// pins is held for reading while references to blobs are created, and for writing while Sweep decides
	// about a blob.
	pins sync.RWMutex

	mu     sync.Mutex
	active map[string]*Upload // by id; guarded by mu
}

// Open opens a directory of blobs, and creates it if needed.
func Open(dir string) (*Store, error) {
	s := &Store{
		blobs:   filepath.Join(dir, "blobs", "sha256"),
		uploads: filepath.Join(dir, "uploads"),
		active:  make(map[string]*Upload),
	}
	for _, d := range []string{s.blobs, s.uploads} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open blob store: %w", err)
		}
	}
	return s, s.count()
}

// count adds up the sizes of all files. From then on used is kept up to date.
func (s *Store) count() error {
	var total int64
	for _, d := range []string{s.blobs, s.uploads} {
		err := filepath.WalkDir(d, func(_ string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err == nil {
				total += info.Size()
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("open blob store: %w", err)
		}
	}
	s.used.Store(total)
	return nil
}

// Limit makes the store call take, with the number of bytes, before an upload grows. If take returns an error,
// the bytes are refused. Limit must be called before the store is used.
func (s *Store) Limit(take func(n int64) error) { s.take = take }

// Used returns how many bytes blobs and uploads take.
func (s *Store) Used() int64 { return s.used.Load() }

// Digest returns the name of content: "sha256:" and 64 hexadecimal digits.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Pin keeps every existing blob from being swept until release is called. To create a reference to a blob,
// check that it exists and record the reference under one pin.
func (s *Store) Pin() (release func()) {
	s.pins.RLock()
	return s.pins.RUnlock
}

// Put stores content and returns its digest.
func (s *Store) Put(content []byte) (string, error) {
	d := Digest(content)
	u, err := s.NewUpload()
	if err != nil {
		return "", err
	}
	defer u.Cancel()
	if _, err := u.Write(content); err != nil {
		return "", err
	}
	return d, u.Commit(d)
}

// Get opens a blob; the caller closes the file. The error matches fs.ErrNotExist if there is none.
func (s *Store) Get(digest string) (*os.File, int64, error) {
	p, err := s.path(digest)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// Read returns a blob of at most limit bytes. It is for manifests.
func (s *Store) Read(digest string, limit int64) ([]byte, error) {
	f, size, err := s.Get(digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, more than the %d expected", digest, size, limit)
	}
	return io.ReadAll(f)
}

// Stat returns a blob's size. The error matches fs.ErrNotExist if there is none.
func (s *Store) Stat(digest string) (int64, error) {
	p, err := s.path(digest)
	if err != nil {
		return 0, err
	}
	st, err := os.Stat(p)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Touch sets a blob's time to now: a client that knows that the blob exists may refer to it as late as a
// client that has just sent it.
func (s *Store) Touch(digest string, now time.Time) error {
	p, err := s.path(digest)
	if err != nil {
		return err
	}
	return os.Chtimes(p, now, now)
}

func (s *Store) path(digest string) (string, error) {
	h, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(h) != 2*sha256.Size || strings.Trim(h, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %q is not sha256: and 64 hexadecimal digits", ErrDigest, digest)
	}
	return filepath.Join(s.blobs, h[:2], h), nil
}

// Sweep removes blobs for which keep returns false, and unfinished uploads, if they have not been used since
// before. It returns the number of bytes freed. While keep is called, no reference can be created.
func (s *Store) Sweep(before time.Time, keep func(digest string) bool) (freed int64, err error) {
	err = filepath.WalkDir(s.blobs, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		n, err := s.removeUnless(p, before, func() bool { return keep("sha256:" + e.Name()) })
		freed += n
		return err
	})
	if err != nil {
		return freed, err
	}
	n, err := s.SweepUploads(before)
	return freed + n, err
}

// SweepUploads removes uploads that have not been written to since before. It returns the number of bytes
// freed.
func (s *Store) SweepUploads(before time.Time) (freed int64, err error) {
	entries, err := os.ReadDir(s.uploads)
	if err != nil {
		return freed, err
	}
	for _, e := range entries {
		n, err := s.removeUnless(filepath.Join(s.uploads, e.Name()), before,
			func() bool { return !s.abandon(e.Name()) })
		if err != nil {
			return freed, err
		}
		freed += n
	}
	return freed, nil
}

func (s *Store) removeUnless(path string, before time.Time, keep func() bool) (int64, error) {
	s.pins.Lock()
	defer s.pins.Unlock()
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil || !st.ModTime().Before(before) || keep() {
		return 0, err
	}
	if err := os.Remove(path); err != nil {
		return 0, err
	}
	s.used.Add(-st.Size())
	return st.Size(), nil
}

// Reset removes everything, including unfinished uploads.
func (s *Store) Reset() error {
	s.pins.Lock()
	defer s.pins.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.active)
	s.used.Store(0)
	for _, d := range []string{s.blobs, s.uploads} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes renames into dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
