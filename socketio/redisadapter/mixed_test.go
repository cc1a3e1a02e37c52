package redisadapter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// mixed is a cluster of two Node.js and two Go servers on one Redis, with a client on each.
type mixed struct {
	redis server
	node  *testenv.Node
	a, b  *goNode
	peers []*adaptertest.Client // on node0, node1, a, b
}

func startMixed(t *testing.T, r server, kind string) *mixed {
	m := &mixed{redis: r, node: testenv.StartNode(t, "cluster.mjs", r.URL(), kind)}
	var recovery *socketio.Recovery
	if kind == "streams" {
		recovery = &socketio.Recovery{}
	}
	m.a = startGo(t, "a", connector(t, r, kind), recovery)
	m.b = startGo(t, "b", connector(t, r, kind), recovery)
	var up struct{ Ports []int }
	m.node.Read(&up)
	ready(t, r, kind, 4)
	for _, addr := range []string{
		fmt.Sprint("127.0.0.1:", up.Ports[0]), fmt.Sprint("127.0.0.1:", up.Ports[1]), m.a.addr, m.b.addr,
	} {
		m.peers = append(m.peers, join(t, addr))
	}
	return m
}

// in makes failures of the peers fail a subtest.
func (m *mixed) in(t *testing.T) {
	for _, p := range m.peers {
		p.In(t)
	}
}

func (m *mixed) all(t *testing.T, frames ...string) {
	t.Helper()
	for i, p := range m.peers {
		for _, f := range frames {
			if got := p.Next(); got != f {
				t.Fatalf("the client of server %d got %q, want %q", i, got, f)
			}
		}
	}
}

// Every type of request of the adapter works in both directions (socketio.md 3.1).
func TestMixedCluster(t *testing.T) {
	for _, kind := range []string{"classic", "specific", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			m := startMixed(t, testenv.StartRedis(t), kind)
			t.Run("broadcast", m.broadcast)
			t.Run("rooms", m.rooms)
			if kind == "classic" || kind == "specific" {
				t.Run("all rooms", m.allRooms)
				t.Run("emitter", m.emitter)
				t.Run("our emitter", m.ours)
			}
			t.Run("acks", m.acks)
			t.Run("fetch", m.fetch)
			t.Run("server side", m.serverSide)
			t.Run("disconnect", m.disconnect)
		})
	}
}

// The same servers work on a Redis Cluster of three masters.
func TestMixedClusterOnRedisCluster(t *testing.T) {
	r := testenv.StartRedisCluster(t)
	for _, kind := range []string{"classic", "sharded"} {
		t.Run(kind, func(t *testing.T) {
			m := startMixed(t, r, kind)
			t.Run("broadcast", m.broadcast)
			t.Run("rooms", m.rooms)
			t.Run("acks", m.acks)
			t.Run("fetch", m.fetch)
			t.Run("server side", m.serverSide)
			t.Run("disconnect", m.disconnect)
		})
	}
}

func (m *mixed) broadcast(t *testing.T) {
	m.in(t)
	const text = `"é \" \n"`
	m.node.Ask(nil, map[string]any{"do": "emit", "args": []any{
		"hello", 1, 1.5, -33, "é \" \n", nil, map[string]any{"z": []int{1}, "a": true},
	}})
	m.all(t, `42["hello",1,1.5,-33,`+text+`,null,{"a":true,"z":[1]}]`)
	if err := m.a.ns.Emit("hello", 1, 1.5, -33, "é \" \n", nil); err != nil {
		t.Fatal(err)
	}
	m.all(t, `42["hello",1,1.5,-33,`+text+`,null]`)
	m.node.Ask(nil, map[string]any{
		"do": "emit", "node": 1, "args": []any{"bin", map[string]any{"bytes": []int{1, 255}}},
	})
	m.all(t, `451-["bin",{"_placeholder":true,"num":0}]`, "01ff")
	if err := m.b.ns.Emit("bin", []byte{1, 255}); err != nil {
		t.Fatal(err)
	}
	m.all(t, `451-["bin",{"_placeholder":true,"num":0}]`, "01ff")
}

