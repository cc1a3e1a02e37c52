package bolt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/state/journal"
)

// TestTornAppend makes the files that a power failure in the middle of an
// append may leave: any of its pages written and any not, and the page that
// makes them valid written in part. All of them open, and hold what there was
// before the append; only the whole append shows it.
func TestTornAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	j.put(t, 40)
	before := read(t, path)
	j.put(t, 5)
	after := read(t, path)
	page := os.Getpagesize()

	rapid.Check(t, func(rt *rapid.T) {
		torn, valid := bytes.Clone(after), false
		for start := 0; start < len(torn); start += page {
			old := make([]byte, page)
			if start < len(before) {
				copy(old, before[start:])
			}
			now := torn[start : start+page]
			if bytes.Equal(old, now) {
				continue
			}
			written := 0
			if start < 2*page { // one of the two that make the others valid
				written = rapid.IntRange(0, 100).Draw(rt, "bytes written") // it says something in the first 80
				valid = bytes.Equal(old[written:], now[written:])
			} else if rapid.Bool().Draw(rt, "page written") {
				written = page
			}
			copy(now[written:], old[written:])
		}
		want := uint64(40)
		if valid { // it is written when the others have reached the disk
			torn, want = after, 45
		}
		if got := newestIn(rt, t.TempDir(), torn); got != want {
			rt.Fatalf("newest revision is %d, want %d", got, want)
		}
	})
}

func (j *Journal) put(t *testing.T, n int) {
	t.Helper()
	var batch []journal.Entry
	for range n {
		rev := j.rev + 1 + uint64(len(batch))
		batch = append(batch, journal.Entry{Rev: rev, Term: 1, Data: bytes.Repeat(fmt.Append(nil, rev), 200)})
	}
	if err := j.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// newestIn opens a file with the given content and reads all of it.
func newestIn(t rapid.TB, dir string, content []byte) (newest uint64) {
	path := filepath.Join(dir, "torn")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for e, err := range j.Replay(context.Background(), 0) {
		if err != nil || e.Rev != newest+1 || !bytes.Equal(e.Data, bytes.Repeat(fmt.Append(nil, e.Rev), 200)) {
			t.Fatalf("entry %d after %d: %v", e.Rev, newest, err)
		}
		newest = e.Rev
	}
	return newest
}
