//go:build !unix

package edge

import "net"

// waiter reads from a connection through a small buffer.
type waiter struct {
	conn  net.Conn
	small [4 << 10]byte
}

func newWaiter(c net.Conn, _ *buffers) *waiter { return &waiter{conn: c} }

// next waits for bytes and passes them on. It returns how many there were.
func (w *waiter) next(s *session, dst net.Conn) (int, error) {
	n, err := w.conn.Read(w.small[:])
	if n > 0 {
		if perr := s.pass(dst, w.small[:n]); perr != nil {
			return n, perr
		}
	}
	return n, err
}
