package redisadapter_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
	"github.com/berthhq/berth/socketio/redisadapter"
	"github.com/berthhq/berth/socketio/testenv"
)

const patience = 10 * time.Second

// peer is a raw client: its frames are the wire, so it does not matter which server it is on.
type peer struct {
	t *testing.T
	*lean.Client
	id     string
	frames chan lean.Frame
}

func join(t *testing.T, addr string) *peer {
	t.Helper()
	var g link.Group
	p := &peer{t: t, frames: make(chan lean.Frame, 1000)}
	c, err := lean.Dial(&g, addr, "/socket.io/?EIO=4&transport=websocket", func(_ *lean.Client, f lean.Frame) { p.frames <- f })
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(g.Close)
	p.next()
	p.say("40")
	hello := p.next()
	_, rest, ok := strings.Cut(hello, `"sid":"`)
	if !ok {
		t.Fatal(hello)
	}
	p.id = rest[:20]
	return p
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.Send(text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() string {
	p.t.Helper()
	select {
	case f := <-p.frames:
		switch f.Op {
		case wsframe.Close:
			return "closed"
		case wsframe.Binary:
			return fmt.Sprintf("%x", f.Data)
		}
		return string(f.Data)
	case <-time.After(patience):
		p.t.Fatal("nothing came")
		return ""
	}
}

func (p *peer) want(text string) {
	p.t.Helper()
	if got := p.next(); got != text {
		p.t.Fatalf("got %q, want %q", got, text)
	}
}

// answer waits for an event that wants an acknowledgement and gives it.
func (p *peer) answer(event, json string) {
	p.t.Helper()
	got := p.next()
	rest, ok := strings.CutPrefix(got, "42")
	id, body, _ := strings.Cut(rest, "[")
	if !ok || "["+body != event || id == "" {
		p.t.Fatalf("got %q, want %s with an id", got, event)
	}
	p.say("43" + id + "[" + json + "]")
}

// goNode is one of our servers.
type goNode struct {
	ns      *socketio.Namespace
	cluster *redisadapter.Cluster
	addr    string
	told    chan string
}

func startGo(t *testing.T, name string, r *testenv.Redis) *goNode {
	t.Helper()
	opt, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	g := &goNode{told: make(chan string, 10)}
	g.cluster = redisadapter.New(client, redisadapter.Options{})
	io := socketio.New(socketio.Options{Adapter: g.cluster.Connect})
	g.ns = io.Of("/")
	g.ns.OnConnect(func(s *socketio.Socket) { s.SetData(map[string]string{"at": name}) })
	g.ns.OnServer("ask", func(args *socketio.Args, answer func(any)) {
		var v string
		_ = args.Decode(0, &v)
		answer(name + " got " + v)
	})
	g.ns.OnServer("tell", func(args *socketio.Args, _ func(any)) { g.told <- string(args.Raw(0)) })
	ts := httptest.NewServer(io)
	t.Cleanup(func() {
		io.Close()
		ts.Close()
		client.Close()
	})
	g.addr = strings.TrimPrefix(ts.URL, "http://")
	return g
}

// ready waits until Redis counts n servers.
func ready(t *testing.T, r *testenv.Redis, n int64) {
	t.Helper()
	opt, _ := redis.ParseURL(r.URL())
	c := redis.NewClient(opt)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		counts, err := c.PubSubNumSub(ctx, "socket.io-request#/#", "socket.io-response#/#").Result()
		if err == nil && counts["socket.io-request#/#"] == n && counts["socket.io-response#/#"] == n && c.PubSubNumPat(ctx).Val() == 1 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%v servers, want %d: %v", counts, n, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(list, " ")
}

func publish(t *testing.T, r *testenv.Redis, channel string, bodies ...string) {
	t.Helper()
	opt, _ := redis.ParseURL(r.URL())
	c := redis.NewClient(opt)
	defer c.Close()
	for _, b := range bodies {
		if err := c.Publish(t.Context(), channel, b).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
