package link

import (
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is the size in bytes of the buffer that all links of a loop share. One read takes at most this much, so
// that a busy peer does not delay the other links.
const readBuffer = 64 << 10

// batch is about how many ready links a loop serves before it lets other goroutines run. Handlers that were started for
// one batch can finish before the next batch is read. That limits the memory when many clients send at the same time.
const batch = 128

// deadAfter is how long bytes that were written to a paused link may stay unacknowledged by TCP before the connection
// fails. While nothing is read from the peer, nothing else shows whether it is still there.
const deadAfter = time.Minute

// parking distributes links among loops, of which there are as many as processors.
type parking struct {
	loops []*loop
	next  int
}

// park moves the socket of c to an epoll loop. It returns nil if c is not a plain TCP or Unix socket.
func (g *Group) park(c net.Conn) (starter, error) {
	fd, ok := detach(c)
	if !ok {
		return nil, nil
	}
	if g.poll.loops == nil {
		if err := g.startLoops(runtime.GOMAXPROCS(0)); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	lo := g.poll.loops[g.poll.next%len(g.poll.loops)]
	g.poll.next++
	l := &parked{fd: fd, loop: lo}
	lo.enter(l)
	return l, nil
}

func (g *Group) startLoops(n int) error {
	for range n {
		lo, err := newLoop(g)
		if err != nil {
			return err
		}
		ep, err := lo.poller()
		if err != nil {
			lo.end()
			return err
		}
		g.poll.loops = append(g.poll.loops, lo)
		g.wg.Go(func() { lo.run(ep) })
	}
	return nil
}

// Help serves links that are ready for reading or writing, and does not wait. It is meant for goroutines that write for
// a long time without blocking: while such goroutines use all processors, Go looks at its poller only every ten
// milliseconds or less often. Help calls the callbacks on the caller's goroutine, which must not hold a lock that they
// need.
func (g *Group) Help() {
	g.mu.Lock()
	loops := g.poll.loops
	g.mu.Unlock()
	for _, lo := range loops {
		lo.help()
	}
}

// stop closes all links. Each loop ends after its last link.
func (g *Group) stop() {
	for _, lo := range g.poll.loops {
		lo.shut()
	}
}

// detach duplicates the descriptor of c and closes c. The duplicate is not in Go's own poller and needs no memory in
// package net.
func detach(c net.Conn) (fd int, ok bool) {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return 0, false
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, false
	}
	fd = -1
	_ = raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || fd < 0 {
		return 0, false
	}
	c.Close() // fd still refers to the socket
	return fd, true
}

// parked is a link that a loop serves. Only the loop closes the descriptor, so the kernel cannot give its number to
// another connection while the loop still reads from it.
type parked struct {
	fd   int
	loop *loop
	sink Sink

	mu      sync.Mutex
	closed  bool // Close was called
	gone    bool // the descriptor is closed
	waiting bool // the loop watches for EPOLLOUT, or will when the link starts
	started bool
	paused  bool // the loop does not watch for EPOLLIN
}

// events returns the events that the loop must watch for.
func (l *parked) events() (events uint32) {
	if !l.paused {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if l.waiting {
		events |= unix.EPOLLOUT
	}
	return events
}

// watch sets the events that the loop watches for. Before the link has started it does nothing. The caller holds the
// lock. If it adds an event, it must kick the loop afterwards: a link stays in epoll's list of possibly ready links
// after a turn until the next one, and for a link in that list epoll does not report an event that is already there.
func (l *parked) watch() error {
	if !l.started || l.gone {
		return nil
	}
	return l.loop.watch(l.fd, unix.EPOLL_CTL_MOD, l.events())
}

func (l *parked) Pause()  { l.pause(true) }
func (l *parked) Resume() { l.pause(false) }

func (l *parked) pause(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == yes {
		return
	}
	l.paused = yes
	if l.gone {
		return
	}
	timeout := 0 // the system's default, which is minutes
	if yes {
		timeout = int(deadAfter.Milliseconds())
	}
	// This fails for Unix sockets.
	_ = unix.SetsockoptInt(l.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, timeout)
	// This fails only for a descriptor that is closed.
	_ = l.watch()
	if !yes {
		l.loop.kick()
	}
}

func (l *parked) HungUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return true
	}
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents != 0
}

// start starts watching for events. It is called once.
func (l *parked) start(s Sink) error {
	l.sink = s
	l.mu.Lock()
	l.started = true
	err := l.loop.watch(l.fd, unix.EPOLL_CTL_ADD, l.events())
	l.mu.Unlock()
	if err != nil {
		l.end(err)
	}
	return err
}

func (l *parked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.gone {
		return 0, ErrClosed
	}
	if l.waiting {
		return 0, nil
	}
	for sent := 0; ; {
		n, err := send(l.fd, p[sent:])
		if n > 0 {
			sent += n
		}
		switch {
		case sent == len(p):
			return sent, nil
		case err == nil || err == unix.EINTR:
		case err == unix.EAGAIN:
			l.waiting = true
			err = l.watch()
			l.loop.kick()
			return sent, err
		default:
			return sent, err
		}
	}
}

func (l *parked) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.gone {
		return
	}
	l.closed = true
	// The loop sees the end of the stream and closes the descriptor.
	_ = unix.Shutdown(l.fd, unix.SHUT_RDWR)
}

// ready serves one epoll event. It reports whether more may be readable already.
func (l *parked) ready(events uint32, buf []byte) (more bool) {
	if events&unix.EPOLLOUT != 0 {
		l.mu.Lock()
		l.waiting = false
		err := l.watch()
		l.mu.Unlock()
		if err == nil {
			l.sink.Writable()
		}
	}
	if events&^uint32(unix.EPOLLOUT) == 0 {
		return false
	}
	n, err := receive(l.fd, buf)
	switch {
	case n > 0:
		l.sink.Readable(buf[:n])
		return n == len(buf) || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	case err == nil:
		l.end(io.EOF)
	case err == unix.EINTR:
		return true
	case err != unix.EAGAIN:
		l.end(err)
	}
	return false
}

func (l *parked) end(err error) {
	l.loop.drop(l.fd) // before closing: after that, the kernel may give the number to another connection
	l.mu.Lock()
	l.gone = true
	unix.Close(l.fd)
	l.mu.Unlock()
	l.sink.Broken(err)
}
