//go:build unix

package edge

import (
	"errors"
	"net"
	"syscall"
)

// peeker checks an idle connection without blocking and without reading from it.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr) bool
	buf   [1]byte
	state error
}

// alive reports whether an idle connection can be used: the target has neither closed it nor sent anything
// unexpected. It returns true for connections that are not sockets.
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
