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
	wake int // eventfd: links are to be closed

	mu       sync.Mutex
	links    []*parked // by descriptor
	live     int
	stopping bool
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
	lo := &loop{ep: os.NewFile(uintptr(fd), "epoll")}
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
	defer unix.Close(lo.wake)
	defer lo.ep.Close()
	buf := make([]byte, readBuffer)
	events := make([]unix.EpollEvent, batch)
	ready := make([]*parked, batch)
	for {
		n := lo.wait(events)
		if n < 0 {
			return
		}
		lo.pick(events[:n], ready)
		for i, l := range ready[:n] {
			if l == nil {
				continue
			}
			ready[i] = nil
			l.ready(events[i].Events, buf)
		}
		if lo.finished() {
			return
		}
		if n == batch {
			runtime.Gosched()
		}
	}
}

// wait sleeps in Go's poller until the epoll instance has something to say.
func (lo *loop) wait(events []unix.EpollEvent) (n int) {
	err := lo.raw.Read(func(ep uintptr) bool {
		var err error
		for {
			n, err = unix.EpollWait(int(ep), events, 0)
			if err != unix.EINTR {
				break
			}
		}
		if err != nil {
			n = -1
		}
		return n != 0
	})
	if err != nil {
		return -1
	}
	return n
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

func (lo *loop) drain() {
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
	_, _ = unix.Write(lo.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}
