// Package blob keeps the registry's content: immutable byte strings under their own digest, on disk, and the uploads that become them.
//
// A blob is either whole or absent: it is written beside its place, synced, then renamed, and the directory is synced before the
// caller hears of it. A crash at any moment leaves at worst an unfinished upload, which Sweep removes when it has grown old. Content
// is shared by all repositories; which repository may show a blob is not this package's to know. All methods are safe for
// concurrent use.
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

// ErrDigest is returned when content does not have the digest it was announced with, or a digest is not a sha256 one.
var ErrDigest = errors.New("digest does not match content")

// ErrUploadUnknown is returned for an upload id that was never given out, was finished, or was swept away.
var ErrUploadUnknown = errors.New("upload unknown")

// ErrOffset is returned when an upload is continued at a place that is not its end.
var ErrOffset = errors.New("upload continued at the wrong offset")

// Store is a directory of blobs.
type Store struct {
	blobs, uploads string // directories

	used atomic.Int64        // bytes of blobs and of uploads
	take func(n int64) error // asked before an upload grows; may be nil

	// pins is held for reading while somebody makes references to blobs and for writing while Sweep decides about one.
	pins sync.RWMutex

	mu     sync.Mutex
	active map[string]*Upload // by id; guarded by mu
}

// Open makes dir ready to hold blobs, creating it where needed.
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

// count finds out how many bytes there are. From then on they are kept count of.
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

// Limit has take asked before an upload grows, with the number of bytes. Its error refuses them. It is called before the store is used.
func (s *Store) Limit(take func(n int64) error) { s.take = take }

// Used is how many bytes blobs and uploads take.
func (s *Store) Used() int64 { return s.used.Load() }

// Digest is the name content is kept under: "sha256:" and 64 hexadecimal digits.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Pin keeps every present blob from being swept until release is called. Whoever makes references to blobs checks that they are
// there and records the reference under one pin.
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

// Get opens a blob; the caller closes the file. The error matches fs.ErrNotExist when there is none.
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

// Read returns a whole blob of at most limit bytes; meant for manifests.
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

// Stat returns a blob's size; the error matches fs.ErrNotExist when there is none.
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

// Touch makes a blob young again: a client that was told "it is here" may refer to it as late as one that has just sent it.
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

// Sweep removes blobs for which keep is false and uploads nobody writes to, both only when untouched since before. It returns the
// number of bytes freed. keep is asked while no reference can be made.
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

// SweepUploads removes the uploads that were not written to since before. It returns the number of bytes freed.
func (s *Store) SweepUploads(before time.Time) (freed int64, err error) {
	entries, err := os.ReadDir(s.uploads)
	if err != nil {
		return freed, err
	}
	for _, e := range entries {
		n, err := s.removeUnless(filepath.Join(s.uploads, e.Name()), before, func() bool { return !s.abandon(e.Name()) })
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

// Reset removes everything, uploads under way included.
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
