package engineio

import (
	"time"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// gatherSize bounds how many queued bytes are copied together for one write.
const gatherSize = 64 << 10

// closeAnswer is how long a client may take to read what is queued and to answer the close frame.
const closeAnswer = 10 * time.Second

// Writable implements link.Sink.
func (w *wsConn) Writable() {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.blocked = false
	if s.ws == w {
		s.flush()
	}
}

// flushWebSocket writes until the queue is empty or the kernel's buffer is full. The lock is
// released during writes; only one goroutine writes at a time, and it also writes what others queue
// in the meantime.
func (s *Session) flushWebSocket() {
	w := s.ws
	for !w.writing && !w.blocked {
		rest := w.rest
		w.rest = nil
		var one *Message
		var batch []*Message
		if len(rest) == 0 {
			if len(s.queue) == 0 {
				break
			}
			one, batch = s.take()
			s.dirty = false
		}
		w.writing = true
		s.mu.Unlock()
		left, err := w.write(rest, one, batch)
		s.mu.Lock()
		w.writing = false
		if err != nil {
			w.link.Close() // calls Broken
			return
		}
		if w.rest, s.unsent = left, len(left); len(left) == 0 {
			release(one, batch)
		}
		w.blocked = len(left) > 0
	}
	if w.shutting && !w.writing && !w.blocked {
		w.sendClose()
	}
}

// release releases messages that have been written.
func release(one *Message, batch []*Message) {
	if one != nil {
		one.release()
	}
	for _, m := range batch {
		m.release()
	}
}

// sendClose sends the close frame, once.
func (w *wsConn) sendClose() {
	if w.s.state == stateClosed {
		return
	}
	w.s.state = stateClosed
	_, _ = w.link.Write(wsframe.AppendClose(nil, w.closeCode))
}

// write passes the bytes to the link and returns what that did not accept.
func (w *wsConn) write(rest []byte, one *Message, batch []*Message) ([]byte, error) {
	if len(rest) > 0 {
		n, err := w.link.Write(rest)
		return rest[n:], err
	}
	if one != nil {
		wire := w.wire(one)
		n, err := w.link.Write(wire)
		return wire[n:], err
	}
	buf, ok := w.s.srv.gather.Get().(*[]byte)
	if !ok {
		buf = new(make([]byte, 0, gatherSize))
	}
	defer w.s.srv.gather.Put(buf)
	b := (*buf)[:0]
	for i, m := range batch {
		wire := w.wire(m)
		if len(b) > 0 && len(b)+len(wire) > gatherSize {
			n, err := w.link.Write(b)
			if err != nil || n < len(b) {
				return w.remainder(b[n:], batch[i:]), err
			}
			b = b[:0]
		}
		if len(wire) > gatherSize {
			n, err := w.link.Write(wire)
			if err != nil || n < len(wire) {
				return w.remainder(wire[n:], batch[i+1:]), err
			}
			continue
		}
		b = append(b, wire...)
	}
	n, err := w.link.Write(b)
	if n == len(b) {
		return nil, err
	}
	return w.remainder(b[n:], nil), err
}

// remainder returns a copy of the rest, because the gather buffer goes back to its pool.
func (w *wsConn) remainder(p []byte, batch []*Message) []byte {
	left := append([]byte(nil), p...)
	for _, m := range batch {
		left = append(left, w.wire(m)...)
	}
	return left
}

// wire returns the message as it is sent on this connection.
func (w *wsConn) wire(m *Message) []byte {
	if w.deflate {
		return m.deflated(&w.s.srv.deflater, w.s.srv.opt.CompressAbove)
	}
	return m.wire
}
