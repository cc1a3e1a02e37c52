package redisadapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), text)
}

// member is a server whose Redis is behind a proxy.
type member struct {
	*goNode
	proxy *proxy
	log   *journal
	stats func() redisadapter.Stats
}

const slowQueue = 256 << 10

func startMember(t *testing.T, r *testenv.Redis, kind string) *member {
	t.Helper()
	m := &member{proxy: startProxy(t, strings.TrimPrefix(r.URL(), "redis://")), log: &journal{}}
	c := redis.NewClient(&redis.Options{Addr: m.proxy.addr})
	t.Cleanup(func() { c.Close() })
	opt := redisadapter.Options{
		MaxQueue: slowQueue, MaxDelay: 100 * time.Millisecond, Log: slog.New(slog.NewTextHandler(m.log, nil)),
	}
	var connect adapter.Connector
	switch kind {
	case "sharded":
		s := redisadapter.NewSharded(c, redisadapter.Dynamic, opt)
		connect, m.stats = s.Connect, s.Stats
	case "streams":
		s := redisadapter.NewStreams(c, redisadapter.StreamOptions{}, opt)
		connect, m.stats = s.Connect, s.Stats
	default:
		s := redisadapter.New(c, opt)
		connect, m.stats = s.Connect, s.Stats
	}
	m.goNode = startGo(t, "a", connect, nil)
	return m
}

func (m *member) until(t *testing.T, what string, is func(redisadapter.Stats) bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(m.stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: %+v", what, m.stats())
		}
	}
}

// When Redis does not answer, only clients of other servers wait. What waits for Redis is limited, and is reported.
// Requests to other servers end with the same errors as those of the JavaScript adapters. When Redis answers again, no
// event arrives twice.
func TestSlowRedis(t *testing.T) {
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			a, b := startMember(t, r, kind), startGo(t, "b", connector(t, r, kind), nil)
			ready(t, r, kind, 2)
			pa, pa2, pb := join(t, a.addr), join(t, a.addr), join(t, b.addr)
			emit := func(text string, to ...*adaptertest.Client) {
				t.Helper()
				if err := a.ns.Emit(text); err != nil {
					t.Fatal(err)
				}
				for _, p := range to {
					p.Want(`42["` + text + `"]`)
				}
			}
			emit("before", pa, pa2, pb)
			a.proxy.stall(true)
			for i := range 10 {
				emit(fmt.Sprint("during", i), pa, pa2)
			}
			a.until(t, "it is not known to be slow",
				func(s redisadapter.Stats) bool { return s.Slow && s.Delay >= 100*time.Millisecond })
			for range 100 {
				emit(strings.Repeat("x", 10_000), pa, pa2)
				if s := a.stats(); s.Bytes > slowQueue {
					t.Fatalf("%+v", s)
				}
			}
			if s := a.stats(); kind != "streams" && s.Dropped == 0 || s.Waiting == 0 {
				t.Errorf("%+v", s)
			}
			a.unanswered(t)
			a.proxy.stall(false)
			a.until(t, "it is still slow", func(s redisadapter.Stats) bool { return !s.Slow && s.Waiting == 0 })
			emit("after", pa, pa2)
			for got := pb.Next(); got != `42["after"]`; got = pb.Next() {
				if !strings.HasPrefix(got, `42["during`) && !strings.HasPrefix(got, `42["xxx`) {
					t.Fatal(got)
				}
			}
			if found, err := a.ns.All().Sockets(t.Context()); err != nil || len(found) != 3 {
				t.Error(len(found), err)
			}
			if n := a.log.count("redis is slow"); n != 1 {
				t.Errorf("%d warnings", n)
			}
			if n := a.log.count("redis keeps up again"); n != 1 {
				t.Errorf("%d all-clears", n)
			}
		})
	}
}

