//go:build !linux

package link

import "net"

// parking is empty on systems without epoll, where every link is a routine.
type parking struct{}

func (g *Group) park(net.Conn) (starter, error) { return nil, nil }

func (g *Group) stop() {}

// Help does nothing, because every link has a goroutine of its own.
func (g *Group) Help() {}
