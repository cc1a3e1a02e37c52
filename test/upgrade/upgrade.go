// Package upgrade has data directories of earlier versions of Berth, and tests that this version opens them and finds
// everything.
package upgrade

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// format1 was made by the version of commit 533127b, which was stopped with SIGTERM in the middle
// of a deployment: a service of two tasks behind a load balancer goes from shop:1 to shop:2, whose
// tasks end at once with code 3. There is a task of RunTask, an Auto Scaling group of two
// instances, an image in the registry, and what the tasks wrote to CloudWatch Logs.
//
//go:embed testdata/format1.tar.gz
var format1 []byte

// format2 was made by the last version before decision 0361, which was stopped with SIGTERM in the
// middle of a deployment: the service shop of two tasks goes from shop:1 to shop:2, whose tasks end at
// once, with a circuit breaker that rolls back. The service daemon runs a task on both instances; the
// service gone was deleted. The images in the registry are left out.
//
//go:embed testdata/format2.tar.gz
var format2 []byte

// Format1 unpacks the data directory of format 1 and returns its path.
func Format1(t testing.TB) string { return directory(t, format1) }

// Format2 unpacks the data directory of format 2, in which each service has one row.
func Format2(t testing.TB) string { return directory(t, format2) }

func directory(t testing.TB, compressed []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := unpack(compressed, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func unpack(compressed []byte, dir string) error {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o700)
		case tar.TypeReg:
			err = writeFile(path, h.FileInfo().Mode().Perm(), r)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(path string, mode os.FileMode, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
