package journaltest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
)

func empty(t *testing.T, f *fixture) {
	f.wantAfter(0)
	f.wantAfter(7)
}

func replayFromAnyRevision(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2))
	f.append(entry(3))
	f.wantAfter(0, entry(1), entry(2), entry(3))
	f.wantAfter(2, entry(3))
	f.wantAfter(3)
	f.append(entry(4)) // the journal has been reopened before this
	f.wantAfter(2, entry(3), entry(4))
}

func appendRefusesGaps(t *testing.T, f *fixture) {
	f.refuse(journal.ErrGap, entry(0))
	f.refuse(journal.ErrGap, entry(2))
	f.append(entry(1))
	f.refuse(journal.ErrGap, entry(1))
	f.refuse(journal.ErrGap, entry(3))
	f.wantAfter(0, entry(1))
	f.refuse(journal.ErrGap, entry(1))
	f.append(entry(2))
	f.wantAfter(0, entry(1), entry(2))
}

func appendIsAllOrNothing(t *testing.T, f *fixture) {
	f.append(entry(1))
	f.refuse(journal.ErrGap, entry(2), entry(3), entry(5))
	f.wantAfter(0, entry(1))
	f.append(entry(2), entry(3))
	f.wantAfter(0, entry(1), entry(2), entry(3))
}

func appendOfNothing(t *testing.T, f *fixture) {
	f.append()
	f.wantAfter(0)
}

func newerTermFencesOlder(t *testing.T, f *fixture) {
	f.append(entry(1))
	taken := journal.Entry{Rev: 2, Term: 5, Data: []byte("new writer")}
	f.append(taken)
	f.refuse(journal.ErrFenced, entry(3)) // revision 3 would fit, but the writer was replaced
	f.refuse(journal.ErrFenced, entry(2)) // being fenced is reported before a gap
	f.wantAfter(0, entry(1), taken)
	f.refuse(journal.ErrFenced, entry(3)) // also after reopening
	if err := f.j.Compact(t.Context(), 2, 4, seq("old writer")); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("compaction in an older term: %v, want ErrFenced", err)
	}
	f.append(journal.Entry{Rev: 3, Term: 5})
}

func dataIsCopied(t *testing.T, f *fixture) {
	e := entry(1)
	data := bytes.Clone(e.Data)
	f.append(journal.Entry{Rev: 1, Term: 1, Data: data})
	clear(data)
	got, err := collect(t.Context(), f.j, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.append(entry(2))
	f.compact(2, "a")
	f.append(entry(3))
	if !equal(got, []journal.Entry{e}) {
		t.Errorf("replayed data changed later: %s", show(got))
	}
}

func dataOfAllSizes(t *testing.T, f *fixture) {
	var want []journal.Entry
	for i, size := range []int{0, 1, 100, 4095, 4096, 70_000, 3 << 20, 0, 5} {
		want = append(want, journal.Entry{Rev: uint64(i + 1), Term: 1, Data: bytes.Repeat([]byte{byte(i)}, size)})
	}
	f.append(want...)
	f.wantAfter(0, want...)
}

func cancelled(t *testing.T, f *fixture) {
	f.append(entry(1))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := f.j.Append(ctx, []journal.Entry{entry(2)}); !errors.Is(err, gone) {
		t.Errorf("append: %v, want the cause", err)
	}
	if _, err := collect(ctx, f.j, 0); !errors.Is(err, gone) {
		t.Errorf("replay: %v, want the cause", err)
	}
	if err := f.j.Compact(ctx, 1, 1, seq("a")); !errors.Is(err, gone) {
		t.Errorf("compact: %v, want the cause", err)
	}
	f.wantAfter(0, entry(1))
}

func afterClose(t *testing.T, f *fixture) {
	f.append(entry(1))
	if err := f.j.Close(); err != nil {
		t.Fatal(err)
	}
	f.refuse(journal.ErrClosed, entry(2))
	if _, err := collect(t.Context(), f.j, 0); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("replay: %v, want ErrClosed", err)
	}
	if err := f.j.Compact(t.Context(), 1, 1, seq("a")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("compact: %v, want ErrClosed", err)
	}
	f.j = f.open()
	f.wantAfter(0, entry(1))
}

func replayStopsEarly(t *testing.T, f *fixture) {
	f.append(entry(1), entry(2))
	for e, err := range f.j.Replay(t.Context(), 0) {
		if err != nil || e.Rev != 1 {
			t.Fatalf("first is %v, %v", e, err)
		}
		break
	}
	f.append(entry(3)) // the replay that stopped early blocks nothing
	f.wantAfter(1, entry(2), entry(3))
}
