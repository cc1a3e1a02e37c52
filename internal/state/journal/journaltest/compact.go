package journaltest

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
)

func compactReplacesHistory(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2), entry(3))
	f.compact(2, "a", "b")
	f.wantAfter(0, part(2, "a"), part(2, "b"), entry(3))
	f.wantAfter(1, part(2, "a"), part(2, "b"), entry(3))
	f.wantAfter(2, entry(3))
	f.wantAfter(3)
	f.append(entry(4))
	f.compact(4, "c")
	f.wantAfter(0, part(4, "c"))
	f.append(entry(5)) // revisions continue after a journal with only a snapshot was reopened
	f.wantAfter(0, part(4, "c"), entry(5))
	f.wantAfter(4, entry(5))
}

func compactRefuses(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2), entry(3))
	f.compact(2, "a")
	for _, c := range []struct {
		rev   uint64
		parts []string
		want  error
	}{
		{4, []string{"never appended"}, journal.ErrGap},
		{1, []string{"older than the snapshot"}, journal.ErrGap},
		{3, nil, journal.ErrEmptySnapshot},
	} {
		if err := f.j.Compact(t.Context(), c.rev, 1, seq(c.parts...)); !errors.Is(err, c.want) {
			t.Errorf("compact at %d: %v, want %v", c.rev, err, c.want)
		}
	}
	f.wantAfter(0, part(2, "a"), entry(3))
}

func compactThatFails(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2), entry(3))
	f.compact(1, "a")
	broken := errors.New("broken")
	err := f.j.Compact(t.Context(), 3, 1, func(yield func([]byte, error) bool) {
		for range 10 { // more than an implementation may buffer
			if !yield([]byte(strings.Repeat("x", 100_000)), nil) {
				return
			}
		}
		yield(nil, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("compact: %v, want the error of the parts", err)
	}
	f.wantAfter(0, part(1, "a"), entry(2), entry(3))
	f.compact(3, "b", "c") // nothing of the failed compaction is stored
	f.wantAfter(0, part(3, "b"), part(3, "c"))
}

func compactAtTheSameRevision(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2))
	f.compact(1, "a")
	f.compact(1, "again")
	f.wantAfter(0, part(1, "a"), entry(2))
}

// compactLetsAppendsThrough appends between the parts of a snapshot. It would deadlock with a compaction that
// blocks appends until its end.
func compactLetsAppendsThrough(t *testing.T, f *fixture) {
	f.append(entry(1))
	var want []journal.Entry
	parts := func(yield func([]byte, error) bool) {
		for i := range uint64(12) {
			f.append(entry(2 + i))
			p := fmt.Sprint("part ", i, strings.Repeat(".", 100_000))
			want = append(want, part(1, p))
			if !yield([]byte(p), nil) {
				return
			}
		}
	}
	if err := f.j.Compact(t.Context(), 1, 1, iter.Seq2[[]byte, error](parts)); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(12) {
		want = append(want, entry(2+i))
	}
	f.wantAfter(0, want...)
}
