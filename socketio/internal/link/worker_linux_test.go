package link

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
)

// testWorker is a Worker whose Work calls a function of the test.
type testWorker struct {
	work     func()
	replaced chan struct{}
}

func (w *testWorker) Begin()    {}
func (w *testWorker) Work()     { w.work() }
func (w *testWorker) Replaced() { close(w.replaced) }

// attach connects a link to a peer.
func attach(t *testing.T, g *Group) (*sink, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(true)
	if err := g.Attach(conn, nil, func(l Link) Sink { s.link = l; return s }); err != nil {
		t.Fatal(err)
	}
	return s, peer
}

func ping(t *testing.T, peer net.Conn) {
	t.Helper()
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// While Work blocks, another goroutine serves the loop. The same happens if Work ends its goroutine.
func TestWorkThatBlocks(t *testing.T) {
	free := make(chan struct{})
	workers := make(chan *testWorker, 100)
	works := []func(){ // of the first, the second worker; the others do nothing
		func() { <-free },
		runtime.Goexit,
	}
	var mu sync.Mutex
	g := Group{NewWorker: func() Worker {
		mu.Lock()
		defer mu.Unlock()
		w := &testWorker{work: func() {}, replaced: make(chan struct{})}
		if len(works) > 0 {
			w.work, works = works[0], works[1:]
		}
		workers <- w
		return w
	}}
	if err := g.startLoops(1); err != nil {
		t.Fatal(err)
	}
	_, peer := attach(t, &g)
	ping(t, peer)
	first := wait(t, workers)
	wait(t, first.replaced)
	for range 3 {
		ping(t, peer)
	}
	close(free)
	g.Close()
	if got := len(workers); got != 2 {
		t.Errorf("%d workers have followed the first one, want 2", got)
	}
}

// If a peer sends something and ends the stream at once, the link gets both.
func TestEndBehindData(t *testing.T) {
	var g Group
	defer g.Close()
	for i := range 200 {
		s, peer := attach(t, &g)
		text := fmt.Sprint("last words ", i)
		if _, err := peer.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wait(t, s.broken)
		if got := s.got.String(); got != text {
			t.Fatalf("%q has arrived", got)
		}
	}
}
