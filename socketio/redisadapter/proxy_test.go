package redisadapter_test

import (
	"net"
	"sync"
	"testing"
)

// proxy passes bytes between a server and Redis.
type proxy struct {
	addr string
	to   string
	wg   sync.WaitGroup

	mu       sync.Mutex
	moved    sync.Cond
	stalled  bool
	nonsense []byte // replaces every answer, if not nil
	conns    map[net.Conn]struct{}
	closed   bool
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: ln.Addr().String(), to: to, conns: make(map[net.Conn]struct{})}
	p.moved.L = &p.mu
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.set(func() {
			p.closed = true
			for c := range p.conns {
				c.Close()
			}
		})
		p.wg.Wait()
	})
	return p
}

// set changes what the proxy does.
func (p *proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.moved.Broadcast()
}

// stall stops or resumes passing bytes in both directions.
func (p *proxy) stall(yes bool) { p.set(func() { p.stalled = yes }) }

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer up.Close()
	p.set(func() {
		p.conns[c], p.conns[up] = struct{}{}, struct{}{}
		if p.closed {
			c.Close()
			up.Close()
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.pass(up, c, false)
	}()
	p.pass(c, up, true)
	<-done
	p.set(func() { delete(p.conns, c); delete(p.conns, up) })
}

func (p *proxy) pass(to, from net.Conn, answers bool) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		out := buf[:n]
		p.mu.Lock()
		for p.stalled && !p.closed {
			p.moved.Wait()
		}
		if answers && p.nonsense != nil {
			out = p.nonsense
		}
		p.mu.Unlock()
		if _, err := to.Write(out); err != nil {
			return
		}
	}
}
