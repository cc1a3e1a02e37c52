package awslogs

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// chunk is the number of bytes after which Docker cuts a line.
const chunk = 16 << 10

// entriesOf returns the entries of a line in Docker's log: cut after every 16 KiB, even within a character.
func entriesOf(at time.Time, stderr bool, text string) (out []runtime.LogEntry) {
	for part := range slices.Chunk([]byte(text+"\n"), chunk) {
		out = append(out, runtime.LogEntry{At: at, Stderr: stderr, Text: part})
		at = at.Add(time.Microsecond)
	}
	return out
}

// A long line is split where Docker's own driver splits it, and never within a character.
func TestLongLines(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		sizes []int
	}{
		"as large as an event":   {strings.Repeat("x", maxEvent), []int{262118}},
		"a byte more":            {strings.Repeat("x", maxEvent+1), []int{262118, 1}},
		"300005 bytes":           {strings.Repeat("x", 300_005), []int{262118, 37887}},
		"three bytes each":       {strings.Repeat("\u65e5", 100_000), []int{262116, 37884}},
		"four bytes each":        {"x" + strings.Repeat("\U0001d11e", 75_001), []int{262117, 37888}},
		"several events":         {strings.Repeat("x", 800_000), []int{262118, 262118, 262118, 13646}},
		"bytes of no character":  {strings.Repeat("\xff", 100_000), []int{262116, 37884}},
		"the end of a character": {strings.Repeat("x", chunk-1) + "\u00e9", []int{chunk + 1}},
		"half a character":       {"x\xe6\x97", []int{1 + 2*len(replacement)}},
	} {
		b := &batch{}
		for i, e := range entriesOf(time.Unix(1_700_000_000, 0), false, c.line) {
			if !b.add(int64(i), 0, e) {
				t.Fatalf("%s: the batch is full", name)
			}
		}
		var sizes []int
		var joined strings.Builder
		for _, e := range b.sorted() {
			if !utf8.ValidString(e.Message) {
				t.Errorf("%s: an event is not valid UTF-8", name)
			}
			sizes = append(sizes, len(e.Message))
			joined.WriteString(e.Message)
		}
		if !slices.Equal(sizes, c.sizes) || utf8.ValidString(c.line) && joined.String() != c.line {
			t.Errorf("%s: events of %v bytes, want %v", name, sizes, c.sizes)
		}
	}
}

// written is what a container of a test wrote. Its two streams write letters of two alphabets, so that an event shows
// from which stream it came.
type written struct {
	runtime.Streams
	entries []runtime.LogEntry
	lines   [streams][]string
}

func (w *written) Logs(_ context.Context, _ string, since time.Time, _ bool) iter.Seq2[runtime.LogEntry, error] {
	return func(yield func(runtime.LogEntry, error) bool) {
		for _, e := range w.entries {
			if !e.At.Before(since) && !yield(e, nil) {
				return
			}
		}
	}
}

func drawWritten(t *rapid.T) *written {
	scripts := [streams][]string{{"\u65e5", "\u672c", "\u8a9e"}, {"\u03b1", "\u03b2"}}
	w := &written{}
	var queues [streams][][]runtime.LogEntry
	at := time.Unix(1_700_000_000, 0)
	for s, script := range scripts {
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			size := rapid.SampledFrom([]int{0, 1, 7, chunk / 3, chunk, 90_000}).Draw(t, "characters")
			line := strings.Repeat(rapid.SampledFrom(script).Draw(t, "character"), size)
			w.lines[s] = append(w.lines[s], line)
			queues[s] = append(queues[s], entriesOf(at, s == 1, line))
		}
	}
	// The streams alternate at random, even within a line.
	for {
		var left []int
		for s := range queues {
			if len(queues[s]) > 0 {
				left = append(left, s)
			}
		}
		if len(left) == 0 {
			return w
		}
		s := rapid.SampledFrom(left).Draw(t, "stream")
		n := rapid.IntRange(1, len(queues[s][0])).Draw(t, "entries")
		for _, e := range queues[s][0][:n] {
			at = at.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "us")) * time.Microsecond)
			e.At = at
			w.entries = append(w.entries, e)
		}
		if queues[s][0] = queues[s][0][n:]; len(queues[s][0]) == 0 {
			queues[s] = queues[s][1:]
		}
	}
}

