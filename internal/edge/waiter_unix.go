//go:build unix

package edge

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// waiter reads from a connection and holds a buffer only while there are bytes in it (alb.md P1): it asks the
// socket whether there are bytes before it takes a buffer.
type waiter struct {
	conn net.Conn
	raw  syscall.RawConn // nil if the connection is not a socket
	buf  *buffers
	read func(fd uintptr) bool

	small []byte // for connections that are not sockets
	block *[blockSize]byte
	n     int
	err   error
}

func newWaiter(c net.Conn, buf *buffers) *waiter {
	w := &waiter{conn: c, buf: buf}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw, w.read = raw, w.tryRead
		}
	}
	return w
}

// next waits for bytes and passes them on. It returns how many there were.
func (w *waiter) next(s *session, dst net.Conn) (int, error) {
	if w.raw == nil {
		return w.nextPlain(s, dst)
	}
	if err := w.raw.Read(w.read); err != nil {
		return 0, err
	}
	if w.block == nil {
		return 0, w.err
	}
	err := s.pass(dst, w.block[:w.n])
	w.buf.putBlock(w.block)
	w.block = nil
	return w.n, err
}

// tryRead reads what is available. It returns false to be called again when there is more.
func (w *waiter) tryRead(fd uintptr) bool {
	block := w.buf.block()
	for {
		w.n, w.err = syscall.Read(int(fd), block[:])
		if !errors.Is(w.err, syscall.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(w.err, syscall.EAGAIN):
		w.buf.putBlock(block)
		return false
	case w.err == nil && w.n > 0:
		w.block = block
		return true
	case w.err == nil:
		w.err = io.EOF
	}
	w.buf.putBlock(block)
	return true
}

// nextPlain is for TLS connections and pipes, which cannot be asked.
func (w *waiter) nextPlain(s *session, dst net.Conn) (int, error) {
	if w.small == nil {
		w.small = make([]byte, readerSize)
	}
	n, err := w.conn.Read(w.small)
	if n > 0 {
		if perr := s.pass(dst, w.small[:n]); perr != nil {
			return n, perr
		}
	}
	return n, err
}
