package adaptertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func allClients(t *testing.T, c *cluster) {
	for i, ns := range c.spaces {
		check(t, ns.Emit("hello", i, "é\n", nil, map[string]any{"a": []int{1}}))
		c.all(fmt.Sprintf(`42["hello",%d,"é\n",null,{"a":[1]}]`, i))
	}
}

// rooms: a server puts clients of other servers into rooms and takes them out again.
func rooms(t *testing.T, c *cluster) {
	a, b := c.clients[0], c.clients[2]
	c.spaces[1].To(a.ID, b.ID).Join("r1", "r2")
	c.waitForMembers(t, "r2", 2)
	check(t, c.spaces[1].To("r1").Emit("in r1"))
	a.Want(`42["in r1"]`)
	b.Want(`42["in r1"]`)
	check(t, c.spaces[0].To("r1", "r2", "r3").Emit("once")) // a client that is in two of the rooms gets it once
	a.Want(`42["once"]`)
	b.Want(`42["once"]`)
	c.spaces[0].To("r1").Leave("r1", "r2")
	c.waitForMembers(t, "r2", 0)
	check(t, c.spaces[1].To("r1", "r2").Emit("nobody"))
	check(t, c.spaces[1].Emit("everybody"))
	c.all(`42["everybody"]`)
}

// waitForMembers waits until every server knows that n sockets of the cluster are in room.
func (c *cluster) waitForMembers(t *testing.T, room string, n int) {
	t.Helper()
	waitUntil(t, func() bool {
		for _, ns := range c.spaces {
			all, err := ns.To(room).Sockets(t.Context())
			if err != nil || len(all) != n {
				return false
			}
		}
		return true
	})
}

func exceptions(t *testing.T, c *cluster) {
	check(t, c.spaces[0].Except(c.clients[1].ID).Emit("not you"))
	c.clients[0].Want(`42["not you"]`)
	c.clients[2].Want(`42["not you"]`)
	check(t, c.spaces[2].To(c.clients[1].ID).Emit("only you"))
	c.clients[1].Want(`42["only you"]`)
	check(t, c.spaces[0].Socket(c.clients[0].ID).Broadcast().Emit("the others"))
	c.clients[1].Want(`42["the others"]`)
	c.clients[2].Want(`42["the others"]`)
}

func local(t *testing.T, c *cluster) {
	check(t, c.spaces[1].All().Local().Emit("here", 1))
	c.clients[1].Want(`42["here",1]`)
}

// volatile: every client gets volatile events, in order. One that is sent while an earlier frame is still being written
// may be dropped, so several are sent, each followed by an event that always arrives.
func volatile(t *testing.T, c *cluster) {
	const rounds = 100
	got := make([]bool, len(c.clients))
	for n := range rounds {
		check(t, c.spaces[1].All().Volatile().Compress(false).Emit("volatile", n))
		check(t, c.spaces[1].Emit("after", n))
		for i, p := range c.clients {
			frame := p.Next()
			if frame == fmt.Sprintf(`42["volatile",%d]`, n) {
				got[i] = true
				frame = p.Next()
			}
			if want := fmt.Sprintf(`42["after",%d]`, n); frame != want {
				t.Fatalf("client %d got %q, want %q", i, frame, want)
			}
		}
		if !slices.Contains(got, false) {
			return
		}
	}
	t.Fatalf("which clients got a volatile event in %d rounds: %v", rounds, got)
}

func binary(t *testing.T, c *cluster) {
	check(t, c.spaces[0].Emit("bin", []byte{0, 255}, map[string]any{"x": socketio.Binary{1}}))
	for _, p := range c.clients {
		p.Want(`452-["bin",{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}]`)
		p.Want("00ff")
		p.Want("01")
	}
}

// order: events of one server arrive in the order in which it sent them.
func order(t *testing.T, c *cluster) {
	const n = 200
	for i := range n {
		check(t, c.spaces[0].Emit("n", i))
	}
	for _, p := range c.clients {
		for i := range n {
			p.Want(fmt.Sprintf(`42["n",%d]`, i))
		}
	}
}

