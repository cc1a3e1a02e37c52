package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Freeze calls during, and links all blobs that exist then into a directory, as a store of its own. It contains
// every blob to which during has seen a reference, whatever is removed later. No blob is removed meanwhile.
func (s *Store) Freeze(into string, during func() error) error {
	defer s.Pin()()
	if err := during(); err != nil {
		return err
	}
	dir := filepath.Dir(filepath.Dir(s.blobs))
	return filepath.WalkDir(s.blobs, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(into, name), 0o700)
		}
		return os.Link(path, filepath.Join(into, name))
	})
}

// Check reads all blobs below a directory that no store has open, and calls report for each one whose content
// does not have its digest, and for each of the wanted digests without a blob. It returns the number of blobs.
func Check(dir string, wanted iter.Seq[string], report func(error)) (blobs int, err error) {
	found := map[string]bool{}
	err = filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		blobs++
		found["sha256:"+d.Name()] = true
		got, err := digestOf(path)
		if err == nil && strings.TrimPrefix(got, "sha256:") != d.Name() {
			err = fmt.Errorf("%s is damaged: its content has digest %s", path, got)
		}
		if err != nil {
			report(err)
		}
		return nil
	})
	if err != nil {
		return blobs, err
	}
	missing := map[string]bool{}
	for digest := range wanted {
		if !found[digest] {
			missing[digest] = true
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(missing)) {
		report(fmt.Errorf("%s has no blob with digest %s, which an image consists of", dir, digest))
	}
	return blobs, nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}
