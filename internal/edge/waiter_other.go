//go:build !unix

package edge

import "net"

// waiter reads from a connection through a small buffer of its own.
type waiter struct {
	conn  net.Conn
	small [4 << 10]byte
}

func newWaiter(c net.Conn, _ *buffers) *waiter { return &waiter{conn: c} }

// next waits for bytes and hands them to use. It returns how many there were.
func (w *waiter) next(use func([]byte) error) (int, error) {
	n, err := w.conn.Read(w.small[:])
	if n > 0 {
		if uerr := use(w.small[:n]); uerr != nil {
			return n, uerr
		}
	}
	return n, err
}