func acks(t *testing.T, c *cluster) {
	for i, p := range c.clients {
		go p.Answer(`["q",1]`, fmt.Sprintf(`{"from":%d},"second"`, i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answers, err := c.spaces[1].All().EmitWithAck(ctx, "q", 1)
	check(t, err)
	var got []string
	for _, a := range answers {
		got = append(got, string(a.Raw(0)))
	}
	if s := sorted(got); s != `{"from":0} {"from":1} {"from":2}` {
		t.Fatal(s)
	}
}

// missingAcks: if some clients do not answer in time, the answers of the others are returned with an error.
func missingAcks(t *testing.T, c *cluster) {
	go c.clients[2].Answer(`["q"]`, `"me"`)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	answers, err := c.spaces[0].All().EmitWithAck(ctx, "q")
	if !errors.Is(err, socketio.ErrTimeout) || len(answers) != 1 || string(answers[0].Raw(0)) != `"me"` {
		t.Fatal(answers, err)
	}
	c.clients[0].Next()
	c.clients[1].Next()
}

func sockets(t *testing.T, c *cluster) {
	all, err := c.spaces[2].All().Sockets(t.Context())
	check(t, err)
	if len(all) != len(c.clients) {
		t.Fatalf("%d sockets", len(all))
	}
	for _, s := range all {
		var data struct{ Server int }
		var h map[string]any
		check(t, json.Unmarshal(s.Data, &data))
		check(t, json.Unmarshal(s.Handshake, &h))
		if c.clients[data.Server].ID != s.ID || len(s.Rooms) != 1 || s.Rooms[0] != s.ID || len(h) != 9 {
			t.Errorf("%+v at %d: %v", s, data.Server, h)
		}
	}
}

func servers(t *testing.T, c *cluster) {
	answers, err := c.spaces[0].ServerSideAsk(t.Context(), "ask", "x")
	check(t, err)
	var got []string
	for _, a := range answers {
		got = append(got, string(a.Raw(0)))
	}
	if s := sorted(got); s != `"1 got \"x\"" "2 got \"x\""` {
		t.Fatal(s)
	}
}

// recoverElsewhere: a client reconnects to another server and gets the events that it missed.
func recoverElsewhere(t *testing.T, c *cluster) {
	p := Dial(t, c.addrs[0], "40")
	c.spaces[1].To(p.ID).Join("mine")
	c.waitForMembers(t, "mine", 1)
	check(t, c.spaces[1].Emit("before"))
	p.Want(`42["before"]`)
	c.all(`42["before"]`)
	s := c.spaces[0].Socket(p.ID)
	p.conn.Close()
	<-s.Context().Done()
	check(t, c.spaces[0].To("mine").Emit("missed", 1))
	check(t, c.spaces[2].To("other").Emit("not mine"))
	check(t, c.spaces[0].To(p.ID).Emit("missed", 2)) // from the same server, because only then is their order fixed
	check(t, c.spaces[0].Emit("all"))
	c.all(`42["all"]`)
	q := Dial(t, c.addrs[2], fmt.Sprintf(`40{"pid":%q,"offset":%q}`, p.PID, p.Offset))
	if q.ID != p.ID || q.PID != p.PID ||
		fmt.Sprint(q.Early) != fmt.Sprint([]string{`42["missed",1]`, `42["missed",2]`, `42["all"]`}) {
		t.Fatalf("%s %s, want %s %s; %v", q.ID, q.PID, p.ID, p.PID, q.Early)
	}
	check(t, c.spaces[0].To("mine").Emit("again"))
	q.Want(`42["again"]`)
	q.conn.Close()

	// The same for a client that has received no event at all.
	p = Dial(t, c.addrs[0], "40")
	s = c.spaces[0].Socket(p.ID)
	p.conn.Close()
	<-s.Context().Done()
	check(t, c.spaces[0].To(p.ID).Emit("first"))
	check(t, c.spaces[0].Emit("all"))
	c.all(`42["all"]`)
	q = Dial(t, c.addrs[2], fmt.Sprintf(`40{"pid":%q}`, p.PID))
	if q.ID != p.ID || fmt.Sprint(q.Early) != fmt.Sprint([]string{`42["first"]`, `42["all"]`}) {
		t.Fatalf("%s, want %s; %v", q.ID, p.ID, q.Early)
	}
	q.conn.Close()
}

func disconnect(t *testing.T, c *cluster) {
	c.spaces[0].To(c.clients[1].ID).Disconnect(false)
	c.clients[1].Want("41")
	c.spaces[0].To(c.clients[2].ID).Disconnect(true)
	c.clients[2].Want("41")
	c.clients[2].Want("closed")
	check(t, c.spaces[1].Emit("left over"))
	c.clients[0].Want(`42["left over"]`)
}
