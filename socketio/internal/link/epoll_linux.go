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

// readBuffer is shared by all links of a loop; one read takes at most this much, so that a busy
// peer cannot keep its neighbours waiting.
const readBuffer = 64 << 10

// batch is about how many ready links a loop serves before it lets other goroutines run: handlers started
// for one batch finish before the next is read, which bounds the memory of a synchronised burst.
const batch = 128

// deadAfter is how long the system of a paused link's peer may leave unacknowledged what was written. Without
// reading there is no other sign of life.
const deadAfter = time.Minute

// parking spreads parked links over as many loops as there are processors.
type parking struct {
	loops []*loop
	next  int
}

// park moves the socket of c into an epoll loop, or returns nil when c is not a bare socket.
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

// Help serves links that are ready for reading or writing, without waiting. It is for a goroutine that writes for
// long without ever blocking: with all processors so busy, Go asks its poller every ten milliseconds at best. The
// callbacks come on the caller's goroutine, which must hold no lock that they want.
func (g *Group) Help() {
	g.mu.Lock()
	loops := g.poll.loops
	g.mu.Unlock()
	for _, lo := range loops {
		lo.help()
	}
}

// stop closes all links and asks the loops to end once the last one has gone.
func (g *Group) stop() {
	for _, lo := range g.poll.loops {
		lo.shut()
	}
}

// detach takes the descriptor away from Go's own poller, so that the connection costs no netFD.
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
	c.Close() // closes the first descriptor only; the socket lives on in fd
	return fd, true
}

// parked is one link in a loop. Only the loop closes the descriptor, so that its number cannot be
// given to another connection while the loop still reads from it.
type parked struct {
	fd   int
	loop *loop
	sink Sink

	mu      sync.Mutex
	closed  bool // Close was called
	gone    bool // the descriptor is closed
	waiting bool // EPOLLOUT is armed, or will be when the link starts
	started bool
	paused  bool // EPOLLIN is not armed
}

// events are what the loop is to watch for.
func (l *parked) events() (events uint32) {
	if !l.paused {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if l.waiting {
		events |= unix.EPOLLOUT
	}
	return events
}

// watch sets the events that the loop waits for, once the link has started. It is called with the lock held. Whoever
// adds an event kicks the loop afterwards: if the link is still in epoll's list of those that may be ready, where it
// stays after a turn until the next one, epoll does not notify the loop of an event that is there already.
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
	patience := 0 // the system's: minutes
	if yes {
		patience = int(deadAfter.Milliseconds())
	}
	// Unix sockets do not have it.
	_ = unix.SetsockoptInt(l.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, patience)
	_ = l.watch() // fails only for a descriptor that is closed
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

// start is called once, before which no event can come.
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

// ready serves one epoll event. It reports whether there may be more to read already.
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
	l.loop.drop(l.fd) // first: the number may be given out again as soon as it is closed
	l.mu.Lock()
	l.gone = true
	unix.Close(l.fd)
	l.mu.Unlock()
	l.sink.Broken(err)
}
