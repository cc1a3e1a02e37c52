package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

const patience = 10 * time.Second

// sink collects what it receives, and echoes it if the test says so.
type sink struct {
	link     Link
	echo     bool
	mu       sync.Mutex
	got      bytes.Buffer
	owed     []byte // of the echo
	writable chan struct{}
	broken   chan error
}

func newSink(echo bool) *sink {
	return &sink{echo: echo, writable: make(chan struct{}, 100), broken: make(chan error, 2)}
}

func (s *sink) Readable(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got.Write(p)
	if s.echo {
		s.owed = append(s.owed, p...)
		s.pay()
	}
}

// pay writes what is still to be echoed; what the link does not take is written after Writable. The caller holds the
// lock.
func (s *sink) pay() {
	n, _ := s.link.Write(s.owed)
	s.owed = s.owed[n:]
}

func (s *sink) Writable() {
	s.mu.Lock()
	if len(s.owed) > 0 {
		s.pay()
	}
	s.mu.Unlock()
	s.writable <- struct{}{}
}
func (s *sink) Broken(err error) { s.broken <- err }

// await waits until the sink has received the text.
func (s *sink) await(t *testing.T, text string) {
	t.Helper()
	for until := time.Now().Add(patience); ; {
		s.mu.Lock()
		got := s.got.String()
		s.mu.Unlock()
		if got == text {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("it got %q, not %q", got, text)
		}
		runtime.Gosched()
	}
}

// bare hides the type of a connection, as TLS does.
type bare struct{ net.Conn }

// both runs a test on a link with epoll, if the system has it, and on one with goroutines.
func both(t *testing.T, test func(t *testing.T, g *Group, s *sink, peer net.Conn)) {
	for name, hide := range map[string]bool{"socket": false, "portable": true} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			peer, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if hide {
				conn = bare{conn}
			}
			var g Group
			defer g.Close()
			s := newSink(name != "")
			if err := g.Attach(conn, []byte("early "), func(l Link) Sink { s.link = l; return s }); err != nil {
				t.Fatal(err)
			}
			_ = peer.SetDeadline(time.Now().Add(patience))
			test(t, &g, s, peer)
		})
	}
}

func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("the condition is not met")
		panic("unreachable")
	}
}

func TestReadsAndWrites(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		buf := make([]byte, 6)
		if _, err := io.ReadFull(peer, buf); err != nil || string(buf) != "early " {
			t.Fatal(string(buf), err)
		}
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, buf[:5]); err != nil || string(buf[:5]) != "hello" {
			t.Fatal(string(buf), err)
		}
		peer.Close()
		if err := wait(t, s.broken); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if _, err := s.link.Write([]byte("x")); err == nil {
			t.Fatal("a broken link takes bytes")
		}
		s.link.Close() // and again is harmless
	})
}

// Write does not wait for a peer that does not read. When the peer reads, it gets everything.
func TestWriteNeverWaits(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		block := bytes.Repeat([]byte("x"), 1<<20)
		total := len("early ")
		full := false
		for range 100 {
			n, err := s.link.Write(block)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n < len(block) {
				full = true
				break
			}
		}
		if !full {
			t.Fatal("100 MB were taken")
		}
		done := make(chan int64, 1)
		go func() {
			n, _ := io.CopyN(io.Discard, peer, int64(total))
			done <- n
		}()
		if n := wait(t, done); n != int64(total) {
			t.Fatalf("%d of %d bytes", n, total)
		}
		wait(t, s.writable)
	})
}

func TestCloseDeliversWhatWasTaken(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		buf := make([]byte, 6)
		if _, err := io.ReadFull(peer, buf); err != nil { // a link with goroutines takes one write at a time
			t.Fatal(err)
		}
		for {
			if n, err := s.link.Write([]byte("last words")); err != nil {
				t.Fatal(err)
			} else if n > 0 {
				break
			}
		}
		s.link.Close()
		text, err := io.ReadAll(peer)
		if err != nil || string(text) != "last words" {
			t.Fatal(string(text), err)
		}
		if err := wait(t, s.broken); err == nil {
			t.Fatal("no reason")
		}
	})
}

func TestGroupClose(t *testing.T) {
	both(t, func(t *testing.T, g *Group, s *sink, peer net.Conn) {
		g.Close()
		select {
		case <-s.broken:
		default:
			t.Fatal("Close returned before the last callback")
		}
		a, b := net.Pipe()
		defer b.Close()
		if err := g.Attach(a, nil, func(Link) Sink { return s }); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	})
}

// While a link is paused, HungUp reports the end of the stream although bytes before it have not been read.
func TestPausedLinkHangsUp(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		s.link.Pause()
		if s.link.HungUp() {
			t.Fatal("HungUp is true before the peer has ended the stream")
		}
		if _, err := peer.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
		if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.link.(*routine); !ok {
			for until := time.Now().Add(patience); !s.link.HungUp(); {
				if time.Now().After(until) {
					t.Fatal("the end of the stream is not known")
				}
			}
		}
		select {
		case err := <-s.broken:
			t.Fatal(err)
		default:
		}
		s.link.Resume()
		if err := wait(t, s.broken); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if s.got.String() != "early unread" {
			t.Fatal(s.got.String())
		}
	})
}

// The peer of a paused link must stop sending. After Resume everything that it has sent arrives.
func TestPause(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		s.mu.Lock()
		s.echo = false
		s.mu.Unlock()
		s.link.Pause()
		_ = peer.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		sent, err := peer.Write(make([]byte, 64<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(sent, err)
		}
		if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		s.link.Resume()
		if err := wait(t, s.broken); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if s.got.Len() != sent+len("early ") {
			t.Fatalf("%d of %d bytes", s.got.Len(), sent)
		}
	})
}

// Bytes that arrive while a link is paused are delivered when it is resumed, even if no more arrive. The test pauses
// the link right after it was read from, because epoll then still has it in its list of possibly ready links.
func TestResumeDeliversWhatHasCome(t *testing.T) {
	both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
		s.mu.Lock()
		s.echo = false
		s.mu.Unlock()
		want := "early "
		for _, text := range []string{"first", "second", "third"} {
			if _, err := peer.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			want += text
			s.await(t, want)
			s.link.Pause()
			if _, err := peer.Write([]byte("more")); err != nil {
				t.Fatal(err)
			}
			want += "more"
			s.link.Resume()
			s.await(t, want)
		}
	})
}

// A paused link ends when it is closed, and when its peer resets the connection.
func TestPausedLinkEnds(t *testing.T) {
	for name, end := range map[string]func(s *sink, peer net.Conn){
		"closed": func(s *sink, _ net.Conn) { s.link.Close() },
		"reset": func(s *sink, peer net.Conn) {
			if _, ok := s.link.(*routine); ok { // a link with goroutines notices a reset only when it writes
				s.link.Close()
			}
			_ = peer.(*net.TCPConn).SetLinger(0)
			peer.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, _ *Group, s *sink, peer net.Conn) {
				s.link.Pause()
				if _, err := peer.Write([]byte("unread")); err != nil {
					t.Fatal(err)
				}
				end(s, peer)
				wait(t, s.broken)
			})
		})
	}
}
