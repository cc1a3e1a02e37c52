package engineio

import (
	"testing"

	"github.com/berthhq/berth/socketio/internal/link"
)

// taker is a link whose kernel takes everything.
type taker struct {
	link.Link
	taken int
}

func (t *taker) Write(p []byte) (int, error) { t.taken += len(p); return len(p), nil }

func sessionOn(srv *Server, l link.Link) *Session {
	s := &Session{srv: srv}
	s.ws = &wsConn{s: s, link: l}
	return s
}

// Sending a broadcast to one more session allocates no memory.
func TestDeliveryAllocatesNothing(t *testing.T) {
	srv := New(Options{}, nil)
	defer srv.Close()
	l := &taker{}
	s := sessionOn(srv, l)
	m := control(packetMessage, "hello")
	if n := testing.AllocsPerRun(100, func() {
		if s.Queue(m) {
			s.Flush()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if want := 101 * m.Size(); l.taken != want {
		t.Errorf("%d bytes of %d", l.taken, want)
	}
}

// Between two parts of a broadcast, the goroutine lets others run that wait for a processor.
func TestBroadcastPauses(t *testing.T) {
	srv := New(Options{}, nil)
	defer srv.Close()
	var l taker
	var all []*Session
	m := control(packetMessage, "hello")
	for range 10 * flushChunk {
		s := sessionOn(srv, &l)
		s.Queue(m)
		all = append(all, s)
	}
	pauses := 0
	f := flusher{limit: 1, pause: func() {
		if pauses++; l.taken > pauses*flushChunk*m.Size() {
			t.Errorf("%d bytes before pause %d", l.taken, pauses)
		}
	}}
	f.add(all)
	f.wg.Wait()
	if pauses != 10 || l.taken != len(all)*m.Size() {
		t.Errorf("%d pauses, %d bytes", pauses, l.taken)
	}
}
