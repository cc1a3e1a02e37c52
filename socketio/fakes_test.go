package socketio_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// patience is how long a test waits for something that must happen. A test that passes never waits that long.
const patience = 10 * time.Second

// serve starts io on a loopback port.
func serve(t *testing.T, io *socketio.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, io, ln)
	return ln.Addr().String()
}

// serveOn serves connections of ln until the test ends.
func serveOn(t *testing.T, io *socketio.Server, ln net.Listener) {
	t.Helper()
	ts := &httptest.Server{Listener: ln, Config: &http.Server{Handler: io}}
	ts.Start()
	t.Cleanup(func() {
		io.Close()
		ts.CloseClientConnections()
		ts.Close()
	})
}

// peer is a client that sends and receives single frames.
type peer struct {
	t *testing.T
	*lean.Client
	frames chan lean.Frame
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	var g link.Group
	p := &peer{t: t, frames: make(chan lean.Frame, 10000)}
	c, err := lean.Dial(&g, addr, "/socket.io/?EIO=4&transport=websocket",
		func(_ *lean.Client, f lean.Frame) { p.frames <- f })
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(g.Close)
	if open := p.next(); !strings.HasPrefix(open, "0{") {
		t.Fatalf("the first packet is %q", open)
	}
	return p
}

// join dials and joins a namespace, "" for the main one.
func join(t *testing.T, addr, nsp string) *peer {
	t.Helper()
	p := dial(t, addr)
	p.say("40" + nsp)
	if r := p.next(); !strings.HasPrefix(r, "40"+nsp) {
		t.Fatalf("joining %q is answered %q", nsp, r)
	}
	return p
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.Send(text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) frame() lean.Frame {
	p.t.Helper()
	select {
	case f := <-p.frames:
		return f
	case <-time.After(patience):
		p.t.Fatal("nothing came")
		return lean.Frame{}
	}
}

// next is the text of the next frame, or "closed".
func (p *peer) next() string {
	p.t.Helper()
	f := p.frame()
	if f.Op == wsframe.Close {
		return "closed"
	}
	return string(f.Data)
}

func (p *peer) want(text string) {
	p.t.Helper()
	if got := p.next(); got != text {
		p.t.Fatalf("got %q, want %q", got, text)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
