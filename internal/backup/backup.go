// Package backup copies a data directory into one file and back, and checks a data directory that no server
// uses.
//
// A backup is a tar file of the whole directory as of one moment. The state is copied first, then the content
// of the images that the state refers to, then the rest, each file as it was on the disk when it was read.
// Unfinished uploads to the registry, the data of cache nodes and files that only a running server needs are
// left out. The last entry holds a checksum of all others, so a file that was cut short is never restored. A
// backup contains the keys of the data directory: keep it as secret as them.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// Source is the data directory to copy.
type Source struct {
	Dir string
	// State returns the journal as it is now.
	State func() (io.ReadCloser, int64, error)
	// Blobs calls during, and then links the content of images into a directory; see blob.Store.Freeze.
	Blobs func(into string, during func() error) error
	// Logs links the segments of log events into a directory; see logstore.Store.Freeze. It is nil when no
	// store has the directory open.
	Logs func(into string) error
	// Metrics links the files of metrics into a directory; see meter.Store.Freeze. It is nil when no store
	// has the directory open.
	Metrics func(into string) error
}

// Names that a backup treats specially, relative to the data directory.
const (
	registryDir = "registry"
	logsDir     = "logs"
	metricsDir  = "metrics"
	stagingName = ".backup-"
	sealName    = "berth-backup.json" // the last entry
)

// linked copies a directory as freeze links it, which may be nil.
func (w *writer) linked(into, name string, freeze func(string) error) error {
	if freeze == nil {
		return nil
	}
	if err := errors.Join(os.Mkdir(into, 0o700), freeze(into)); err != nil {
		return err
	}
	return w.tree(into, name, func(string) bool { return false })
}

// skip reports whether a file of the data directory is not copied as it is.
func skip(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch {
	case first == registryDir, first == "cache", strings.HasPrefix(first, stagingName):
		return true
	case first == config.AddressFile: // commands on the restored directory would reach the server of this one
		return true
	case first == file.JournalFile, first == file.JournalFile+".new", first == file.GuardFile,
		first == file.GuardFile+".new":
		return true
	}
	return false
}

// seal is the last entry of a backup.
type seal struct {
	Format  int
	Files   int
	SHA256  []byte
	Created time.Time
}

const sealFormat = 1

// Clean removes what an interrupted backup has left in a data directory.
func Clean(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, stagingName+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// Write writes a backup.
func Write(ctx context.Context, to io.Writer, src Source, now time.Time) (err error) {
	staging, err := os.MkdirTemp(src.Dir, stagingName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	var state io.ReadCloser
	var size int64
	registry := filepath.Join(staging, registryDir)
	if err := os.Mkdir(registry, 0o700); err != nil {
		return err
	}
	err = src.Blobs(registry, func() (err error) {
		state, size, err = src.State()
		return err
	})
	if state != nil {
		defer state.Close()
	}
	if err != nil {
		return err
	}
	w := &writer{ctx: ctx, tar: tar.NewWriter(to), sum: sha256.New()}
	linked := map[string]func(into string) error{logsDir: src.Logs, metricsDir: src.Metrics}
	if err := w.tree(src.Dir, "", func(name string) bool { return skip(name) || linked[name] != nil }); err != nil {
		return err
	}
	for _, name := range []string{logsDir, metricsDir} {
		if err := w.linked(filepath.Join(staging, name), name, linked[name]); err != nil {
			return err
		}
	}
	if err := w.tree(registry, registryDir, func(string) bool { return false }); err != nil {
		return err
	}
	// The state comes last: a directory that was restored only in part has none, and no server starts on it.
	if err := w.copy(&tar.Header{Name: file.JournalFile, Mode: 0o600, Size: size, ModTime: now}, state); err != nil {
		return err
	}
	if err := w.file(filepath.Join(src.Dir, file.GuardFile), file.GuardFile); err != nil {
		return err
	}
	return w.seal(now)
}

type writer struct {
	ctx   context.Context
	tar   *tar.Writer
	sum   hash.Hash
	files int
}

// tree writes everything below a directory, under names that begin with prefix.
func (w *writer) tree(dir, prefix string, skip func(name string) bool) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed since, as log segments may be
			return nil
		}
		if err != nil {
			return err
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		name = filepath.ToSlash(name)
		if skip(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return w.file(path, filepath.ToSlash(filepath.Join(prefix, name)))
	})
}

// large is the size in bytes from which a file is copied in one pass. Only content of images is that large, and
// it never changes.
const large = 64 << 20

// file writes one file, directory or symbolic link; of sockets and the like only the name and mode.
func (w *writer) file(path, name string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
		return w.copy(h, nil)
	case info.Mode()&fs.ModeSymlink != 0:
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
		h.Typeflag = tar.TypeSymlink
		return w.copy(h, nil)
	case !info.Mode().IsRegular():
		return nil
	}
	if info.Size() > large {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h.Size = info.Size()
		return w.copy(h, f)
	}
	content, err := stable(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h.Size = int64(len(content))
	return w.copy(h, bytes.NewReader(content))
}

// attempts is how often stable reads a file that keeps changing.
const attempts = 100

// stable reads a file that a running process, such as an agent with its checkpoint, may be writing to. It reads
// until two readings are the same: the file had that content at the moment between them.
func stable(path string) ([]byte, error) {
	was, err := os.ReadFile(path)
	if err != nil || filepath.Ext(path) != ".db" {
		return was, err
	}
	for range attempts {
		is, err := os.ReadFile(path)
		if err != nil || bytes.Equal(was, is) {
			return is, err
		}
		was = is
	}
	return nil, fmt.Errorf("%s changes all the time", path)
}

// copy writes an entry.
func (w *writer) copy(h *tar.Header, content io.Reader) error {
	note(w.sum, h)
	w.files++
	if err := w.tar.WriteHeader(h); err != nil || content == nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(w.tar, w.sum), io.LimitReader(content, h.Size))
	if err == nil && n < h.Size {
		err = fmt.Errorf("%s became shorter while it was read", h.Name)
	}
	return err
}

// note adds an entry's name, kind, mode, link and size to the checksum.
func note(sum hash.Hash, h *tar.Header) {
	fmt.Fprintf(sum, "%q %c %o %q %d\n", h.Name, h.Typeflag|'0', h.Mode, h.Linkname, h.Size)
}

func (w *writer) seal(now time.Time) error {
	text, err := json.Marshal(seal{sealFormat, w.files, w.sum.Sum(nil), now.UTC()})
	if err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{
		Name: sealName, Mode: 0o600, Size: int64(len(text)), ModTime: now,
	}); err != nil {
		return err
	}
	_, err = w.tar.Write(text)
	return errors.Join(err, w.tar.Close())
}
