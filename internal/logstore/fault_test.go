package logstore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// On a full disk, writes are refused with a clear error, reads work, and nothing is corrupted (issue 2, section 9).
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		need(t, false, "the right to mount a small tmpfs")
	}
	defer syscall.Unmount(dir, 0)
	s := open(t, dir, Limits{Segment: 64 << 10})
	written := 0
	var err error
	for err == nil {
		if err = s.Append("g", "a", time.UnixMilli(0),
			[]Entry{{int64(written), strings.Repeat("x", 5000)}}); err == nil {
			written++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for range 20 {
		s.Append("g", "a", time.UnixMilli(0), []Entry{{1 << 40, strings.Repeat("y", 5000)}})
	}
	check := func(s *Store, want int) {
		t.Helper()
		got, _, err := s.Read("g", Query{})
		if err != nil || len(got) != want {
			t.Errorf("%d events, %v; want %d", len(got), err, want)
		}
	}
	check(s, written)
	if err := s.Expire("g", time.UnixMilli(int64(written/2))); err != nil {
		t.Fatal(err)
	}
	got, _, _ := s.Read("g", Query{})
	kept := len(got)
	if err := s.Append("g", "a", time.UnixMilli(0), []Entry{{1 << 40, "fits again"}}); err != nil {
		t.Error(err)
	}
	check(s, kept+1)
	s.Close()
	s = open(t, dir, Limits{})
	check(s, kept+1)
	s.Close()
	if _, err := Check(dir, func(err error) { t.Errorf("a full disk is no damage: %v", err) }); err != nil {
		t.Error(err)
	}
}

func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal(what + " is missing")
	}
	t.Skip(what + " is missing")
}

// TestMain lets TestKill9 run this program as the writer it kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BERTH_TEST_LOGSTORE"); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

func writeForEver(dir string) {
	s, err := Open(dir, Limits{Segment: 4000}, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				stream := fmt.Sprintf("p%dw%d", os.Getpid(), w)
				if err := s.Append("g", stream, time.Now(),
					[]Entry{{int64(i), "first"}, {int64(i), "second"}}); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Printf("%s %d\n", stream, i)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Batches that were answered before the writer was killed are there afterwards, and every batch is complete.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	answered := map[string]int{} // batches by stream
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BERTH_TEST_LOGSTORE="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			stream, i, _ := strings.Cut(lines.Text(), " ")
			last, _ := strconv.Atoi(i)
			answered[stream] = last + 1
			if n == 40+round*17 {
				cmd.Process.Kill()
			}
		}
		if cmd.Wait(); strings.Contains(stderr.String(), "panic") {
			t.Fatal(stderr.String())
		}
		if _, err := Check(dir, func(err error) { t.Errorf("a kill is no damage: %v", err) }); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, Limits{})
	batches := map[string]map[int64]int{}
	for _, e := range readAll(t, s, Query{}) {
		if batches[e.Stream] == nil {
			batches[e.Stream] = map[int64]int{}
		}
		batches[e.Stream][e.Time]++
	}
	for stream, n := range answered {
		for i := range n {
			if batches[stream][int64(i)] != 2 {
				t.Errorf("%s: batch %d was answered and has %d events of 2", stream, i, batches[stream][int64(i)])
			}
		}
	}
	for stream, all := range batches {
		for i, n := range all {
			if n != 2 {
				t.Errorf("%s: batch %d has %d events of 2", stream, i, n)
			}
		}
	}
}
