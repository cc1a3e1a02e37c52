package link

import (
	"net"
	"sync"
	"time"
)

const (
	routineBuffer = 4 << 10
	// linger is how long after Close the bytes that Write has taken may take to be sent.
	linger = 5 * time.Second
)

// routine is a link with a goroutine that reads, and a second one that writes while there is something to write.
type routine struct {
	conn  net.Conn
	sink  Sink
	group *Group

	mu      sync.Mutex
	busy    bool // the second goroutine is writing
	refused bool // a Write took nothing, so Writable must be called
	closed  bool
	paused  bool
	resumed sync.Cond // of mu
}

func (r *routine) start(s Sink) error {
	r.sink = s
	r.group.wg.Go(r.read)
	return nil
}

func (r *routine) read() {
	defer r.group.forget(r)
	buf := make([]byte, routineBuffer)
	for {
		r.waitResumed()
		n, err := r.conn.Read(buf)
		if n > 0 {
			r.sink.Readable(buf[:n])
		}
		if err != nil {
			r.Close()
			r.sink.Broken(err)
			return
		}
	}
}

// waitResumed waits until the link is not paused, or is closed.
func (r *routine) waitResumed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.paused && !r.closed {
		r.resumed.Wait()
	}
}

func (r *routine) Pause()  { r.pause(true) }
func (r *routine) Resume() { r.pause(false) }

func (r *routine) pause(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = yes
	r.resumed.Broadcast()
}

// HungUp returns false, because only reading would show whether the stream has ended.
func (r *routine) HungUp() bool { return false }

func (r *routine) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, ErrClosed
	case r.busy:
		r.refused = true
		return 0, nil
	}
	r.busy = true
	own := append([]byte(nil), p...)
	r.group.wg.Go(func() { r.write(own) })
	return len(p), nil
}

func (r *routine) write(p []byte) {
	_, err := r.conn.Write(p)
	r.mu.Lock()
	r.busy = false
	again := r.refused && !r.closed
	if r.closed {
		r.conn.Close()
	}
	r.refused = false
	r.mu.Unlock()
	switch {
	case err != nil:
		r.Close()
	case again:
		r.sink.Writable()
	}
}

func (r *routine) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.resumed.Broadcast()
	if r.busy { // write closes the connection when the bytes that Write has taken are sent
		_ = r.conn.SetWriteDeadline(time.Now().Add(linger))
		return
	}
	r.conn.Close()
}
