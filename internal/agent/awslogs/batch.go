package awslogs

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Limits of one PutLogEvents, as CloudWatch Logs counts.
const (
	maxEvents    = 10_000
	maxBytes     = 1 << 20
	eventBytes   = 26 // counted for every event
	maxEvent     = 256<<10 - eventBytes
	maxBatchSpan = 24 * time.Hour
)

// event is one log event as the API has it; Timestamp is milliseconds since 1970.
type event struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// batch collects a container's output as events. The two streams of a container are collected separately, so
// that lines of one never get into lines of the other.
type batch struct {
	target target

	lines  [streams]line // unfinished lines, by stream
	behind places        // everything before these places is in lines, in the batch or in earlier batches
	events []placed
	bytes  int
	closed int // how many lines the batch has, including empty ones
}

// placed is an event with the place of its first byte, which orders events of the same millisecond.
type placed struct {
	event
	from place
}

// line is an unfinished event: a part of a line, or several lines of one event. Its text is valid UTF-8 of at
// most maxEvent bytes.
type line struct {
	text  []byte
	from  place // of the first byte
	at    time.Time
	whole bool // text ends with a line feed

	rest []raw // the start of a character whose end has not been read yet
}

// raw is a byte of an incomplete character.
type raw struct {
	value byte
	from  place
	at    time.Time
}

func (l *line) empty() bool { return len(l.text) == 0 && len(l.rest) == 0 }

// start returns the place of the first byte that is not in an event yet.
func (l *line) start() place {
	if len(l.text) == 0 {
		return l.rest[0].from
	}
	return l.from
}

// add adds entry number n without its first offset bytes. It returns false, and adds nothing, if the batch is
// full.
func (b *batch) add(n int64, offset int, e runtime.LogEntry) bool {
	text := e.Text[offset:]
	for s := range b.lines {
		if l := &b.lines[s]; len(l.text) > 0 && e.At.Sub(l.at) >= maxBatchSpan/2 {
			b.close(s) // otherwise it would be too old for its batch
		}
	}
	if b.closed > 0 && b.full(text, e.At) {
		return false
	}
	s := streamOf(e)
	l := &b.lines[s]
	if l.whole && (b.startsEvent(text) || len(l.text)+len(text) > maxEvent) {
		b.close(s)
	}
	b.write(s, text, e.At, func(i int) place { return place{n, offset + i} })
	b.behind[s] = place{Entry: n + 1}
	l.whole = bytes.HasSuffix(text, []byte("\n"))
	if l.whole && b.target.Begins == nil {
		b.close(s)
	}
	return true
}

func (b *batch) startsEvent(text []byte) bool {
	return b.target.Begins == nil || b.target.Begins.Match(bytes.TrimSuffix(text, []byte("\n")))
}

// full reports whether the events of the batch must be sent before text can be added.
func (b *batch) full(text []byte, at time.Time) bool {
	size, events := b.bytes+grown(text)+2*eventBytes, len(b.events)+2+grown(text)/maxEvent
	for s := range b.lines {
		size += len(b.lines[s].text) + 3*len(b.lines[s].rest) + 2*eventBytes
		events += 2
	}
	return size > maxBytes || events > maxEvents || b.spans(at)
}

// grown is the greatest length of text as valid UTF-8.
func grown(text []byte) int {
	if utf8.Valid(text) {
		return len(text)
	}
	return len(text) * len(replacement)
}

// spans reports whether the time of an entry is too far from that of the batch's first.
func (b *batch) spans(at time.Time) bool {
	return len(b.events) > 0 && at.Sub(time.UnixMilli(b.events[0].Timestamp)) >= maxBatchSpan
}

// replacement replaces a byte that is not part of a character, as in Docker.
const replacement = "\uFFFD"

