package edge

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/route"
)

// switchProtocols answers 101 and hands both connections over to a session. Rules, cookies and health have no
// more effect on it (alb.md R8, K30); the end of the deregistration delay closes it (D5). It reports whether a
// session has the connections.
func (x *exchange) switchProtocols(tc *targetConn) (taken bool) {
	x.keep, x.wrote = false, true
	x.entry.Status, x.entry.Type = 101, "ws"
	if x.c.tls != nil {
		x.entry.Type = "wss"
	}
	x.out = x.appendResponseHead(x.out[:0], h1.None, time.Now())
	early := make([]byte, tc.br.Buffered())
	if _, err := io.ReadFull(tc.br, early); err != nil {
		return false
	}
	x.entry.Sent += int64(len(x.out) + len(early))
	if _, err := x.c.Write(append(x.out, early...)); err != nil {
		return false
	}
	late := make([]byte, x.c.br.Buffered())
	if _, err := io.ReadFull(x.c.br, late); err != nil {
		return false
	}
	if _, err := (timedWriter{tc.Conn, x.c.idle}).Write(late); len(late) > 0 && err != nil {
		return false
	}
	x.entry.Received += int64(len(late))
	// Nothing of the request is kept while the connections live, not even this goroutine with its grown stack.
	x.e.buf.putReader(x.c.br)
	x.e.buf.putReader(tc.br)
	x.c.br, tc.br = nil, nil
	x.tally.add(route.WebSockets, 1)
	x.tally.moveSockets(1)
	x.count()
	s := &session{c: x.c, tc: tc, entry: x.entry, tally: x.tally, idle: x.c.idle}
	s.start()
	return true
}

// session copies bytes between two connections until both directions have ended, or there was no byte in either
// for the idle timeout. Each direction has a goroutine that holds no buffer while it waits.
type session struct {
	c     *client
	tc    *targetConn
	entry Entry
	tally tally
	idle  time.Duration
	last  atomic.Int64 // when the last byte was copied, in Unix nanoseconds
	open  atomic.Int32 // how many directions have not ended
	// received and sent count bytes from and to the client; each is used by one direction only.
	received, sent int64
}

func (s *session) start() {
	s.last.Store(time.Now().UnixNano())
	s.open.Store(2)
	s.c.e.work.Go(s.up)
	s.c.e.work.Go(s.down)
}

func (s *session) up() {
	defer s.ended()
	defer s.c.e.survive()
	s.received = s.carry(s.tc.Conn, s.c.nc)
}

func (s *session) down() {
	defer s.ended()
	defer s.c.e.survive()
	s.sent = s.carry(s.c.nc, s.tc.Conn)
}

// ended releases everything when the second direction has ended.
func (s *session) ended() {
	if s.open.Add(-1) > 0 {
		return
	}
	e, u := s.c.e, s.tc.up
	s.c.close()
	u.discard(s.tc)
	u.end()
	s.tally.moveSockets(-1)
	s.tally.addBytes(s.received, s.sent, s.c.ipv6)
	if e.cfg.Record != nil {
		s.entry.Received += s.received
		s.entry.Sent += s.sent
		s.entry.Ended = time.Now()
		e.cfg.Record(&s.entry)
	}
}

// carry copies bytes from src to dst until src ends, and then ends dst's direction. An error ends both
// directions.
func (s *session) carry(dst, src net.Conn) (n int64) {
	wait := newWaiter(src, &s.c.e.buf)
	for {
		err := src.SetReadDeadline(time.Unix(0, s.last.Load()).Add(s.idle))
		if err == nil {
			var m int
			m, err = wait.next(s, dst)
			n += int64(m)
		}
		switch {
		case err == nil:
		case isTimeout(err) && time.Since(time.Unix(0, s.last.Load())) < s.idle:
		case errors.Is(err, io.EOF) && closeWrite(dst) == nil:
			return n
		default:
			src.Close() // both ends, since an error ends both directions
			dst.Close()
			return n
		}
	}
}

// pass writes received bytes to the other side.
func (s *session) pass(dst net.Conn, p []byte) error {
	s.last.Store(time.Now().UnixNano())
	_, err := timedWriter{dst, s.idle}.Write(p)
	return err
}

var errNoHalfClose = errors.New("the connection cannot be closed by halves")

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalfClose
}
