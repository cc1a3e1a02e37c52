package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A blob that is read as a whole has a limit. A larger one is refused before it is read.
func TestReadIsLimited(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Put([]byte("12345"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Read(d, 5); err != nil || string(b) != "12345" {
		t.Errorf("five bytes of five: %q, %v", b, err)
	}
	if b, err := s.Read(d, 4); err == nil || !strings.Contains(err.Error(), "has 5 bytes, more than the 4 expected") {
		t.Errorf("five bytes of four: %q, %v", b, err)
	}
	if _, err := s.Read(Digest(nil), 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob that is not there: %v", err)
	}
}

// Only names that are digests are used as file names.
func TestNamesAreDigests(t *testing.T) {
	s := open(t, t.TempDir())
	const bad = "sha256:../../../etc/passwd"
	u, err := s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, "x")
	_, _, get := s.Get(bad)
	for what, err := range map[string]error{"Get": get, "Touch": s.Touch(bad, time.Now()), "Commit": u.Commit(bad)} {
		if !errors.Is(err, ErrDigest) {
			t.Errorf("%s: %v, want ErrDigest", what, err)
		}
	}
	if err := u.Commit(Digest([]byte("x"))); err != nil {
		t.Errorf("an upload is gone by a digest that is none: %v", err)
	}
}

// While a manifest that refers to blobs is being stored, no blob is deleted. The sweep continues when it is stored.
func TestPinHoldsTheSweepOff(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Put([]byte("layer"))
	if err != nil {
		t.Fatal(err)
	}
	release := s.Pin()
	swept := make(chan error, 1)
	referred := false
	go func() {
		_, err := s.Sweep(time.Now().Add(time.Hour), func(string) bool { return referred })
		swept <- err
	}()
	for s.pins.TryRLock() { // until the sweep waits
		s.pins.RUnlock()
		select {
		case err := <-swept:
			t.Fatalf("the sweep does not wait for the pin: %v", err)
		default:
			runtime.Gosched()
		}
	}
	referred = true
	release()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(d); err != nil {
		t.Errorf("a blob that was referred to under a pin is gone: %v", err)
	}
}

// A reset ends uploads that are under way. A client that continues one gets the error that it is unknown, as after a
// sweep, and no blob appears.
func TestResetEndsUploads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	kept, err := s.Put([]byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	writing, err := s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	committing, err := s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(committing, "late")
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob outlives the reset: %v", err)
	}
	if _, err := writing.Write([]byte("x")); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("writing goes on: %v", err)
	}
	late := Digest([]byte("late"))
	if err := committing.Commit(late); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("Commit = %v", err)
	}
	if _, err := s.Resume(committing.ID()); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("Resume = %v", err)
	}
	if _, err := s.Stat(late); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an upload of before the reset has become a blob: %v", err)
	}
	if d, err := s.Put([]byte("new")); err != nil || read(t, s, d) != "new" {
		t.Errorf("nothing can be stored after a reset: %v", err)
	}
}

// An upload ends only once: a blob stays if its upload is cancelled afterwards, and a cancelled upload leaves nothing
// and cannot be committed.
func TestAnUploadEndsOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	u, err := s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, "x")
	d := Digest([]byte("x"))
	if err := u.Commit(d); err != nil {
		t.Fatal(err)
	}
	if err := u.Cancel(); err != nil {
		t.Error(err)
	}
	if err := u.Commit(d); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("a second Commit = %v", err)
	}
	if read(t, s, d) != "x" {
		t.Error("the blob is gone")
	}
	u, err = s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, "y")
	if err := u.Cancel(); err != nil {
		t.Error(err)
	}
	if err := u.Commit(Digest([]byte("y"))); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("Commit of a cancelled upload = %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "uploads")); len(left) != 0 {
		t.Errorf("%d uploads are left", len(left))
	}
}

// If the directory cannot be made, opening returns an error. If it disappears, the calls that need it return one.
// Content that was sent is not lost.
func TestBrokenDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "file")); err == nil {
		t.Error("a file is accepted as a directory")
	}
	s := open(t, dir)
	u, err := s.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, "x")
	d := Digest([]byte("x"))
	// A file is where the blob's directory should be: Commit fails, and succeeds when the file is removed.
	inTheWay := filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(d, "sha256:")[:2])
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.Commit(d); err == nil || errors.Is(err, ErrUploadUnknown) || errors.Is(err, ErrDigest) {
		t.Errorf("Commit = %v", err)
	}
	os.Remove(inTheWay)
	if err := u.Commit(d); err != nil {
		t.Errorf("a second try: %v", err)
	}
}
