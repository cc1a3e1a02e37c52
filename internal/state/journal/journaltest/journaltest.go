// Package journaltest tests journals. Every implementation of journal.Journal passes Run.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
)

// Storage makes a place for one journal. Each call of open opens that journal again, after the test has
// closed it.
type Storage func(t testing.TB) (open func() journal.Journal)

// Run runs the suite. Every test gets its own storage.
func Run(t *testing.T, storage Storage) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Empty", empty},
		{"ReplayFromAnyRevision", replayFromAnyRevision},
		{"AppendRefusesGaps", appendRefusesGaps},
		{"AppendIsAllOrNothing", appendIsAllOrNothing},
		{"AppendOfNothing", appendOfNothing},
		{"NewerTermFencesOlder", newerTermFencesOlder},
		{"DataIsCopied", dataIsCopied},
		{"DataOfAllSizes", dataOfAllSizes},
		{"Cancelled", cancelled},
		{"Closed", afterClose},
		{"ReplayStopsEarly", replayStopsEarly},
		{"CompactReplacesHistory", compactReplacesHistory},
		{"CompactRefuses", compactRefuses},
		{"CompactThatFailsLosesNothing", compactThatFails},
		{"CompactAtTheSameRevision", compactAtTheSameRevision},
		{"CompactLetsAppendsThrough", compactLetsAppendsThrough},
		{"AgainstAModel", againstAModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{T: t, storage: storage, open: storage(t)}
			f.j = f.open()
			defer func() { f.j.Close() }()
			test.run(t, f)
		})
	}
}

// fixture is a journal under test. Entries have term 1 unless a test says otherwise.
type fixture struct {
	*testing.T
	storage Storage
	open    func() journal.Journal
	j       journal.Journal
}

func (f *fixture) reopen() {
	f.Helper()
	if err := f.j.Close(); err != nil {
		f.Fatal(err)
	}
	f.j = f.open()
}

func (f *fixture) append(entries ...journal.Entry) {
	f.Helper()
	if err := f.j.Append(f.Context(), entries); err != nil {
		f.Fatal(err)
	}
}

// refuse appends entries and expects an error.
func (f *fixture) refuse(want error, entries ...journal.Entry) {
	f.Helper()
	if err := f.j.Append(f.Context(), entries); !errors.Is(err, want) {
		f.Errorf("append of %s: %v, want %v", show(entries), err, want)
	}
}

func (f *fixture) compact(rev uint64, parts ...string) {
	f.Helper()
	if err := f.j.Compact(f.Context(), rev, 1, seq(parts...)); err != nil {
		f.Fatal(err)
	}
}

// wantAfter compares the replay of what follows a revision with want, before and after reopening.
func (f *fixture) wantAfter(rev uint64, want ...journal.Entry) {
	f.Helper()
	for _, when := range []string{"at once", "reopened"} {
		got, err := collect(f.Context(), f.j, rev)
		if err != nil {
			f.Fatal(err)
		}
		if !equal(got, want) {
			f.Fatalf("%s, after revision %d:\n got %s\nwant %s", when, rev, show(got), show(want))
		}
		f.reopen()
	}
}

func collect(ctx context.Context, j journal.Journal, after uint64) ([]journal.Entry, error) {
	var entries []journal.Entry
	for e, err := range j.Replay(ctx, after) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func equal(a, b []journal.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b journal.Entry) bool {
		return a.Rev == b.Rev && a.Term == b.Term && a.Part == b.Part && bytes.Equal(a.Data, b.Data)
	})
}

// entry returns an entry of term 1 whose data names its revision.
func entry(rev uint64) journal.Entry {
	return journal.Entry{Rev: rev, Term: 1, Data: fmt.Append(nil, "change ", rev)}
}

func part(rev uint64, data string) journal.Entry {
	return journal.Entry{Rev: rev, Term: 1, Part: true, Data: []byte(data)}
}

func seq(parts ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, p := range parts {
			if !yield([]byte(p), nil) {
				return
			}
		}
	}
}

func show(entries []journal.Entry) string {
	var b bytes.Buffer
	for _, e := range entries {
		kind := ""
		if e.Part {
			kind = " part"
		}
		fmt.Fprintf(&b, "[%d/%d%s %.20q]", e.Rev, e.Term, kind, e.Data)
	}
	return b.String()
}
