package socketio_test

import (
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// sender is a server with recovery, ours or the official one.
type sender struct {
	emit, volatile func(args ...any)
	elsewhere      func(count int) // events that are not for the client
	closeAll       func()
	gone           func() // waits until it has noticed that the client has gone
}

func ourSender(t *testing.T) (s sender, addr string) {
	gone := make(chan string, 10)
	s.gone = func() { <-gone }
	opt := socketio.Options{Recovery: &socketio.Recovery{MaxBytes: 10_000}}
	io := closingServerWith(opt, gone)
	ns := io.Of("/")
	s.emit = func(args ...any) { _ = ns.Emit(args[0].(string), args[1:]...) }
	s.volatile = func(args ...any) { _ = ns.All().Volatile().Emit(args[0].(string), args[1:]...) }
	s.elsewhere = func(count int) {
		for range count {
			_ = ns.To("elsewhere").Emit("x", "y")
		}
	}
	s.closeAll = func() {
		for _, c := range ns.Sockets() {
			c.CloseConnection()
		}
	}
	return s, serve(t, io)
}

func officialSender(t *testing.T) (s sender, addr string) {
	node, addr := officialServer(t, `{"connectionStateRecovery":{}}`)
	do := func(what string, count int, args ...any) {
		node.Ask(nil, map[string]any{"do": what, "count": count, "args": args})
	}
	s.emit = func(args ...any) { do("emit", 0, args...) }
	s.volatile = func(args ...any) { do("volatile", 0, args...) }
	s.elsewhere = func(count int) { do("elsewhere", count) }
	s.closeAll = func() { do("closeAll", 0) }
	s.gone = func() {
		for reasons := []string(nil); len(reasons) == 0; {
			node.Ask(&reasons, map[string]any{"do": "reasons"})
		}
	}
	return s, addr
}

// first sends the client an event that is not lost.
func (s sender) first(o *official) {
	o.t.Helper()
	s.emit("first", 1)
	if v := o.next(); v[0] != "first" {
		o.t.Fatal(v)
	}
}

// insist sends a volatile event until the client has received it, because a server drops such an event while it still
// writes to the client. After each event the client sends a request; the event, if it was not dropped, arrives before
// the answer.
func (s sender) insist(o *official, args ...any) {
	o.t.Helper()
	for came := 0; came == 0; {
		s.volatile(args...)
		o.do(nil, "ask", map[string]any{"args": []any{"ask"}})
		o.do(&came, "waiting", nil)
	}
	o.next()
}

// An official client whose connection breaks is recovered, whatever it had received before. The official server
// recovers it only in the first case.
func TestOfficialClientIsRecovered(t *testing.T) {
	cases := []struct {
		name     string
		before   func(sender, *official)
		official bool // recovered by the official server
	}{
		{"others were busy", func(s sender, o *official) {
			s.first(o)
			s.elsewhere(1000)
		}, true},
		{"a volatile event ended with a string", func(s sender, o *official) {
			s.first(o)
			s.insist(o, "tick", "tock")
		}, false},
		{"a volatile event had no arguments", func(s sender, o *official) {
			s.first(o)
			s.insist(o, "tick")
		}, false},
		{"no event was received", func(sender, *official) {}, false},
		{"no event was received, and others were busy", func(s sender, _ *official) { s.elsewhere(1000) }, false},
	}
	options := map[string]any{
		"transports": []string{"websocket"}, "reconnectionDelay": 300, "randomizationFactor": 0,
	}
	t.Run("Node.js", func(t *testing.T) {
		s, addr := officialSender(t)
		node := testenv.StartNode(t, "client.mjs", "http://"+addr)
		for _, c := range cases {
			o := &official{node, t, c.name}
			id := o.open(options, "/")
			c.before(s, o)
			s.closeAll()
			s.gone()
			o.want(`["disconnect","transport close"]`)
			v := o.next()
			if recovered := v[2] == true && v[1] == id; recovered != c.official {
				t.Errorf("%s: recovered: %v; has the official server changed?", c.name, recovered)
			}
			o.do(nil, "close", nil)
			s.gone()
		}
	})
	t.Run("Go", func(t *testing.T) {
		s, addr := ourSender(t)
		node := testenv.StartNode(t, "client.mjs", "http://"+addr)
		for _, c := range cases {
			o := &official{node, t, c.name}
			id := o.open(options, "/")
			for round := range 2 { // a client may come back more than once
				c.before(s, o)
				s.closeAll()
				s.gone()
				s.emit("missed", round)
				o.want(`["disconnect","transport close"]`)
				if v := o.next(); v[0] != "missed" || v[1] != float64(round) {
					t.Fatalf("%s: %v", c.name, v)
				}
				o.want(`["connect","` + id + `",true]`)
			}
			o.do(nil, "close", nil)
			s.gone()
		}
	})
}
