package link

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop is one epoll instance and the goroutine that serves it. The epoll descriptor itself sleeps in
// Go's own poller, so a waiting loop holds no thread.
type loop struct {
	ep   *os.File
	raw  syscall.RawConn
	wake int // eventfd: links are to be closed, or the last has gone

	serving sync.Mutex // held by who serves: the loop's goroutine, or one that helps
	events  []unix.EpollEvent
	ready   []*parked
	buf     []byte

	mu       sync.Mutex
	links    []*parked // by descriptor
	live     int
	stopping bool
	ended    bool // wake is closed
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	lo := &loop{
		ep:     os.NewFile(uintptr(fd), "epoll"),
		events: make([]unix.EpollEvent, batch),
		ready:  make([]*parked, batch),
		buf:    make([]byte, readBuffer),
	}
	if lo.raw, err = lo.ep.SyscallConn(); err != nil {
		lo.ep.Close()
		return nil, err
	}
	if lo.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		lo.ep.Close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	return lo, lo.watch(lo.wake, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
}

func (lo *loop) watch(fd, op int, events uint32) (err error) {
	sending() // what start has set is seen by who polls
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if cerr := lo.raw.Control(func(ep uintptr) { err = unix.EpollCtl(int(ep), op, fd, &ev) }); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// enter makes the loop know l, so that stopping it reaches l; events come only after l has started.
func (lo *loop) enter(l *parked) {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	for len(lo.links) <= l.fd {
		lo.links = append(lo.links, nil)
	}
	lo.links[l.fd] = l
	lo.live++
}

func (lo *loop) drop(fd int) {
	lo.mu.Lock()
	lo.links[fd] = nil
	lo.live--
	lo.mu.Unlock()
}

// run serves ready links until the loop has been stopped and the last link has gone.
func (lo *loop) run() {
	defer lo.end()
	served := 0
	for !lo.finished() {
		n := 0
		err := lo.raw.Read(func(ep uintptr) bool { // false sleeps in Go's poller
			lo.serving.Lock()
			defer lo.serving.Unlock()
			if n = lo.turn(ep); n == 0 {
				served = 0
			}
			return n != 0
		})
		if err != nil || n < 0 {
			return
		}
		if served += n; served >= batch {
			served = 0
			runtime.Gosched()
		}
	}
}

// turn serves the links that are ready, without waiting, and tells how many events there were; less than zero
// means that the epoll instance is broken.
func (lo *loop) turn(ep uintptr) int {
	n, err := poll(ep, lo.events)
	for err == unix.EINTR { // to call it nothing would let run sleep beside links that are ready
		n, err = poll(ep, lo.events)
	}
	if err != nil {
		return -1
	}
	lo.pick(lo.events[:n], lo.ready)
	for i, l := range lo.ready[:n] {
		if l == nil {
			continue
		}
		lo.ready[i] = nil
		l.ready(lo.events[i].Events, lo.buf)
	}
	return n
}

// help serves ready links on the goroutine of somebody who keeps a processor busy for long, unless they are being
// served.
func (lo *loop) help() {
	if !lo.serving.TryLock() {
		return
	}
	defer lo.serving.Unlock()
	if lo.finished() {
		return
	}
	_ = lo.raw.Control(func(ep uintptr) { lo.turn(ep) }) // an error means that the loop has ended
	if lo.finished() {
		lo.kick() // run may not have seen the last event
	}
}

func (lo *loop) end() {
	lo.mu.Lock()
	lo.ended = true
	unix.Close(lo.wake)
	lo.mu.Unlock()
	lo.ep.Close() // waits for who helps, who may want the lock
}

func (lo *loop) kick() {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	if !lo.ended {
		_, _ = unix.Write(lo.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// pick finds the links of a batch of events.
func (lo *loop) pick(events []unix.EpollEvent, ready []*parked) {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	for i, ev := range events {
		ready[i] = nil
		if int(ev.Fd) == lo.wake {
			lo.drain()
			continue
		}
		ready[i] = lo.links[ev.Fd]
	}
}

func (lo *loop) finished() bool {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	return lo.stopping && lo.live == 0
}

// drain is called with the lock held.
func (lo *loop) drain() {
	if lo.ended {
		return
	}
	var b [8]byte
	_, _ = unix.Read(lo.wake, b[:])
}

// shut closes every link; run ends after the last of them.
func (lo *loop) shut() {
	lo.mu.Lock()
	lo.stopping = true
	links := append([]*parked(nil), lo.links...)
	lo.mu.Unlock()
	for _, l := range links {
		if l != nil {
			l.Close()
		}
	}
	lo.kick()
}
