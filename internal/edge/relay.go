package edge

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
)

// switchProtocols answers 101 and relays bytes until one side ends. Rules, cookies and health are not consulted any more
// (alb.md R8, K30); the end of the deregistration delay cuts it (D5).
func (x *exchange) switchProtocols(tc *targetConn) {
	defer tc.up.discard(tc)
	x.keep, x.wrote = false, true
	x.entry.Status, x.entry.Type = 101, map[string]string{"http": "ws", "https": "wss"}[x.scheme()]
	x.out = x.appendResponseHead(x.out[:0], h1.None, time.Now())
	early := make([]byte, tc.br.Buffered())
	if _, err := io.ReadFull(tc.br, early); err != nil {
		return
	}
	x.entry.Sent += int64(len(x.out))
	if _, err := x.c.Write(append(x.out, early...)); err != nil {
		return
	}
	late := make([]byte, x.c.br.Buffered())
	if _, err := io.ReadFull(x.c.br, late); err != nil {
		return
	}
	if _, err := (timedWriter{tc.Conn, x.c.idle}).Write(late); len(late) > 0 && err != nil {
		return
	}
	// Nothing of the request is held while the connection lives.
	x.e.buf.putReader(x.c.br)
	tc.up.edge.buf.putReader(tc.br)
	x.c.br, tc.br, x.out, x.ready, x.req.Header = nil, nil, nil, nil, nil
	x.req.Release()
	x.res.Release()
	x.match.Header = nil
	r := relay{idle: x.c.idle, buf: &x.e.buf}
	received, sent := r.run(x.c.nc, tc.Conn)
	x.entry.Received += received + int64(len(late))
	x.entry.Sent += sent + int64(len(early))
}

// relay carries bytes between two connections until both directions have ended or no byte went either way for the idle time.
type relay struct {
	idle time.Duration
	buf  *buffers
	last atomic.Int64 // when a byte last went either way, in Unix nanoseconds
}

func (r *relay) run(client, target net.Conn) (received, sent int64) {
	r.last.Store(time.Now().UnixNano())
	for _, c := range []net.Conn{client, target} {
		if c.SetWriteDeadline(time.Time{}) != nil {
			return 0, 0
		}
	}
	done := make(chan int64)
	go func() { done <- r.carry(target, client) }()
	sent = r.carry(client, target)
	received = <-done
	return received, sent
}

// carry takes bytes from src to dst until src ends, and then tells dst so. An error of either ends both directions.
func (r *relay) carry(dst, src net.Conn) (n int64) {
	wait := newWaiter(src, r.buf)
	for {
		err := src.SetReadDeadline(time.Unix(0, r.last.Load()).Add(r.idle))
		if err == nil {
			var m int
			m, err = wait.next(func(p []byte) error {
				r.last.Store(time.Now().UnixNano())
				_, werr := timedWriter{dst, r.idle}.Write(p)
				return werr
			})
			n += int64(m)
		}
		switch {
		case err == nil:
		case isTimeout(err) && time.Since(time.Unix(0, r.last.Load())) < r.idle:
		case errors.Is(err, io.EOF) && closeWrite(dst) == nil:
			return n
		default:
			src.Close() // both ends: whatever went wrong with one is over for the other
			dst.Close()
			return n
		}
	}
}

var errNoHalfClose = errors.New("the connection cannot be closed by halves")

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalfClose
}
