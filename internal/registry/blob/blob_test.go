package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s *Store, digest string) string {
	t.Helper()
	b, err := s.Read(digest, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPutIsDurableAndShared(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Put([]byte("same")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := read(t, open(t, dir), Digest([]byte("same"))); got != "same" {
		t.Errorf("after reopening: %q", got)
	}
	left, _ := os.ReadDir(filepath.Join(dir, "uploads"))
	if len(left) != 0 {
		t.Errorf("%d uploads left behind", len(left))
	}
}

func TestUploadSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	u, err := open(t, dir).NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, "hello ")
	s := open(t, dir) // as after kill -9: nothing of the first store is used again
	u, err = s.Resume(u.ID())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Expect(3); !errors.Is(err, ErrOffset) {
		t.Errorf("Expect(3) = %v, want ErrOffset", err)
	}
	if err := u.Expect(6); err != nil {
		t.Error(err)
	}
	io.WriteString(u, "world")
	d := Digest([]byte("hello world"))
	if err := u.Commit(d); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, d); got != "hello world" {
		t.Errorf("content %q", got)
	}
	if _, err := s.Resume(u.ID()); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("a finished upload is still there: %v", err)
	}
}

func TestWrongDigestLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	u, _ := s.NewUpload()
	io.WriteString(u, "x")
	d := Digest([]byte("y"))
	if err := u.Commit(d); !errors.Is(err, ErrDigest) {
		t.Fatalf("Commit = %v, want ErrDigest", err)
	}
	if _, err := s.Stat(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v, want not exist", err)
	}
}

func TestPathsCannotEscape(t *testing.T) {
	s := open(t, t.TempDir())
	for _, d := range []string{"", "sha256:", "sha256:../../etc/passwd", "sha512:" + strings.Repeat("0", 64),
		"sha256:" + strings.Repeat("G", 64)} {
		if _, err := s.Stat(d); !errors.Is(err, ErrDigest) {
			t.Errorf("Stat(%q) = %v, want ErrDigest", d, err)
		}
	}
	for _, id := range []string{"", "..", "../blobs", "a"} {
		if _, err := s.Resume(id); !errors.Is(err, ErrUploadUnknown) {
			t.Errorf("Resume(%q) = %v", id, err)
		}
	}
}

func TestSweepKeepsTheYoungAndTheWanted(t *testing.T) {
	s := open(t, t.TempDir())
	wanted, _ := s.Put([]byte("wanted"))
	garbage, _ := s.Put([]byte("garbage"))
	young, _ := s.Put([]byte("young"))
	u, _ := s.NewUpload()
	io.WriteString(u, "half")
	now := time.Now()
	old := now.Add(-48 * time.Hour)
	for _, d := range []string{wanted, garbage} {
		if err := s.Touch(d, old); err != nil {
			t.Fatal(err)
		}
	}
	os.Chtimes(u.path, old, old)
	freed, err := s.Sweep(now.Add(-24*time.Hour), func(d string) bool { return d == wanted })
	if err != nil || freed != int64(len("garbage")+len("half")) {
		t.Errorf("Sweep = %d, %v", freed, err)
	}
	for d, want := range map[string]bool{wanted: true, young: true, garbage: false} {
		if _, err := s.Stat(d); (err == nil) != want {
			t.Errorf("%s present: %v, want %v", d, err == nil, want)
		}
	}
	if _, err := u.Write([]byte("x")); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("write to a swept upload = %v", err)
	}
}

// The number of open uploads is limited. At the limit, the one that was idle for longest is ended, but none that is in
// use.
func TestUploadsAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	var all []*Upload
	for range MaxUploads {
		u, err := s.NewUpload()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	if _, err := s.NewUpload(); !errors.Is(err, ErrTooManyUploads) {
		t.Fatalf("one more is opened: %v", err)
	}
	all[7].touched.Store(time.Now().Add(-2 * idleUpload).UnixNano())
	all[9].touched.Store(time.Now().Add(-3 * idleUpload).UnixNano())
	all[9].mu.Lock() // as while a client writes to it
	_, err := s.NewUpload()
	all[9].mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resume(all[7].ID()); !errors.Is(err, ErrUploadUnknown) {
		t.Errorf("the idle upload is still there: %v", err)
	}
	if _, err := s.Resume(all[9].ID()); err != nil {
		t.Errorf("the upload that was written to is gone: %v", err)
	}
	if files, _ := os.ReadDir(s.uploads); len(files) != MaxUploads {
		t.Errorf("%d files of uploads, want %d", len(files), MaxUploads)
	}
}
