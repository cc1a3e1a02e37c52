//go:build !unix

package edge

import "net"

// peeker cannot check a connection without blocking on this system.
type peeker struct{}

// alive returns true: a dead connection is noticed by the request that uses it.
func (*peeker) alive(net.Conn) bool { return true }
