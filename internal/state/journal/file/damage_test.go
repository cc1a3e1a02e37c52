package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/state/journal"
)

// small makes a journal with a snapshot of three parts, and after it entries in appends of one and of
// several, some larger than a sector of the disk. It returns the file as it is while the journal is open
// (which is how a crash leaves it) and after it was closed, and the contents.
func small(t *testing.T) (crashed, closed []byte, want string) {
	t.Helper()
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.put(3, 40); err != nil {
		t.Fatal(err)
	}
	err = j.Compact(t.Context(), 3, 1, func(yield func([]byte, error) bool) {
		for i := range 3 {
			if !yield(fmt.Append(nil, "part ", i, strings.Repeat(".", 300)), nil) {
				return
			}
		}
	})
	if err = errors.Join(err, j.put(1, 10), j.put(4, 30), j.put(1, 700), j.put(2, 100)); err != nil {
		t.Fatal(err)
	}
	want = contents(t, j)
	crashed = shorter(t, j.path())
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return crashed, shorter(t, j.path()), want
}

// shorter returns the file with most zeros at its end cut off, so that writing it is quick.
func shorter(t *testing.T, path string) []byte {
	content := read(t, path)
	h, _, err := readHead(path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	h.size = int64(len(bytes.TrimRight(content, "\x00"))+1024) / 512 * 512
	copy(content[h.place():], h.bytes())
	h.turn--
	h.good = dataStart
	copy(content[h.place():], h.bytes())
	return content[:h.size]
}

// put appends n entries with size bytes of text each.
func (j *Journal) put(n, size int) error {
	var batch []journal.Entry
	for range n {
		rev := j.rev + 1 + uint64(len(batch))
		batch = append(batch, journal.Entry{Rev: rev, Term: 1, Data: fmt.Append(nil, rev, strings.Repeat("x", size))})
	}
	return j.Append(context.Background(), batch)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func contents(t rapid.TB, j *Journal) string {
	var all strings.Builder
	for e, err := range j.Replay(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%d/%d %t %s\n", e.Rev, e.Term, e.Part, e.Data)
	}
	return all.String()
}

// damaged is a directory with a journal's file, which is overwritten for each attempt.
type damaged struct {
	t    testing.TB
	dir  string
	file *os.File
}

func newDamaged(t testing.TB) *damaged {
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, JournalFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &damaged{t, dir, f}
}

// open writes the content to the file and opens it as a journal. It returns the contents of the journal, or
// "" and an error that names the file.
func (d *damaged) open(content []byte) (string, error) {
	d.t.Helper()
	_, err := d.file.WriteAt(content, 0)
	if err = errors.Join(err, d.file.Truncate(int64(len(content)))); err != nil {
		d.t.Fatal(err)
	}
	j := &Journal{dir: d.dir}
	if err := j.open(); err != nil {
		if damage, ok := errors.AsType[*Damage](err); !ok || damage.Path != d.file.Name() {
			d.t.Fatalf("%v; want one that names the file", err)
		}
		return "", err
	}
	defer j.f.Close()
	return contents(d.t, j), nil
}

// Each byte of the file is changed, each bit of it and all bits. The journal then either has the data that
// was written, or refuses to open.
func TestEveryByteChanged(t *testing.T) {
	crashed, closed, want := small(t)
	for name, content := range map[string][]byte{"crashed": crashed, "closed": closed} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			found, used := 0, usedBytes(content)
			for at := range used {
				for _, change := range changes(at) {
					harmed := bytes.Clone(content)
					harmed[at] ^= change
					switch got, err := d.open(harmed); {
					case err != nil:
						found++
					case got != want:
						t.Fatalf("byte %d with %#x: opened without an error, with other data\n%s", at, change, got)
					}
				}
			}
			if found < used/4 {
				t.Errorf("%d errors for %d bytes; the checksums are not checked", found, used)
			}
		})
	}
}

// changes returns what to XOR a byte with: 0xff for most bytes, and each single bit for every seventh byte.
func changes(at int) []byte {
	if testing.Short() || at%7 != 0 {
		return []byte{0xff, 1 << (at % 8)}
	}
	return []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff}
}

