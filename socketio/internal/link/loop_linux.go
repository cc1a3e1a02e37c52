package link

import (
	"cmp"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop is an epoll instance and the goroutine that serves it. The goroutine has a duplicate of the epoll descriptor and
// waits for it in Go's own poller, so a waiting loop needs no thread.
type loop struct {
	group *Group
	shift shift
	ep    *os.File
	raw   syscall.RawConn
	wake  int // an eventfd that makes the goroutine look whether it must end

	serving sync.Mutex // held while links are served, by the loop's goroutine or by Help
	events  []unix.EpollEvent
	ready   []*parked // links of events
	buf     []byte

	mu       sync.Mutex
	links    []*parked // by descriptor
	live     int       // how many links there are
	stopping bool
	ended    bool // wake is closed
}

func newLoop(g *Group) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	lo := &loop{
		group:  g,
		ep:     os.NewFile(uintptr(fd), "epoll"),
		events: make([]unix.EpollEvent, batch),
		ready:  make([]*parked, batch),
		buf:    make([]byte, readBuffer),
	}
	lo.shift.loop = lo
	if err := unix.SetNonblock(fd, true); err != nil { // after NewFile, so lo.ep itself is not in Go's poller
		lo.ep.Close()
		return nil, os.NewSyscallError("fcntl", err)
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
	sending() // for the race detector: what was written before is visible to the goroutine that gets the event
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if cerr := lo.raw.Control(func(ep uintptr) { err = unix.EpollCtl(int(ep), op, fd, &ev) }); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// enter adds l to the loop. From then on, shut closes it. Events come only after l has started.
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

// poller returns a duplicate of the epoll descriptor, with which one goroutine can wait.
func (lo *loop) poller() (*os.File, error) {
	var fd int
	var err error
	cerr := lo.raw.Control(func(ep uintptr) { fd, err = unix.FcntlInt(ep, unix.F_DUPFD_CLOEXEC, 0) })
	if err = cmp.Or(cerr, os.NewSyscallError("fcntl", err)); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "epoll"), nil
}

// run serves ready links until the loop was stopped and has no links, or until another goroutine has taken the loop
// over. It waits with ep, and closes it.
func (lo *loop) run(ep *os.File) {
	s := &server{loop: lo}
	if lo.group.NewWorker != nil {
		s.worker = lo.group.NewWorker()
	}
	ended := false
	defer func() {
		if !ended && !s.replaced { // a callback or a handler has called runtime.Goexit
			lo.group.wg.Go(func() { lo.run(ep) })
			return
		}
		ep.Close()
		if !s.replaced {
			lo.end()
		}
	}()
	if raw, err := ep.SyscallConn(); err == nil { // it fails only for a file that is closed
		_ = raw.Read(s.serve)
	}
	ended = true
}

// server is a goroutine that serves a loop.
type server struct {
	loop     *loop
	worker   Worker // nil if there is none
	served   int
	replaced bool // another goroutine serves the loop
}

// serve serves the links that are ready. If it returns false, it is called again when more links are ready. If it
// returns true, the goroutine ends.
func (s *server) serve(ep uintptr) (end bool) {
	lo := s.loop
	for {
		lo.serving.Lock()
		n, more := lo.turn(ep, s.worker)
		lo.serving.Unlock()
		if n < 0 {
			return true
		}
		if n > 0 && s.worker != nil {
			s.work()
		}
		if s.replaced || lo.finished() {
			return true
		}
		if !more {
			s.served = 0
			return false
		}
		if s.served += n; s.served >= batch {
			s.served = 0
			runtime.Gosched()
		}
	}
}

// work calls the worker's Work, and notes whether the worker was replaced meanwhile.
func (s *server) work() {
	s.loop.shift.begin(s.worker)
	defer func() { s.replaced = !s.loop.shift.end(s.worker) }() // also when a handler calls runtime.Goexit
	s.worker.Work()
}

// turn serves the links that are ready, without waiting. It returns the number of events, or -1 if the epoll instance
// has failed. It also reports whether more may be ready already; Go's poller only notices what becomes ready later. If
// w is not nil and there was an event, turn calls w.Begin, and the caller must call w.Work.
func (lo *loop) turn(ep uintptr, w Worker) (n int, more bool) {
	n, err := poll(ep, lo.events)
	for err == unix.EINTR {
		n, err = poll(ep, lo.events)
	}
	if err != nil {
		return -1, false
	}
	if n > 0 && w != nil {
		w.Begin()
	}
	more = n == len(lo.events)
	lo.pick(lo.events[:n], lo.ready)
	for i, l := range lo.ready[:n] {
		if l == nil {
			continue
		}
		lo.ready[i] = nil
		if l.ready(lo.events[i].Events, lo.buf) {
			more = true
		}
	}
	return n, more
}

// help serves ready links on the calling goroutine, unless another goroutine is serving them.
func (lo *loop) help() {
	if !lo.serving.TryLock() {
		return
	}
	defer lo.serving.Unlock()
	if lo.finished() {
		return
	}
	more := false
	_ = lo.raw.Control(func(ep uintptr) { _, more = lo.turn(ep, nil) }) // an error means that the loop has ended
	if more || lo.finished() {
		lo.kick() // otherwise the loop's goroutine waits until another link becomes ready
	}
}

func (lo *loop) end() {
	lo.mu.Lock()
	lo.ended = true
	unix.Close(lo.wake)
	lo.mu.Unlock()
	lo.ep.Close() // without the lock, because it waits for help to end, which may need the lock
}

// kick wakes the loop's goroutine.
func (lo *loop) kick() {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	if !lo.ended {
		_, _ = unix.Write(lo.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// pick stores in ready the link of each event, or nil if it has none any more.
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

// drain resets the eventfd. The caller holds the lock.
func (lo *loop) drain() {
	if lo.ended {
		return
	}
	var b [8]byte
	_, _ = unix.Read(lo.wake, b[:])
}

// shut closes every link. run returns when the last one has ended.
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
