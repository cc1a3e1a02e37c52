package logstore

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

type fataler interface {
	Helper()
	Fatal(...any)
}

func open(t fataler, dir string, limits Limits) *Store {
	t.Helper()
	s, err := Open(dir, limits, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t fataler, s *Store, stream string, events ...Entry) {
	t.Helper()
	if err := s.Append("g", stream, time.UnixMilli(1000), events); err != nil {
		t.Fatal(err)
	}
}

func messages(events []Event) string {
	var m []string
	for _, e := range events {
		m = append(m, e.Message)
	}
	return strings.Join(m, " ")
}

func TestReadPagesInTimeOrder(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	put(t, s, "a", Entry{10, "a10"}, Entry{30, "a30"})
	put(t, s, "b", Entry{20, "b20"}, Entry{30, "b30"})
	put(t, s, "a", Entry{5, "late"}, Entry{40, "a40"})
	onlyA := func(id string) bool { return id == "a" }
	for _, c := range []struct {
		q    Query
		want string
		more bool
	}{
		{Query{}, "late a10 b20 a30 b30 a40", false},
		{Query{Streams: onlyA}, "late a10 a30 a40", false},
		{Query{From: 10, To: 30}, "a10 b20", false},
		{Query{Limit: 2}, "late a10", true},
		{Query{Limit: 2, After: Position{10, 1}}, "b20 a30", true},
		{Query{Limit: 2, Backward: true}, "b30 a40", true},
		{Query{Limit: 2, Backward: true, Before: Position{30, 2}}, "a10 b20", true},
		{Query{Backward: true, Before: Position{10, 1}}, "late", false},
		{Query{MaxBytes: 2 * (3 + Overhead)}, "late", true},
		{Query{MaxBytes: 1, Backward: true}, "a40", true},
		{Query{Match: func(m string) bool { return strings.HasPrefix(m, "b") }}, "b20 b30", false},
		{Query{From: 41}, "", false},
	} {
		got, more, err := s.Read("g", c.q)
		if err != nil || messages(got) != c.want || more != c.more {
			t.Errorf("%+v: %q more %v err %v, want %q more %v", c.q, messages(got), more, err, c.want, c.more)
		}
	}
	stats, err := s.Stats("g")
	if want := (Stats{
		First: 5, Last: 40, LastIngested: 1000, Bytes: 3 + 3 + 4 + 3 + 4*Overhead, Events: 4,
	}); err != nil || stats["a"] != want {
		t.Errorf("stats %+v %v, want %+v", stats["a"], err, want)
	}
}

// For all sequences of appends, sizes of files and restarts, the pages of a stream in either direction are together
// the sorted list of what was appended.
func TestReadProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		limits := Limits{Segment: int64(rapid.IntRange(1, 300).Draw(rt, "segment"))}
		s := open(rt, dir, limits)
		var model []Event
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			b := rapid.SliceOfN(rapid.Int64Range(0, 20), 1, 4).Draw(rt, "times")
			stream := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "stream")
			var events []Entry
			for _, at := range b {
				events = append(events, Entry{at, strconv.Itoa(len(model))})
				model = append(model, Event{
					Entry: events[len(events)-1], Stream: stream, Ingested: 1000, Seq: uint64(len(model) + 1),
				})
			}
			put(rt, s, stream, events...)
			if rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
				s.Close()
				s = open(rt, dir, limits)
			}
		}
		defer s.Close()
		want := slices.Clone(model)
		if rapid.Bool().Draw(rt, "one stream") {
			want = slices.DeleteFunc(want, func(e Event) bool { return e.Stream != "a" })
		}
		slices.SortFunc(want, func(a, b Event) int { return a.Position().Compare(b.Position()) })
		q := Query{Limit: rapid.IntRange(1, 6).Draw(rt, "limit"), Backward: rapid.Bool().Draw(rt, "backward"),
			MaxBytes: rapid.SampledFrom([]int{0, 1, 100}).Draw(rt, "bytes")}
		if len(want) < len(model) {
			q.Streams = func(id string) bool { return id == "a" }
		}
		if got := readAll(rt, s, q); !slices.Equal(got, want) {
			rt.Fatalf("got %v\nwant %v", got, want)
		}
	})
}

func readAll(t fataler, s *Store, q Query) []Event {
	t.Helper()
	var all []Event
	for {
		page, more, err := s.Read("g", q)
		if err != nil {
			t.Fatal(err)
		}
		if q.Backward {
			all = append(slices.Clone(page), all...)
		} else {
			all = append(all, page...)
		}
		if !more {
			return all
		}
		if q.After = page[len(page)-1].Position(); q.Backward {
			q.After, q.Before = Position{}, page[0].Position()
		}
	}
}

func TestTornTailIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	put(t, s, "a", Entry{1, "one"})
	put(t, s, "a", Entry{2, "two"})
	s.Close()
	path := filepath.Join(dir, "g", "0000000000000001.seg")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := len(whole) - (len(whole)-len(magic)-saltSize)/2
	for cut := range whole {
		os.RemoveAll(filepath.Join(dir, "g"))
		os.Mkdir(filepath.Join(dir, "g"), 0o700)
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, Limits{})
		put(t, s, "a", Entry{3, "three"})
		want := "three"
		if cut >= second {
			want = "one three"
		}
		for range 2 { // and the same after another start
			if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != want {
				t.Fatalf("cut at %d: %q %v, want %q", cut, messages(got), err, want)
			}
			s.Close()
			s = open(t, dir, Limits{})
		}
		s.Close()
	}
}

func TestDamageInsideASealedFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1})
	for i := range 3 {
		put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
	}
	s.Close()
	path := filepath.Join(dir, "g", "0000000000000002.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	os.WriteFile(path, b, 0o600)
	s = open(t, dir, Limits{Segment: 1})
	if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != "m0 m2" {
		t.Errorf("%q %v", messages(got), err)
	}
}

func TestSpaceIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1000, Group: 5000})
	for i := range 200 {
		put(t, s, "a", Entry{int64(i), strings.Repeat("x", 100)})
	}
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "g", "*.seg"))
	for _, f := range files {
		st, _ := os.Stat(f)
		size += st.Size()
	}
	if size > 7000 || size < 4000 {
		t.Errorf("%d bytes on disk", size)
	}
	got, _, _ := s.Read("g", Query{})
	if last := got[len(got)-1].Time; last != 199 || got[0].Time == 0 {
		t.Errorf("kept %d to %d", got[0].Time, last)
	}
	if err := s.Expire("g", time.UnixMilli(199)); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "g", "*.*")); len(files) != 1 {
		t.Errorf("after everything but the last event expired: %v", files)
	}
}

func TestDropAndKeep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	for _, g := range []string{"g", "h"} {
		if err := s.Append(g, "a", time.UnixMilli(0), []Entry{{1, g}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Keep(func(id string) bool { return id == "h" }); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Read("g", Query{}); err != nil || len(got) != 0 {
		t.Errorf("a dropped group has %v, %v", got, err)
	}
	if got, _, _ := s.Read("h", Query{}); messages(got) != "h" {
		t.Errorf("a kept group has %v", got)
	}
	if err := s.Append("../h", "a", time.Time{}, []Entry{{}}); err == nil {
		t.Error("a path was accepted as an id")
	}
}

func TestConcurrentAppendsAreAllThere(t *testing.T) {
	s := open(t, t.TempDir(), Limits{Segment: 2000})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				if err := s.Append("g", fmt.Sprint("s", w), time.UnixMilli(0),
					[]Entry{{int64(i), "x"}, {int64(i), "y"}}); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Read("g", Query{Limit: 5}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, _, err := s.Read("g", Query{})
	seen := map[uint64]bool{}
	for _, e := range got {
		seen[e.Seq] = true
	}
	if err != nil || len(got) != 400 || len(seen) != 400 {
		t.Errorf("%d events, %d sequence numbers, %v", len(got), len(seen), err)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), Limits{})
		put(t, s, "a", Entry{5, "old"})
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range s.Follow(t.Context(), "g", 0, Query{Match: func(m string) bool { return m != "no" }}) {
				if err != nil {
					t.Error(err)
				}
				if got = append(got, e.Message); e.Message == "end" {
					return
				}
			}
		}()
		synctest.Wait()
		put(t, s, "b", Entry{1, "earlier"}, Entry{6, "no"})
		synctest.Wait()
		put(t, s, "a", Entry{7, "end"})
		<-done
		if want := []string{"old", "earlier", "end"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func FuzzRecords(f *testing.F) {
	b := &batch{stream: "s", first: 7, ingested: 1000, events: []Entry{{900, "hello"}, {1100, ""}}}
	f.Add(b.append([]byte(magicOld), 0))
	f.Add(append(b.append([]byte(magicOld), 0), 1, 2, 3))
	f.Fuzz(func(t *testing.T, file []byte) {
		var again []byte
		var end int64
		err := records(bytes.NewReader(file), int64(len(file)), func(b *batch, at int64) error {
			again, end = b.append(again, 0), at
			return nil
		})
		if err == nil && end != int64(len(file)) && len(file) > len(magic)+saltSize {
			t.Errorf("read to %d of %d bytes without an error", end, len(file))
		}
		var n int
		again = append([]byte(magicOld), again...)
		if err := records(bytes.NewReader(again), int64(len(again)),
			func(*batch, int64) error { n++; return nil }); err != nil {
			t.Errorf("%d records, then %v", n, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	b := &batch{stream: "s", first: 7, ingested: 1000, events: []Entry{{900, "hello"}}}
	f.Add(b.append(nil, 0)[headerSize:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := decode(payload)
		if err != nil {
			return
		}
		c, err := decode(b.append(nil, 0)[headerSize:])
		if err != nil || c.stream != b.stream || c.first != b.first || !slices.Equal(c.events, b.events) {
			t.Errorf("%+v became %+v, %v", b, c, err)
		}
	})
}