// usedBytes returns the length of the content without the zeros at its end, plus a few of them.
func usedBytes(content []byte) int { return len(bytes.TrimRight(content, "\x00")) + 40 }

// A file that was cut short at any sector is refused.
func TestTruncatedAnywhere(t *testing.T) {
	crashed, closed, _ := small(t)
	for _, content := range [][]byte{crashed, closed} {
		d := newDamaged(t)
		for size := 0; size < len(content); size += 512 {
			if _, err := d.open(content[:size]); err == nil {
				t.Fatalf("a file of %d bytes, cut to %d, was opened", len(content), size)
			}
		}
	}
}

// Sectors were zeroed, swapped, or overwritten with others of the file.
func TestSectorsLost(t *testing.T) {
	crashed, closed, want := small(t)
	lastAppend := strings.LastIndex(want[:len(want)-1], "\n") // the last append has two entries
	lastAppend = strings.LastIndex(want[:lastAppend], "\n") + 1
	for name, content := range map[string][]byte{"crashed": crashed, "closed": closed} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			rapid.Check(t, func(rt *rapid.T) {
				harmed := bytes.Clone(content)
				sectors := (usedBytes(content) + 511) / 512
				to := rapid.IntRange(0, sectors-1).Draw(rt, "to") * 512
				from := rapid.IntRange(0, sectors).Draw(rt, "from") * 512 // the last sector is all zeros
				copy(harmed[to:to+512], content[from:from+512])
				got, err := d.open(harmed)
				// A crash may lose the append that is under way. A zeroed sector of the last append looks the
				// same, unless the journal was closed.
				if err == nil && got != want && (name == "closed" || got != want[:lastAppend]) {
					rt.Fatalf("opened without an error, with other data\n%s", got)
				}
			})
		})
	}
}

// A power failure during an append may leave any of its sectors written and the others not. The file opens,
// and has either all of the append or nothing of it.
func TestTornAppend(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.put(40, 200); err != nil {
		t.Fatal(err)
	}
	before, was := read(t, j.path()), contents(t, j)
	if err := j.put(5, 700); err != nil {
		t.Fatal(err)
	}
	after, is := read(t, j.path()), contents(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	d := newDamaged(t)
	rapid.Check(t, func(rt *rapid.T) {
		torn, whole := bytes.Clone(after), true
		for at := 0; at < len(torn); at += 512 {
			if bytes.Equal(before[at:at+512], after[at:at+512]) || rapid.Bool().Draw(rt, "sector written") {
				continue
			}
			copy(torn[at:at+512], before[at:at+512])
			whole = whole && at < dataStart
		}
		want := was
		if whole {
			want = is
		}
		got, err := d.open(torn)
		if err != nil || got != want {
			rt.Fatalf("%v, all sectors of the record written: %t\n%s", err, whole, got)
		}
	})
}

// After a crash during an append the journal accepts further appends, and the torn append never shows.
func TestAppendAfterATornOne(t *testing.T) {
	crashed, _, want := small(t)
	d := newDamaged(t)
	torn := bytes.Clone(crashed)
	h, _, err := readHead("", bytes.NewReader(torn))
	if err != nil {
		t.Fatal(err)
	}
	clear(torn[max(h.good, int64(len(bytes.TrimRight(torn, "\x00"))/512*512)):]) // the last sector was not written
	if got, err := d.open(torn); err != nil || got == want || !strings.HasPrefix(want, got) {
		t.Fatalf("%v; want all but the last append", err)
	}
	j := &Journal{dir: d.dir}
	if err := j.open(); err != nil {
		t.Fatal(err)
	}
	if err := j.put(1, 1); err != nil { // shorter than the append that was torn
		t.Fatal(err)
	}
	j.f.Close()
	if err := j.open(); err != nil {
		t.Fatal(err)
	}
	defer j.f.Close()
	if got := contents(t, j); !strings.HasSuffix(got, "x\n") ||
		strings.Count(got, "\n") != strings.Count(want, "\n")-1 {
		t.Errorf("after another append:\n%s", got)
	}
}
