// Package adaptertest is what every adapter must pass: three servers in one cluster, a client on each,
// and everything that crosses from one to another.
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

// Open opens the adapter of one more server of the cluster under test.
type Open func(t *testing.T) adapter.Connector

// Run tests an adapter. recovery says that it is an adapter.Recoverer.
func Run(t *testing.T, recovery bool, open Open) {
	c := start(t, recovery, open)
	for name, test := range map[string]func(*testing.T, *cluster){
		"everybody": everybody, "rooms": rooms, "exceptions": exceptions, "local": local,
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
	for _, ns := range c.spaces { // until every server knows of the others
		until(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			all, err := ns.All().Sockets(ctx)
			return err == nil && len(all) == 3
		})
	}
	return c
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *cluster) all(text string) {
	for _, p := range c.clients {
		p.t.Helper()
		p.Want(text)
	}
}

// Client is a raw client of a server: what it gets are the frames of the wire, without the offsets that
// recovery adds. Binary frames are given in hexadecimal.
type Client struct {
	t      *testing.T
	conn   *lean.Client
	frames chan lean.Frame
	// ID and PID are what the server called the client.
	ID, PID string
	// Offset of the last event.
	Offset string
	// Early are the events that came before the answer to the CONNECT.
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

// TryDial is Dial that returns what failed.
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

// In makes failures of the client those of t.
func (p *Client) In(t *testing.T) { p.t = t }

// Say sends a text frame.
func (p *Client) Say(text string) {
	p.t.Helper()
	if err := p.conn.Send(text); err != nil {
		p.t.Fatal(err)
	}
}

var offsets = regexp.MustCompile(`,"(\d+-\d+)"\]$`)

// Next is the next frame.
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

// Want wants the next frame to be text.
func (p *Client) Want(text string) {
	p.t.Helper()
	if got := p.Next(); got != text {
		p.t.Fatalf("got %q, want %q", got, text)
	}
}

// Answer waits for an event that wants an acknowledgement and gives it.
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
