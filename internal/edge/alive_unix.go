//go:build unix

package edge

import (
	"errors"
	"net"
	"syscall"
)

// peeker looks at an idle connection without waiting and without taking anything from it.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr) bool
	buf   [1]byte
	state error
}

// alive reports whether an idle connection can still be used: the target has neither closed it nor sent what nobody asked for. Of
// connections that are no sockets it knows nothing and says yes.
func (p *peeker) alive(c net.Conn) bool {
	if p.raw == nil {
		sc, ok := c.(syscall.Conn)
		if !ok {
			return true
		}
		raw, err := sc.SyscallConn()
		if err != nil {
			return false
		}
		p.raw, p.look = raw, p.peek
	}
	err := p.raw.Read(p.look)
	return err == nil && errors.Is(p.state, syscall.EAGAIN)
}

func (p *peeker) peek(fd uintptr) bool {
	_, _, p.state = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return true
}
