package journaltest

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/state/journal"
)

// model is a journal as a list.
type model struct {
	snapshot []journal.Entry
	entries  []journal.Entry // all entries ever appended; entry n has revision n+1
	term     uint64
}

func (m *model) rev() uint64 { return uint64(len(m.entries)) }

func (m *model) snapshotRev() uint64 {
	if len(m.snapshot) == 0 {
		return 0
	}
	return m.snapshot[0].Rev
}

func (m *model) after(rev uint64) (want []journal.Entry) {
	if m.snapshotRev() > rev {
		want, rev = append(want, m.snapshot...), m.snapshotRev()
	}
	return append(want, m.entries[min(rev, m.rev()):]...)
}

// againstAModel makes random calls on the journal and on a model of it.
func againstAModel(t *testing.T, f *fixture) {
	rapid.Check(t, func(rt *rapid.T) {
		f.j.Close()
		f.open = f.storage(t)
		f.j = f.open()
		m := &model{term: 1}
		rt.Repeat(map[string]func(*rapid.T){
			"append":  func(rt *rapid.T) { m.append(rt, f) },
			"compact": func(rt *rapid.T) { m.compact(rt, f) },
			"reopen":  func(rt *rapid.T) { f.reopen() },
			"": func(rt *rapid.T) {
				after := rapid.Uint64Range(0, m.rev()+1).Draw(rt, "after")
				got, err := collect(t.Context(), f.j, after)
				if err != nil || !equal(got, m.after(after)) {
					rt.Fatalf("after %d: %v\n got %s\nwant %s", after, err, show(got), show(m.after(after)))
				}
			},
		})
	})
}

func (m *model) append(rt *rapid.T, f *fixture) {
	term := rapid.Uint64Range(max(1, m.term-1), m.term+1).Draw(rt, "term")
	start := m.rev() + rapid.SampledFrom([]uint64{1, 1, 1, 0, 2}).Draw(rt, "skip")
	var batch []journal.Entry
	for i := range rapid.Uint64Range(1, 4).Draw(rt, "entries") {
		batch = append(batch, journal.Entry{
			Rev: start + i, Term: term, Data: fmt.Appendf(nil, "%d in %d", start+i, term),
		})
	}
	var want error
	switch {
	case term < m.term:
		want = journal.ErrFenced
	case start != m.rev()+1:
		want = journal.ErrGap
	}
	if err := f.j.Append(f.Context(), batch); !errors.Is(err, want) {
		rt.Fatalf("append %s: %v, want %v", show(batch), err, want)
	}
	if want == nil {
		m.entries, m.term = append(m.entries, batch...), term
	}
}

func (m *model) compact(rt *rapid.T, f *fixture) {
	if m.rev() == 0 {
		return
	}
	rev := rapid.Uint64Range(1, m.rev()+1).Draw(rt, "rev")
	text := fmt.Sprintf("state at %d", rev)
	var want error
	if rev < m.snapshotRev() || rev > m.rev() {
		want = journal.ErrGap
	}
	if err := f.j.Compact(f.Context(), rev, m.term, seq(text, text)); !errors.Is(err, want) {
		rt.Fatalf("compact at %d: %v, want %v", rev, err, want)
	}
	if want == nil && rev > m.snapshotRev() {
		p := journal.Entry{Rev: rev, Term: m.term, Part: true, Data: []byte(text)}
		m.snapshot = []journal.Entry{p, p}
	}
}
