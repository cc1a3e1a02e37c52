//go:build linux

package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// fill puts clusters of 10 kB, numbered from first, until the store refuses one or limit is reached. It
// returns how many the store accepted.
func fill(s *state.Store, first, limit int) (taken int, err error) {
	for n := range limit {
		err := s.Update(context.Background(), func(tx *state.Tx) error {
			c := cluster(first + n)
			c.Status = strings.Repeat("x", 10_000)
			tx.Clusters.Put(c)
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return limit, nil
}

// intact returns an error unless exactly the clusters from 0 to n are in the store.
func intact(s *state.Store, n int) error {
	for i := range n {
		if c, ok := s.View().Clusters.Get(clusterARN(i)); !ok || len(c.Status) != 10_000 {
			return fmt.Errorf("cluster %d of %d is gone or broken", i, n)
		}
	}
	if got := s.View().Clusters.Len(); got != n {
		return fmt.Errorf("%d clusters, want %d", got, n)
	}
	return nil
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		missing(t, "mounting a small tmpfs needs CAP_SYS_ADMIN: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := dir
	s, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}

	n, err := fill(s, 0, 1000)
	f, ok := errors.AsType[*fault.Error](err)
	if n == 0 || !ok || f.Code != "ServerException" || f.HTTPStatus() != 500 ||
		!strings.Contains(f.Message, "disk is full") {
		t.Fatalf("after %d updates: %v; want a ServerException that says the disk is full", n, err)
	}
	for range 3 { // further updates fail too, and reads work
		if more, err := fill(s, n, 1); more != 0 || err == nil {
			t.Errorf("an update succeeded on a full disk")
		}
		if err := intact(s, n); err != nil {
			t.Error(err)
		}
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	more, err := fill(s, n, 50)
	if err != nil {
		t.Fatalf("the disk has space again; after %d updates: %v", more, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := intact(s, n+more); err != nil {
		t.Errorf("reopened: %v", err)
	}
	t.Logf("refused after %d updates, took %d more when there was space", n, more)
}

// missing skips a test that cannot run here, or fails it in CI, where every test must run.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A limit on the size of files acts as a full disk, and needs no privilege. It holds for the whole process,
// so the test sets it in a child process.
func TestFileSizeLimit(t *testing.T) {
	cmd := child(t, "file-limit", t.TempDir())
	out, err := cmd.Output()
	if err != nil || !bytes.HasPrefix(out, []byte("ok")) {
		t.Errorf("child: %v\n%s", err, out)
	}
}

func writeBelowFileLimit(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: was.Max}); err != nil {
		return err
	}
	s, err := openDir(path)
	if err != nil {
		return err
	}
	n, err := fill(s, 0, 1000)
	if !errors.Is(err, fault.New("ServerException", "")) || n == 0 {
		return fmt.Errorf("after %d updates: %w; want a ServerException", n, err)
	}
	if err := intact(s, n); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	more, err := fill(s, n, 50)
	if err != nil {
		return fmt.Errorf("after the limit was lifted: %w", err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = openDir(path); err != nil {
		return err
	}
	fmt.Println("ok", n, more)
	return errors.Join(intact(s, n+more), s.Close())
}