// Everything that was written arrives once, in order and complete, and lines of the two streams are not mixed, although
// agents are killed between a request and its answer.
func TestWhatWasWrittenComesBack(t *testing.T) {
	store, err := checkpoint.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		w, c, id := drawWritten(t), &cloud{}, strconv.Itoa(checks)
		checks++
		fails := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for lives := rapid.IntRange(0, 6).Draw(t, "lives"); lives >= 0; lives-- {
			ctx, die := context.WithCancel(context.Background())
			c.after = nil
			if lives > 0 {
				c.after = func(action string) error {
					if action == "PutLogEvents" && fails.IntN(2) == 0 {
						die()
						return ctx.Err()
					}
					return nil
				}
			}
			s := New("us-east-1", func(string) API { return c }, w, store, slog.New(slog.DiscardHandler))
			tail := newTail(s, id, target{Group: "g", Stream: "s"})
			tail.stopped()
			tail.run(ctx)
			die()
		}
		checkArrived(t, w, c)
	})
}

// checkArrived compares what arrived with what was written.
func checkArrived(t *rapid.T, w *written, c *cloud) {
	var got [streams]strings.Builder
	for i, e := range c.events {
		if !utf8.ValidString(e.Message) || len(e.Message) > maxEvent || e.Message == "" {
			t.Fatalf("event %d has %d bytes", i, len(e.Message))
		}
		greek := strings.ContainsFunc(e.Message, func(r rune) bool { return unicode.Is(unicode.Greek, r) })
		if greek && strings.ContainsFunc(e.Message, func(r rune) bool { return !unicode.Is(unicode.Greek, r) }) {
			t.Fatalf("event %d has both streams in it", i)
		}
		s := 0
		if greek {
			s = 1
		}
		got[s].WriteString(e.Message)
	}
	for s := range got {
		if want := strings.Join(w.lines[s], ""); got[s].String() != want {
			t.Fatalf("stream %d: %d bytes arrived, %d were written", s, got[s].Len(), len(want))
		}
	}
}

// Batches stay within CloudWatch Logs' bounds, lose nothing and keep the order.
func TestBatchBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(1_700_000_000_000)
		var sent [streams]int
		var want [streams]int
		b := &batch{}
		put := func() {
			size := 0
			for i, e := range b.sorted() {
				size += len(e.Message) + eventBytes
				if len(e.Message) == 0 || len(e.Message) > maxEvent || i > 0 && e.Timestamp < b.events[i-1].Timestamp {
					t.Fatalf("event of %d bytes at %d", len(e.Message), e.Timestamp)
				}
				if first := b.events[0].Timestamp; e.Timestamp-first >= maxBatchSpan.Milliseconds() {
					t.Fatalf("events from %d to %d in one batch", first, e.Timestamp)
				}
				sent[strings.IndexByte("xy", e.Message[0])] += len(e.Message)
			}
			if size > maxBytes || len(b.events) > maxEvents {
				t.Fatalf("%d events of %d bytes", len(b.events), size)
			}
			b.reset()
		}
		for n := range int64(rapid.IntRange(1, 60).Draw(t, "entries")) {
			at = at.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 23 * time.Hour}).Draw(t, "after"))
			s := rapid.IntRange(0, 1).Draw(t, "stream")
			text := bytes.Repeat([]byte{"xy"[s]}, rapid.SampledFrom([]int{0, 1, 100, chunk, 100_000}).Draw(t, "length"))
			want[s] += len(text)
			if rapid.Bool().Draw(t, "whole") {
				text = append(text, '\n')
			}
			entry := runtime.LogEntry{At: at, Stderr: s == 1, Text: text}
			if !b.add(n, 0, entry) {
				put()
				if !b.add(n, 0, entry) {
					t.Fatal("an empty batch is full")
				}
			}
		}
		b.closeAll()
		put()
		if sent != want {
			t.Fatalf("%d bytes arrived of %d", sent, want)
		}
	})
}

// An agent continues from a checkpoint of an older version.
func TestPositionOfAnOlderAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := checkpoint.Open(t.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		w, c := &written{}, &cloud{}
		at := time.Unix(1_700_000_000, 0)
		for i, text := range []string{"a", "b", "c", "d"} {
			w.entries = append(w.entries, entriesOf(at.Add(time.Duration(i)*time.Second), false, text)...)
		}
		c.events = []event{{at.UnixMilli(), "a"}, {at.Add(time.Second).UnixMilli(), "b"}}
		if err := store.Put(checkpoint.Logs, "id",
			map[string]any{"Anchor": at, "Count": 1, "Announced": 1}); err != nil {
			t.Fatal(err)
		}
		s := New("us-east-1", func(string) API { return c }, w, store, slog.New(slog.DiscardHandler))
		tail := newTail(s, "id", target{Group: "g", Stream: "s"})
		tail.stopped()
		tail.run(t.Context())
		if got := strings.Join(c.messages(), ""); got != "abcd" {
			t.Errorf("arrived: %q", got)
		}
	})
}
