package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/internal/state/journal/file"
)

// errCut means that the last entry of a backup is missing.
var errCut = errors.New("the backup was cut short: its last entry is missing")

// Restore creates a data directory from a backup. The directory must be empty or not exist. On an error Restore
// removes what it created.
func Restore(from io.Reader, dir string) (err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: restore into a new directory, or move away what is there", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	r := &reader{root: root, sum: sha256.New()}
	if err := r.read(from); err != nil {
		return errors.Join(err, empty(root))
	}
	// Only a complete directory has a state.
	for _, name := range []string{file.JournalFile, file.GuardFile} {
		if err := root.Rename(name+partSuffix, name); err != nil {
			return err
		}
	}
	return syncTree(dir)
}

// partSuffix ends the names of the files of the state until everything else is restored.
const partSuffix = ".restoring"

func empty(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		err = errors.Join(err, root.RemoveAll(e.Name()))
	}
	return err
}

type reader struct {
	root  *os.Root
	sum   hash.Hash
	files int
	state int // how many files of the state there were
}

func (r *reader) read(from io.Reader) error {
	for t := tar.NewReader(from); ; {
		h, err := t.Next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return errCut
		}
		if err != nil {
			return fmt.Errorf("this is no backup, or it is damaged: %w", err)
		}
		if h.Name == sealName {
			return r.compare(t)
		}
		if err := r.entry(h, t); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

// compare checks that everything was read as it was written.
func (r *reader) compare(t io.Reader) error {
	var s seal
	if err := json.NewDecoder(io.LimitReader(t, 1<<16)).Decode(&s); err != nil {
		return fmt.Errorf("%w (%w)", errCut, err)
	}
	switch {
	case s.Format != sealFormat:
		return fmt.Errorf("the backup has format %d, and this version reads format %d", s.Format, sealFormat)
	case s.Files != r.files || !bytes.Equal(s.SHA256, r.sum.Sum(nil)):
		return errors.New("the backup is damaged: its content has another checksum than when it was written")
	case r.state != 2:
		return errors.New("the backup has no state")
	}
	return nil
}

func (r *reader) entry(h *tar.Header, content io.Reader) error {
	name, mode := path.Clean(h.Name), fs.FileMode(h.Mode).Perm()
	note(r.sum, h)
	r.files++
	if parent := path.Dir(name); parent != "." {
		if err := r.root.MkdirAll(parent, 0o700); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := r.root.MkdirAll(name, 0o700); err != nil {
			return err
		}
		return r.root.Chmod(name, mode|0o700)
	case tar.TypeSymlink:
		return r.root.Symlink(h.Linkname, name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("an entry of kind %q is not part of a backup", h.Typeflag)
	}
	if name == file.JournalFile || name == file.GuardFile {
		name += partSuffix
		r.state++
	}
	f, err := r.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.MultiWriter(f, r.sum), content)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCut
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// syncTree makes the names in a directory, and below it, durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || strings.HasPrefix(d.Name(), stagingName) {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
