//go:build !linux

package link

import "net"

// parking has nothing to hold where there is no epoll: every link is a routine.
type parking struct{}

func (g *Group) park(net.Conn) (starter, error) { return nil, nil }

func (g *Group) stop() {}

// Help has nothing to do where every link has a goroutine.
func (g *Group) Help() {}