// rooms tests join, leave, and broadcasts to one room, to several rooms, and with exceptions.
func (m *mixed) rooms(t *testing.T) {
	m.in(t)
	ids := []string{m.peers[0].ID, m.peers[1].ID, m.peers[2].ID, m.peers[3].ID}
	m.node.Ask(nil, map[string]any{"do": "join", "to": []string{ids[0], ids[2]}, "rooms": []string{"r1"}})
	m.a.ns.To(ids[1], ids[3]).Join("r2", "r3")
	m.until(t, "r1", 2) // a Node.js server applies its own request only when it gets it back from Redis
	m.until(t, "r2", 2)
	m.until(t, "r3", 2)
	m.node.Ask(nil, map[string]any{"do": "emit", "to": []string{"r1"}, "args": []any{"one", "node"}})
	m.peers[0].Want(`42["one","node"]`)
	m.peers[2].Want(`42["one","node"]`)
	if err := m.a.ns.To("r2").Emit("two", "go"); err != nil {
		t.Fatal(err)
	}
	m.peers[1].Want(`42["two","go"]`)
	m.peers[3].Want(`42["two","go"]`)
	if err := m.a.ns.To("r1", "r2").Except(ids[0]).Emit("both"); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.peers[1:] {
		p.Want(`42["both"]`)
	}
	// The exception is a room that no client leaves. In a Redis Cluster, node-redis publishes through any master, so a
	// server without a receiver may get this request after the test has gone on.
	m.node.Ask(nil, map[string]any{"do": "emit", "except": []string{"r3"}, "args": []any{"rest"}})
	m.peers[0].Want(`42["rest"]`)
	m.peers[2].Want(`42["rest"]`)
	m.a.ns.All().Leave("r1", "r2")
	m.until(t, "r1", 0)
	m.node.Ask(nil, map[string]any{"do": "emit", "args": []any{"after"}})
	m.all(t, `42["after"]`)
}

func (m *mixed) allRooms(t *testing.T) {
	m.a.ns.All().Leave("r3")
	m.until(t, "r3", 0)
	var rooms, want []string
	m.node.Ask(&rooms, map[string]any{"do": "rooms"})
	for _, p := range m.peers {
		want = append(want, p.ID)
	}
	if got := sorted(rooms); got != sorted(want) {
		t.Fatalf("all rooms: %s, want %s", got, want)
	}
}

// until waits until the cluster has n sockets in room.
func (m *mixed) until(t *testing.T, room string, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		all, err := m.b.ns.To(room).Sockets(t.Context())
		if err == nil && len(all) == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d sockets in %s, want %d: %v", len(all), room, n, err)
		}
	}
}

