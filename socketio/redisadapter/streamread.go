package redisadapter

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

const (
	readCount = 100
	loadTries = 5
	loadPause = 50 * time.Millisecond
	// reachPause is between two looks at how far the stream was read.
	reachPause = 2 * time.Millisecond
	readBlock  = time.Second // also how long ending may take
)

func base36(n uint64) string { return strconv.FormatUint(n, 36) }

// packedBody is the data of an entry with binary in it.
type packedBody struct {
	text        []byte
	attachments [][]byte
}

func (b *packedBody) encode() ([]byte, error) { return msgpack.AppendJSON(nil, b.text, b.attachments) }

// read applies the entries of the stream until ctx is done. It starts at the end that the stream
// had when the server started, and not at the first read, so that nothing in between is lost.
func (s *Streams) read(ctx context.Context) {
	wait := retryFirst
	for ctx.Err() == nil {
		err := s.readOnce(ctx)
		switch {
		case err == nil:
			wait = retryFirst
			s.up()
			continue
		case ctx.Err() != nil:
			return
		}
		s.down(err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(wait*2, retryMost)
	}
}

func (s *Streams) readOnce(ctx context.Context) error {
	if s.position() == "" {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	from := s.position()
	streams, err := s.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{s.so.Name, from}, Count: readCount, Block: readBlock,
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for _, stream := range streams {
		for _, m := range stream.Messages {
			s.apply(ctx, m)
		}
	}
	return nil
}

// settle sets the position to the present end of the stream, unless there is a position.
func (s *Streams) settle(ctx context.Context) error {
	end, err := s.client.XRevRangeN(ctx, s.so.Name, "+", "-", 1).Result()
	if err != nil {
		return err
	}
	s.order.Lock()
	defer s.order.Unlock()
	if s.last == "" {
		last := "0-0"
		if len(end) > 0 {
			last = end[0].ID
		}
		s.last = last
		s.applied.Store(&last)
	}
	return nil
}

func (s *Streams) position() string {
	s.order.Lock()
	defer s.order.Unlock()
	return s.last
}

// apply passes an entry to its namespace. It must accept every type: emitters write server-side
// events to the stream too.
func (s *Streams) apply(ctx context.Context, m redis.XMessage) {
	s.order.Lock()
	defer s.order.Unlock()
	s.last = m.ID
	id := m.ID
	defer s.applied.Store(&id)
	nsp, _ := m.Values["nsp"].(string)
	s.mu.Lock()
	a := s.nodes[nsp]
	s.mu.Unlock()
	if a == nil {
		return
	}
	e, err := entry(m)
	if err != nil {
		s.log.Warn("redisadapter: entry not understood", "id", m.ID, "error", err)
		return
	}
	tag, _ := m.Values["tag"].(string)
	if e.UID == a.uid && !a.back(tag) {
		return
	}
	op, err := e.op()
	switch {
	case err != nil:
		s.log.Warn("redisadapter: entry not understood", "id", m.ID, "error", err)
	case op != nil && e.Data.RequestID == "":
		op.Offset = m.ID
		a.node.Apply(op)
	case e.UID != a.uid:
		_ = a.handle(ctx, e)
	}
}

// entry decodes an entry: data is JSON, or base64 of MessagePack when there is binary in it.
func entry(m redis.XMessage) (*envelope, error) {
	field := func(name string) string { v, _ := m.Values[name].(string); return v }
	kind, err := strconv.Atoi(field("type"))
	if err != nil {
		return nil, err
	}
	e := &envelope{Type: kind, UID: field("uid"), NSP: field("nsp"), Data: &body{}}
	text := []byte(field("data"))
	if len(text) == 0 {
		return e, nil
	}
	if text[0] != '{' {
		raw, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return nil, err
		}
		if text, e.attachments, err = msgpack.NewReader(raw).JSON(nil, nil); err != nil {
			return nil, err
		}
	}
	return e, json.Unmarshal(text, e.Data)
}

// session is how a disconnected client is stored. JavaScript servers leave out the fields after
// Data, and ignore them.
type session struct {
	SID   string          `json:"sid"`
	PID   string          `json:"pid"`
	Rooms []string        `json:"rooms"`
	Data  json.RawMessage `json:"data"`
	First string          `json:"first,omitempty"`
	Sent  string          `json:"sent,omitempty"`
	At    string          `json:"at,omitempty"`
}

// Position implements adapter.Recoverer.
func (a *streamAdapter) Position() string {
	if p := a.s.applied.Load(); p != nil {
		return *p
	}
	return ""
}

// Save implements adapter.Recoverer.
func (a *streamAdapter) Save(saved adapter.Saved) {
	text, err := marshal(session{
		saved.SID, saved.PID, saved.Rooms, saved.Data, saved.First, saved.Sent, saved.At,
	})
	if err == nil {
		text, err = msgpack.AppendJSON(nil, text, nil)
	}
	if err != nil {
		a.h.log.Warn("redisadapter: session not saved", "error", err)
		return
	}
	keep := cmp.Or(a.s.so.Keep, saved.For, 2*time.Minute)
	value := base64.StdEncoding.EncodeToString(text)
	_ = a.h.enqueue(command{size: len(value), add: func(ctx context.Context, p redis.Pipeliner) {
		p.Set(ctx, a.s.so.SessionPrefix+saved.PID, value, keep)
	}}) // a full queue was logged; the client will be a new one
}

// Recover implements adapter.Recoverer.
func (a *streamAdapter) Recover(
	ctx context.Context, pid, offset string, join func(adapter.Saved, []adapter.Missed),
) bool {
	if offset != "" && !isStreamID(offset) || a.h.Lost() {
		return false
	}
	a.h.barrier(time.Second) // the session may be on its way
	saved, ok := a.load(ctx, pid)
	for tries := 0; !ok && tries < loadTries; tries++ { // the server it was on may not have written it yet
		select {
		case <-ctx.Done():
			return false
		case <-time.After(loadPause):
		}
		saved, ok = a.load(ctx, pid)
	}
	if !ok {
		return false
	}
	from, inclusive, ok := saved.From(offset, earlier)
	if !ok {
		return false
	}
	first, err := a.h.client.XRange(ctx, a.s.so.Name, from, from).Result()
	if err != nil || len(first) == 0 && !a.whole(ctx, from) {
		return false // what followed may have been dropped
	}
	missed, _ := a.missed(nil, first, saved)
	if !inclusive {
		missed = nil
	}
	missed, upTo, err := a.since(ctx, missed, saved, from)
	if err != nil {
		return false
	}
	if !a.s.reach(ctx, from) {
		return false
	}
	// Everything that was applied meanwhile is in the stream too; with the order held nothing follows.
	defer a.s.order.Unlock()
	for earlier(upTo, a.s.last) {
		before := upTo
		if missed, upTo, err = a.since(ctx, missed, saved, upTo); err != nil || upTo == before {
			return false
		}
	}
	for len(missed) > 0 && earlier(a.s.last, missed[len(missed)-1].Offset) {
		missed = missed[:len(missed)-1] // will be applied, and sent then
	}
	join(saved, missed)
	return true
}

// reach waits until this server has applied the stream up to offset, and takes the order. The
// client's last server may have been ahead, and what the client has must not be sent to it again.
func (s *Streams) reach(ctx context.Context, offset string) bool {
	for {
		s.order.Lock()
		if s.last != "" && !earlier(s.last, offset) {
			return true
		}
		s.order.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(reachPause):
		}
	}
}

