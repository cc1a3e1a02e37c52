//go:build unix

package edge

import (
	"errors"
	"syscall"
)

// alive reports whether an idle connection can still be used: the target has neither closed it nor sent what nobody asked for. It
// does not wait. Of connections that are no sockets it knows nothing and says yes.
func (c *targetConn) alive() bool {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && alive
}
