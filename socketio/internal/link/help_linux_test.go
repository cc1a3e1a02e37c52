package link

import (
	"net"
	"sync"
	"testing"
)

// Help serves links that have become ready. In this test no other goroutine serves them.
func TestHelpServes(t *testing.T) {
	var g Group
	lo, err := newLoop(&g)
	if err != nil {
		t.Fatal(err)
	}
	g.poll.loops = []*loop{lo}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(false)
	if err := g.Attach(conn, nil, func(l Link) Sink { s.link = l; return s }); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	g.Help()
	if got := s.got.String(); got != "hello" {
		t.Fatalf("%q has arrived", got)
	}
	peer.Close()
	g.Help()
	wait(t, s.broken)
	ep, err := lo.poller()
	if err != nil {
		t.Fatal(err)
	}
	g.wg.Go(func() { lo.run(ep) })
	g.Close()
	g.Help() // after the end it does nothing
}

// If Help serves the end of the last link, the loop still ends.
func TestHelpWhileClosing(t *testing.T) {
	for range 50 {
		both(t, func(t *testing.T, g *Group, s *sink, _ net.Conn) {
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						g.Help()
					}
				}
			})
			g.Close()
			close(stop)
			wg.Wait()
			wait(t, s.broken)
		})
	}
}
