package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// Remote is the control plane's end of a stream to an edge. Use Accept to create one.
type Remote struct {
	id     string
	stream *stream
	taken  chan taken
	ended  chan struct{} // closed when Run has returned

	mu    sync.Mutex
	heard time.Duration // Sent of the last message; guarded by mu
	at    time.Time     // when the last message came; guarded by mu
}

// Reporter gets what an edge has seen. Report must not block.
type Reporter interface {
	Report(route.Report)
}

// Accept waits for the id of an edge that has connected. It closes the connection when it fails.
func Accept(conn io.ReadWriteCloser) (*Remote, error) {
	s := newStream(conn)
	m, err := s.receive()
	switch {
	case err != nil:
	case m.Hello == nil:
		err = errUnexpected
	case m.Hello.Version != version:
		err = fmt.Errorf("link: the edge speaks version %d of the messages; this server speaks %d",
			m.Hello.Version, version)
	case m.Hello.Edge == "":
		err = errors.New("link: the edge has no id")
	default:
		r := &Remote{id: m.Hello.Edge, stream: s, taken: make(chan taken), ended: make(chan struct{})}
		r.note(m)
		return r, nil
	}
	s.close()
	return nil, err
}

// ID returns the edge's id.
func (r *Remote) ID() string { return r.id }

// LeaseEnd returns a time at which the edge will have stopped serving unless it is connected again. It
// is later with each message that comes.
func (r *Remote) LeaseEnd() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at.Add(Lease + leaseMargin)
}

// note records when the edge sent a message.
func (r *Remote) note(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard, r.at = m.Sent, time.Now()
}

// send sends a message, with the time of the last message that was received.
func (r *Remote) send(m message) error {
	r.mu.Lock()
	m.Heard = r.heard
	r.mu.Unlock()
	return r.stream.send(m)
}

// ErrEnded is returned by Apply when the stream has ended.
var ErrEnded = errors.New("link: the edge is not connected any more")

// Run passes on the edge's reports until the stream or ctx ends, and closes the stream.
func (r *Remote) Run(ctx context.Context, reporter Reporter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { r.stream.conn.Close() })()
	defer r.stream.close()
	defer close(r.ended)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { keepAlive(ctx.Done(), r.send) })
	for {
		m, err := r.stream.receive()
		if err == nil {
			r.note(m)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case m.Report != nil:
			reporter.Report(*m.Report)
		case m.Taken != nil:
			select {
			case r.taken <- *m.Taken:
			case <-ctx.Done():
			}
		case m.Hello != nil || m.Config != nil:
			return errUnexpected
		}
	}
}

// Apply sends a configuration and returns once the edge serves it. It may be called once at a time, while Run
// runs.
func (r *Remote) Apply(ctx context.Context, c route.Config) error {
	parts, err := splitConfig(c)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { r.stream.conn.Close() })() // ends a write that waits for the edge
	for i := range parts {
		if err := r.send(message{Config: &parts[i]}); err != nil {
			return errors.Join(ErrEnded, err)
		}
	}
	select {
	case t := <-r.taken:
		switch {
		case t.Gap:
			return route.ErrGap
		case t.Error != "":
			return fmt.Errorf("the edge %s: %s", r.id, t.Error)
		}
		return nil
	case <-r.ended:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