func (a *streamAdapter) load(ctx context.Context, pid string) (saved adapter.Saved, ok bool) {
	key := a.s.so.SessionPrefix + pid
	var value *redis.StringCmd
	_, err := a.h.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		value = p.Get(ctx, key)
		p.Del(ctx, key)
		return nil
	})
	if err != nil {
		return saved, false
	}
	raw, err := base64.StdEncoding.DecodeString(value.Val())
	if err != nil {
		return saved, false
	}
	text, _, err := msgpack.NewReader(raw).JSON(nil, nil)
	if err != nil {
		return saved, false
	}
	var s session
	if json.Unmarshal(text, &s) != nil || s.SID == "" || s.PID != pid {
		return saved, false
	}
	return adapter.Saved{
		SID: s.SID, PID: s.PID, Rooms: s.Rooms, Data: s.Data, First: s.First, Sent: s.Sent, At: s.At,
	}, true
}

// whole reports whether the stream still has everything after an entry that is missing itself,
// because it stands for the beginning of the stream.
func (a *streamAdapter) whole(ctx context.Context, from string) bool {
	if from != "0-0" {
		return false
	}
	info, err := a.h.client.XInfoStream(ctx, a.s.so.Name).Result()
	if err != nil {
		exists, err := a.h.client.Exists(ctx, a.s.so.Name).Result()
		return err == nil && exists == 0
	}
	return info.EntriesAdded == info.Length
}

// since appends what the client missed after an entry, and returns the last entry seen.
func (a *streamAdapter) since(
	ctx context.Context, missed []adapter.Missed, saved adapter.Saved, after string,
) ([]adapter.Missed, string, error) {
	for {
		entries, err := a.h.client.XRangeN(ctx, a.s.so.Name, "("+after, "+", 1000).Result()
		if err != nil || len(entries) == 0 {
			return missed, after, err
		}
		missed, after = a.missed(missed, entries, saved)
	}
}

// missed appends the events among entries that are for the client, and returns the last entry.
func (a *streamAdapter) missed(
	to []adapter.Missed, entries []redis.XMessage, saved adapter.Saved,
) (missed []adapter.Missed, last string) {
	for _, m := range entries {
		last = m.ID
		if m.Values["nsp"] != a.node.Name() || m.Values["type"] != strconv.Itoa(msgBroadcast) {
			continue
		}
		e, err := entry(m)
		if err != nil {
			continue // was logged when it was read
		}
		op, err := e.op()
		if err == nil && e.Data.RequestID == "" && !op.Flags.Volatile && op.Target.Wants(saved.Rooms) {
			to = append(to, adapter.Missed{Payload: op.Payload, Offset: m.ID})
		}
	}
	return to, last
}

func isStreamID(s string) bool {
	ms, seq, ok := strings.Cut(s, "-")
	_, err1 := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return ok && err1 == nil && err2 == nil
}

// earlier compares the ids of two entries.
func earlier(a, b string) bool {
	am, as, _ := strings.Cut(a, "-")
	bm, bs, _ := strings.Cut(b, "-")
	if am != bm {
		return len(am) < len(bm) || (len(am) == len(bm) && am < bm)
	}
	return len(as) < len(bs) || (len(as) == len(bs) && as < bs)
}