func (m *mixed) acks(t *testing.T) {
	m.in(t)
	for i, p := range m.peers {
		go p.Answer(`["question",7]`, fmt.Sprintf(`"from %d"`, i))
	}
	var answers []string
	m.node.Ask(&answers, map[string]any{"do": "ask", "timeout": 5000, "args": []any{"question", 7}})
	if got := sorted(answers); got != "from 0 from 1 from 2 from 3" {
		t.Fatal(got)
	}
	for i, p := range m.peers {
		go p.Answer(`["question",8]`, fmt.Sprintf(`"from %d"`, i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args, err := m.a.ns.All().EmitWithAck(ctx, "question", 8)
	if err != nil {
		t.Fatal(err)
	}
	answers = nil
	for _, a := range args {
		var s string
		if err := a.Decode(0, &s); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, s)
	}
	if got := sorted(answers); got != "from 0 from 1 from 2 from 3" {
		t.Fatal(got)
	}
}

func (m *mixed) fetch(t *testing.T) {
	m.in(t)
	type remote struct {
		ID        string
		Data      struct{ At string }
		Handshake map[string]any
	}
	var sockets []remote
	m.node.Ask(&sockets, map[string]any{"do": "fetch"})
	check := func(found map[string]string) {
		t.Helper()
		for i, at := range []string{"node0", "node1", "a", "b"} {
			if found[m.peers[i].ID] != at {
				t.Fatalf("%v, want %s at %s", found, m.peers[i].ID, at)
			}
		}
	}
	found := map[string]string{}
	for _, s := range sockets {
		found[s.ID] = s.Data.At
		for _, field := range []string{
			"headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth",
		} {
			if s.Handshake[field] == nil {
				t.Errorf("the handshake of %s has no %s", s.Data.At, field)
			}
		}
	}
	check(found)
	all, err := m.b.ns.All().Sockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found = map[string]string{}
	for _, s := range all {
		var d struct{ At string }
		if err := json.Unmarshal(s.Data, &d); err != nil {
			t.Fatal(err)
		}
		found[s.ID] = d.At
	}
	check(found)
}

func (m *mixed) serverSide(t *testing.T) {
	m.in(t)
	var answers []string
	m.node.Ask(&answers, map[string]any{"do": "serverSideAsk", "args": []any{"ask", "this"}})
	if got := sorted(answers); got != "a got this b got this node1 got this" {
		t.Fatal(got)
	}
	args, err := m.a.ns.ServerSideAsk(t.Context(), "ask", "that")
	if err != nil {
		t.Fatal(err)
	}
	answers = nil
	for _, a := range args {
		var s string
		if err := a.Decode(0, &s); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, s)
	}
	if got := sorted(answers); got != "b got that node0 got that node1 got that" {
		t.Fatal(got)
	}
	m.node.Ask(nil, map[string]any{"do": "serverSideEmit", "args": []any{"tell", "x"}})
	for _, g := range []*goNode{m.a, m.b} {
		if got := <-g.told; got != `"x"` {
			t.Fatal(got)
		}
	}
}

// ours: Node.js servers apply requests of the Go emitter.
func (m *mixed) ours(t *testing.T) {
	m.in(t)
	e := redisadapter.NewEmitter(client(t, m.redis), "", "/")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(e.Emit(t.Context(), adapter.Target{}, "outside", 1, []byte{2}))
	m.all(t, `451-["outside",1,{"_placeholder":true,"num":0}]`, "02")
	check(e.Join(t.Context(), adapter.Target{Rooms: []string{m.peers[0].ID, m.peers[3].ID}}, "ours"))
	m.until(t, "ours", 2)
	check(e.Emit(t.Context(), adapter.Target{Rooms: []string{"ours"}}, "room"))
	m.peers[0].Want(`42["room"]`)
	m.peers[3].Want(`42["room"]`)
	check(e.Leave(t.Context(), adapter.Target{}, "ours"))
	m.until(t, "ours", 0)
	check(e.ServerSideEmit(t.Context(), "tell", "z"))
	for _, g := range []*goNode{m.a, m.b} {
		if got := <-g.told; got != `"z"` {
			t.Fatal(got)
		}
	}
	var told [][]string
	m.node.Ask(&told, map[string]any{"do": "told"})
	if len(told) == 0 || told[len(told)-1][0] != "z" {
		t.Fatal(told)
	}
}

// emitter: Go servers apply requests of @socket.io/redis-emitter, which have no uid and another order of keys
// (socketio.md 3.4).
func (m *mixed) emitter(t *testing.T) {
	m.in(t)
	m.node.Ask(nil, map[string]any{"do": "emit", "emitter": true, "args": []any{"outside", 1}})
	m.all(t, `42["outside",1]`)
	m.node.Ask(nil, map[string]any{"do": "emit", "emitter": true, "to": []string{m.peers[2].ID}, "args": []any{"you"}})
	m.peers[2].Want(`42["you"]`)
	m.node.Ask(nil, map[string]any{"do": "join", "emitter": true, "rooms": []string{"e"}})
	m.until(t, "e", 4)
	m.node.Ask(nil, map[string]any{"do": "emit", "emitter": true, "to": []string{"e"}, "args": []any{"in e"}})
	m.all(t, `42["in e"]`)
	m.node.Ask(nil, map[string]any{"do": "serverSideEmit", "emitter": true, "args": []any{"tell", "y"}})
	for _, g := range []*goNode{m.a, m.b} {
		if got := <-g.told; got != `"y"` {
			t.Fatal(got)
		}
	}
}

func (m *mixed) disconnect(t *testing.T) {
	m.in(t)
	m.a.ns.To(m.peers[1].ID, m.peers[3].ID).Disconnect(false)
	m.peers[1].Want("41")
	m.peers[3].Want("41")
	m.node.Ask(nil, map[string]any{"do": "disconnect", "to": []string{m.peers[2].ID}, "close": true})
	m.peers[2].Want("41") // before the connection is closed
	m.peers[2].Want("closed")
}

// Redis stops and starts again. Local clients get events all the time, and the cluster works again by itself.
func TestRedisLostAndBack(t *testing.T) {
	r := testenv.StartRedis(t)
	ca, cb := redisadapter.New(client(t, r), redisadapter.Options{}),
		redisadapter.New(client(t, r), redisadapter.Options{})
	a, b := startGo(t, "a", ca.Connect, nil), startGo(t, "b", cb.Connect, nil)
	ready(t, r, "classic", 2)
	pa, pa2, pb := join(t, a.addr), join(t, a.addr), join(t, b.addr)
	if err := a.ns.Emit("before"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*adaptertest.Client{pa, pa2, pb} {
		p.Want(`42["before"]`)
	}
	r.Stop()
	for !ca.Lost() || !cb.Lost() {
		time.Sleep(5 * time.Millisecond)
	}
	if err := a.ns.Emit("during"); err != nil {
		t.Fatal(err)
	}
	pa.Want(`42["during"]`)
	pa2.Want(`42["during"]`)
	if _, err := a.ns.All().Sockets(t.Context()); err == nil {
		t.Fatal("a request to other servers succeeds without Redis")
	}
	r.Start(t)
	ready(t, r, "classic", 2)
	if err := a.ns.Emit("after"); err != nil {
		t.Fatal(err)
	}
	pa.Want(`42["after"]`)
	pa2.Want(`42["after"]`)
	got := pb.Next()
	if got == `42["during"]` { // its publication was still being retried when Redis came back
		got = pb.Next()
	}
	if got != `42["after"]` {
		t.Fatal(got)
	}
}

// Invalid messages in the channels are logged and change nothing.
func TestNonsenseFromRedis(t *testing.T) {
	r := testenv.StartRedis(t)
	a := startGo(t, "a", connector(t, r, "classic"), nil)
	ready(t, r, "classic", 1)
	p := join(t, a.addr)
	publish(t, r, "socket.io#/#", "\x93\xa1x\xdf\xff\xff\xff\xff", "", "{", "\xdd\xff\xff\xff\xff",
		"\x93\xa1x\x82\xa4type\x02\xa4data\x90\x80")
	publish(t, r, "socket.io#/#room#", "\x00")
	publish(t, r, "socket.io-request#/#", "{", "{}", `{"type":99}`, `{"type":6,"data":{}}`, `{"type":2}`,
		`{"type":"x"}`, "\x81\xa3uid", "\x80")
	publish(t, r, "socket.io-response#/#", "{", `{"requestId":"nobody"}`, "\x81", `{"type":8,"clientCount":"x"}`)
	publish(t, r, "socket.io#/#", "\x93\xa1x\x83\xa4type\x02\xa4data\x91\xa3end\xa3nsp\xa1/\x80")
	p.Want(`42["end"]`)
}

// Servers can start before Redis does.
func TestRedisComesLate(t *testing.T) {
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			r.Stop()
			a := startGo(t, "a", connector(t, r, kind), nil)
			b := startGo(t, "b", connector(t, r, kind), nil)
			pa, pb := join(t, a.addr), join(t, b.addr)
			if err := a.ns.Emit("alone"); err != nil {
				t.Fatal(err)
			}
			pa.Want(`42["alone"]`)
			r.Start(t)
			ready(t, r, kind, 2)
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() { // repeatedly: a server may not have noticed yet that Redis has started
				defer close(done)
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						_ = a.ns.Emit("together")
					}
				}
			}()
			got := pb.Next()
			if got == `42["alone"]` { // its publication was still being retried
				got = pb.Next()
			}
			close(stop)
			<-done
			if got != `42["together"]` {
				t.Fatal(got)
			}
		})
	}
}