// write appends text to the line of stream s, and makes an event whenever the line is full. It never splits a
// character, not even where the engine has split a line.
func (b *batch) write(s int, text []byte, at time.Time, placeOf func(i int) place) {
	l := &b.lines[s]
	if len(l.rest) == 0 && len(l.text)+len(text) <= maxEvent && utf8.Valid(text) {
		l.append(text, placeOf(0), at)
		return
	}
	before := l.rest
	l.rest = nil
	all := make([]byte, 0, len(before)+len(text))
	for _, r := range before {
		all = append(all, r.value)
	}
	all = append(all, text...)
	where := func(i int) (place, time.Time) {
		if i < len(before) {
			return before[i].from, before[i].at
		}
		return placeOf(i - len(before)), at
	}
	for i := 0; i < len(all); {
		from, at := where(i)
		n, char := valid(all[i:], maxEvent-len(l.text))
		switch {
		case n > 0:
			l.append(all[i:i+n], from, at)
			i += n
		case !utf8.FullRune(all[i:]):
			for ; i < len(all); i++ {
				from, at := where(i)
				l.rest = append(l.rest, raw{all[i], from, at})
			}
		case char > maxEvent-len(l.text):
			b.emit(l)
		default:
			l.append([]byte(replacement), from, at)
			i++
		}
	}
}

// valid returns the length of the longest valid prefix of text with at most limit bytes, and the length of the
// first character or its replacement.
func valid(text []byte, limit int) (n, first int) {
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if n == 0 {
			first = utf8.RuneLen(r)
		}
		if r == utf8.RuneError && size == 1 || n+size > limit {
			break
		}
		n += size
	}
	return n, first
}

func (l *line) append(text []byte, from place, at time.Time) {
	if len(l.text) == 0 {
		l.from, l.at = from, at
	}
	l.text = append(l.text, text...)
}

// close makes an event of the unfinished line of stream s.
func (b *batch) close(s int) {
	l := &b.lines[s]
	rest := l.rest
	l.rest = nil
	for _, r := range rest { // the character is incomplete
		if len(l.text)+len(replacement) > maxEvent {
			b.emit(l)
		}
		l.append([]byte(replacement), r.from, r.at)
	}
	if len(l.text) > 0 {
		b.emit(l)
	}
	l.whole = false
}

// passed notes that the first n entries of the log have been added or can be skipped.
func (b *batch) passed(n int64) {
	for s := range b.behind {
		if b.behind[s].Entry < n {
			b.behind[s] = place{Entry: n}
		}
	}
}

// closeAll closes the lines of both streams.
func (b *batch) closeAll() {
	for s := range b.lines {
		b.close(s)
	}
}

// emit makes an event of the line without its last line feed, and empties the line. It skips empty lines, which
// CloudWatch Logs refuses.
func (b *batch) emit(l *line) {
	message := strings.TrimSuffix(string(l.text), "\n")
	b.closed++
	l.text = l.text[:0]
	if message == "" {
		return
	}
	b.events = append(b.events, placed{event{l.at.UnixMilli(), message}, l.from})
	b.bytes += len(message) + eventBytes
}

// ends returns the places before which everything is in the batch or in earlier batches.
func (b *batch) ends() places {
	ends := b.behind
	for s := range b.lines {
		if !b.lines[s].empty() {
			ends[s] = b.lines[s].start()
		}
	}
	return ends
}

// ready reports whether there is anything to send or to record.
func (b *batch) ready() bool { return b.closed > 0 }

// reset starts the next batch. Unfinished lines are kept.
func (b *batch) reset() { b.events, b.bytes, b.closed = nil, 0, 0 }

// sorted returns the events in the order of their times, as the API requires. The two streams of a container
// may be slightly out of order.
func (b *batch) sorted() []event {
	slices.SortStableFunc(b.events, func(x, y placed) int {
		return cmp.Or(cmp.Compare(x.Timestamp, y.Timestamp), x.from.compare(y.from))
	})
	out := make([]event, len(b.events))
	for i, e := range b.events {
		out[i] = e.event
	}
	return out
}
