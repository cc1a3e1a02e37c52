// Package adaptertest has the tests that every adapter must pass. They run three servers in one cluster, with one
// client each, and check everything that servers send each other.
package adaptertest

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const patience = 10 * time.Second

// Open returns the Connector of one more server of the cluster that is tested.
type Open func(t *testing.T) adapter.Connector

// Run tests an adapter. recovery must be true if it is an adapter.Recoverer.
func Run(t *testing.T, recovery bool, open Open) {
	c := start(t, recovery, open)
	for name, test := range map[string]func(*testing.T, *cluster){
		"all clients": allClients, "rooms": rooms, "exceptions": exceptions, "local": local,
		"volatile": volatile, "binary": binary, "order": order, "acknowledgements": acks,
		"missing acknowledgements": missingAcks, "sockets": sockets, "servers": servers,
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range c.clients {
				p.In(t)
			}
			test(t, c)
		})
	}
	if recovery {
		t.Run("recovery on another server", func(t *testing.T) { recoverElsewhere(t, c) })
	}
	t.Run("disconnect", func(t *testing.T) { disconnect(t, c) })
}

// cluster is three servers with a client each.
type cluster struct {
	spaces  []*socketio.Namespace
	addrs   []string
	clients []*Client
}

func start(t *testing.T, recovery bool, open Open) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range 3 {
		opt := socketio.Options{Adapter: open(t)}
		if recovery {
			opt.Recovery = &socketio.Recovery{}
		}
		srv := socketio.New(opt)
		ns := srv.Of("/")
		ns.OnConnect(func(s *socketio.Socket) {
			if !s.Recovered() {
				s.SetData(map[string]int{"server": i})
			}
		})
		ns.OnServer("ask", func(e *socketio.ServerEvent) { _ = e.Ack(fmt.Sprintf("%d got %s", i, e.Args.Raw(0))) })
		ts := httptest.NewServer(srv)
		t.Cleanup(func() { srv.Close(); ts.Close() })
		c.spaces = append(c.spaces, ns)
		c.addrs = append(c.addrs, strings.TrimPrefix(ts.URL, "http://"))
	}
	for _, addr := range c.addrs {
		c.clients = append(c.clients, Dial(t, addr, "40"))
	}
	for _, ns := range c.spaces { // wait until every server knows the others
		waitUntil(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			all, err := ns.All().Sockets(ctx)
			return err == nil && len(all) == 3
		})
	}
	return c
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			t.Fatalf("the condition is not met after %v", patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// all waits until each client gets text as its next frame.
func (c *cluster) all(text string) {
	for _, p := range c.clients {
		p.t.Helper()
		p.Want(text)
	}
}

// Client is a client that sends and receives single frames. It removes the offsets that recovery adds to events, and
// returns binary frames in hexadecimal.
type Client struct {
	t      *testing.T
	conn   *lean.Client
	frames chan lean.Frame
	// ID and PID are the client's id and private id.
	ID, PID string
	// Offset of the last event.
	Offset string
	// Early has the events that came before the answer to the CONNECT packet.
	Early []string
}

// Dial connects a client and joins with the given CONNECT packet.
func Dial(t *testing.T, addr, connect string) *Client {
	t.Helper()
	p, err := TryDial(t, addr, connect)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// DialIn is Dial for another namespace.
func DialIn(t *testing.T, addr, nsp, connect string) *Client {
	t.Helper()
	p, err := tryDial(t, addr, nsp+",", connect)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TryDial is Dial, but returns an error instead of failing the test.
func TryDial(t *testing.T, addr, connect string) (*Client, error) {
	t.Helper()
	return tryDial(t, addr, "", connect)
}

func tryDial(t *testing.T, addr, nsp, connect string) (*Client, error) {
	t.Helper()
	g := new(link.Group)
	p := &Client{t: t, frames: make(chan lean.Frame, 1000)}
	c, err := lean.Dial(g, addr, "/socket.io/?EIO=4&transport=websocket",
		func(_ *lean.Client, f lean.Frame) { p.frames <- f })
	if err != nil {
		return nil, err
	}
	p.conn = c
	t.Cleanup(g.Close)
	p.Next()
	if err := c.Send(connect); err != nil {
		return nil, err
	}
	for {
		got := p.Next()
		if got == "closed" {
			return nil, io.EOF
		}
		if rest, ok := strings.CutPrefix(got, "40"+nsp+`{"sid":"`); ok {
			p.ID = rest[:20]
			if i := strings.Index(rest, `"pid":"`); i > 0 {
				p.PID = rest[i+7 : i+27]
			}
			return p, nil
		}
		p.Early = append(p.Early, got)
	}
}

// In makes failures of the client fail t from now on.
func (p *Client) In(t *testing.T) { p.t = t }

// Say sends a text frame.
func (p *Client) Say(text string) {
	p.t.Helper()
	if err := p.conn.Send(text); err != nil {
		p.t.Fatal(err)
	}
}

var offsets = regexp.MustCompile(`,"(\d+-\d+)"\]$`)

// Next returns the next frame, or "closed" when the connection has ended.
func (p *Client) Next() string {
	p.t.Helper()
	select {
	case f := <-p.frames:
		switch f.Op {
		case wsframe.Close:
			return "closed"
		case wsframe.Binary:
			return fmt.Sprintf("%x", f.Data)
		}
		text := string(f.Data)
		if m := offsets.FindStringSubmatch(text); m != nil {
			p.Offset = m[1]
			text = strings.TrimSuffix(text, m[0]) + "]"
		}
		return text
	case <-time.After(patience):
		p.t.Fatal("nothing came")
		return ""
	}
}

// Want fails the test if the next frame is not text.
func (p *Client) Want(text string) {
	p.t.Helper()
	if got := p.Next(); got != text {
		p.t.Fatalf("got %q, want %q", got, text)
	}
}

// Answer waits for an event with an acknowledgement id and acknowledges it with json.
func (p *Client) Answer(event, json string) {
	p.t.Helper()
	got := p.Next()
	rest, ok := strings.CutPrefix(got, "42")
	id, args, _ := strings.Cut(rest, "[")
	if !ok || "["+args != event || id == "" {
		p.t.Errorf("got %q, want %s with an id", got, event)
		return
	}
	p.Say("43" + id + "[" + json + "]")
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(list, " ")
}