// unanswered sends requests to other servers while Redis does not answer.
func (m *member) unanswered(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	found, err := m.ns.All().Sockets(ctx)
	if !errors.Is(err, socketio.ErrTimeout) ||
		!strings.Contains(err.Error(), "timeout reached while waiting for fetchSockets response") {
		t.Error(err)
	}
	if len(found) != 2 {
		t.Errorf("%d sockets of this server", len(found))
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := m.ns.ServerSideAsk(ctx, "ask", "x"); !errors.Is(err, socketio.ErrTimeout) ||
		!strings.Contains(err.Error(), "timeout reached: only 0 responses received out of") {
		t.Error(err)
	}
}

// If Redis answers and another server does not, errors have the texts of those of the JavaScript adapters.
func TestSilentServer(t *testing.T) {
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			a := startGo(t, "a", connector(t, r, kind), nil)
			unlisten := client(t, r)
			ps := unlisten.Subscribe(t.Context())
			defer ps.Close()
			subscribe := ps.Subscribe
			channels := []string{"socket.io#/#"}
			if kind == "sharded" {
				subscribe = ps.SSubscribe
			} else if kind == "classic" {
				channels = []string{"socket.io-request#/#"}
			}
			if err := subscribe(t.Context(), channels...); err != nil {
				t.Fatal(err)
			}
			if _, err := ps.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := a.ns.ServerSideAsk(ctx, "ask", "x")
			if !errors.Is(err, socketio.ErrTimeout) ||
				!strings.Contains(err.Error(), "timeout reached: only 0 responses received out of 1") {
				t.Error(err)
			}
		})
	}
}

// If Redis answers with something that is not its protocol, the connection is closed, and opened again until the
// answers are right.
func TestRedisSpeaksNonsense(t *testing.T) {
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			a, b := startMember(t, r, kind), startGo(t, "b", connector(t, r, kind), nil)
			ready(t, r, kind, 2)
			pa, pb := join(t, a.addr), join(t, b.addr)
			a.proxy.set(func() {
				a.proxy.nonsense = []byte("\x00\xffHTTP/1.1 200 OK\r\n*-7\r\n$99999999999\r\n:x\r\n")
			})
			for i := range 20 {
				if err := a.ns.Emit("during", i); err != nil {
					t.Fatal(err)
				}
				pa.Want(fmt.Sprintf(`42["during",%d]`, i))
			}
			a.until(t, "nobody has noticed", func(s redisadapter.Stats) bool { return s.Lost })
			a.proxy.set(func() { a.proxy.nonsense = nil })
			a.until(t, "it is not found again", func(s redisadapter.Stats) bool { return !s.Lost && s.Waiting == 0 })
			ready(t, r, kind, 2)
			if err := a.ns.Emit("after"); err != nil {
				t.Fatal(err)
			}
			pa.Want(`42["after"]`)
			for got := pb.Next(); got != `42["after"]`; got = pb.Next() {
				if !strings.HasPrefix(got, `42["during"`) {
					t.Fatal(got)
				}
			}
		})
	}
}

// Invalid messages in the channels of the sharded format, and in the stream, are logged and change nothing.
func TestNonsenseInChannels(t *testing.T) {
	bodies := []string{"", "{", "null", "[]", `{"type":3}`, `{"type":"x"}`, `{"type":3,"data":{"packet":7}}`,
		`{"type":99,"uid":"x"}`, "\xdf\xff\xff\xff\xff", "\x84\xa4type\x03",
		`{"type":7,"uid":"x","nsp":"/","data":{"requestId":"q","opts":{"rooms":"r"}}}`,
		`{"type":8,"uid":"x","data":{"requestId":"nobody","sockets":{}}}`}
	for _, kind := range []string{"sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			a, b := startGo(t, "a", connector(t, r, kind), nil), startGo(t, "b", connector(t, r, kind), nil)
			ready(t, r, kind, 2)
			p := join(t, a.addr)
			c := client(t, r)
			for _, body := range bodies {
				var err error
				if kind == "sharded" {
					err = c.SPublish(t.Context(), "socket.io#/#", body).Err()
				} else {
					err = errors.Join(c.Publish(t.Context(), "socket.io#/#", body).Err(),
						c.XAdd(t.Context(), &redis.XAddArgs{Stream: "socket.io", Values: []string{
							"uid", "x", "nsp", "/", "type", "3", "data", body,
						}}).Err(),
						c.XAdd(t.Context(), &redis.XAddArgs{Stream: "socket.io", Values: []string{"type", body}}).Err())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := b.ns.Emit("end"); err != nil {
				t.Fatal(err)
			}
			p.Want(`42["end"]`)
		})
	}
}
