package engineio_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const patience = 10 * time.Second

// upper is a Receiver that echoes messages and reports how sessions end.
type upper struct {
	s     *engineio.Session
	ended chan<- engineio.Reason
}

func (u upper) Message(data []byte, binary bool) error {
	if binary {
		u.s.Send(engineio.Bytes(data))
	} else {
		u.s.Send(engineio.Seal(append(engineio.NewBuffer(len(data)), data...)))
	}
	return nil
}

func (u upper) Closed(why engineio.Reason) { u.ended <- why }

// rig is a server with the sessions it has seen.
type rig struct {
	t     *testing.T
	url   string
	srv   *engineio.Server
	ended chan engineio.Reason
	mu    sync.Mutex
	last  *engineio.Session
}

func start(t *testing.T, opt engineio.Options) *rig {
	t.Helper()
	r := &rig{t: t, ended: make(chan engineio.Reason, 100)}
	r.srv = engineio.New(opt, func(s *engineio.Session, _ *http.Request) engineio.Receiver {
		r.mu.Lock()
		r.last = s
		r.mu.Unlock()
		return upper{s, r.ended}
	})
	ts := httptest.NewServer(r.srv)
	t.Cleanup(func() {
		r.srv.Close()
		ts.CloseClientConnections()
		ts.Close()
	})
	r.url = ts.URL
	return r
}

func (r *rig) session() *engineio.Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *rig) do(method, query, body string, header ...string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+"/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

const polling = "EIO=4&transport=polling"

// open makes a polling session and returns the query of its later requests.
func (r *rig) open() string {
	r.t.Helper()
	status, body, _ := r.do("GET", polling, "")
	if status != 200 || !strings.HasPrefix(body, `0{"sid":"`) {
		r.t.Fatal(status, body)
	}
	return polling + "&sid=" + body[9:29]
}

func (r *rig) reason() engineio.Reason {
	r.t.Helper()
	select {
	case why := <-r.ended:
		return why
	case <-time.After(patience):
		r.t.Fatal("the session does not end")
		return ""
	}
}

type socket struct {
	*lean.Client
	t      *testing.T
	frames chan lean.Frame
}

func (r *rig) dial(query string) *socket { return r.connect(query, lean.Dial) }

func (r *rig) dialDeflate() *socket {
	return r.connect("EIO=4&transport=websocket", lean.DialDeflate)
}

func (r *rig) connect(
	query string, dial func(*link.Group, string, string, func(*lean.Client, lean.Frame)) (*lean.Client, error),
) *socket {
	r.t.Helper()
	g := new(link.Group)
	s := &socket{t: r.t, frames: make(chan lean.Frame, 10000)}
	c, err := dial(g, strings.TrimPrefix(r.url, "http://"), "/engine.io/?"+query,
		func(_ *lean.Client, f lean.Frame) { s.frames <- f })
	if err != nil {
		r.t.Fatal(err)
	}
	s.Client = c
	r.t.Cleanup(g.Close)
	return s
}

func (s *socket) next() string {
	s.t.Helper()
	select {
	case f := <-s.frames:
		if f.Op == wsframe.Close {
			return "closed"
		}
		return string(f.Data)
	case <-time.After(patience):
		s.t.Fatal("nothing came")
		return ""
	}
}

func (s *socket) want(text string) {
	s.t.Helper()
	if got := s.next(); got != text {
		s.t.Fatalf("got %q, want %q", got, text)
	}
}
