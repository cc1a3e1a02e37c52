package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// Edge takes configurations.
type Edge interface {
	Apply(ctx context.Context, c route.Config) error
}

// Client is the edge's end. It accepts the edge's reports at any time, sends them while there is a stream, and
// empties the edge when its lease ends. Use NewClient to create one.
type Client struct {
	id       string
	reported chan struct{} // holds a token when there is something to send
	lease    lease

	mu        sync.Mutex // guards the reports that have not been sent, the newest of each thing
	epoch     int64
	revision  uint64
	targets   map[string]elb.Verdict
	listeners map[string]elb.Bound
	counts    map[route.Subject]route.SubjectCounts
}

// NewClient makes the client of the edge with the id. No other edge may have the id; an edge that is
// started again keeps it.
func NewClient(id string) *Client {
	c := &Client{id: id, reported: make(chan struct{}, 1), lease: newLease()}
	c.take()
	return c
}

// Report stores a report to be sent. It never blocks.
func (c *Client) Report(r route.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch, c.revision = r.Epoch, r.Revision
	for _, v := range r.Targets {
		c.targets[v.Key] = v
	}
	maps.Copy(c.listeners, r.Listeners)
	for _, n := range r.Counts {
		c.counts[n.Subject] = n
	}
	select {
	case c.reported <- struct{}{}:
	default:
	}
}

// take returns what has not been sent yet.
func (c *Client) take() route.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := route.Report{Epoch: c.epoch, Revision: c.revision, Targets: slices.Collect(maps.Values(c.targets)),
		Listeners: c.listeners, Counts: slices.Collect(maps.Values(c.counts))}
	c.targets, c.listeners, c.counts = map[string]elb.Verdict{}, map[string]elb.Bound{},
		map[route.Subject]route.SubjectCounts{}
	return r
}

// Run serves the edge over the connection until the connection, ctx or the edge's lease ends, and
// closes the connection. Call it again with a new connection, with the same edge, one call at a time:
// between the calls the edge continues to serve until its lease ends.
func (c *Client) Run(ctx context.Context, conn io.ReadWriteCloser, e Edge) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.lease.begin(e, cancel)
	s := newStream(conn)
	defer s.close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })() // ends reads and writes
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	if err := c.send(s, message{Hello: &hello{version, c.id}}); err != nil {
		return err
	}
	c.take() // the first configuration makes the edge report everything
	running.Go(func() { keepAlive(ctx.Done(), func(m message) error { return c.send(s, m) }) })
	running.Go(func() {
		if err := c.sendReports(ctx, s); err != nil {
			cancel(err)
		}
	})
	err := c.receive(ctx, s)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// send sends a message with the time on the edge's clock.
func (c *Client) send(s *stream, m message) error {
	m.Sent = c.lease.clock()
	return s.send(m)
}

// sendReports sends what the edge has reported, as fast as the stream takes it.
func (c *Client) sendReports(ctx context.Context, s *stream) error {
	for {
		select {
		case <-c.reported:
		case <-ctx.Done():
			return nil
		}
		parts, err := splitReport(c.take())
		if err != nil {
			return err
		}
		for i := range parts {
			if err := c.send(s, message{Report: &parts[i]}); err != nil {
				return err
			}
		}
	}
}

// receive hands configurations to the edge and acknowledges them.
func (c *Client) receive(ctx context.Context, s *stream) error {
	var cfg route.Config
	for {
		m, err := s.receive()
		if err != nil {
			return err
		}
		if m.Hello != nil || m.Taken != nil || m.Report != nil {
			return errUnexpected
		}
		c.lease.extend(m.Heard)
		if m.Config == nil {
			continue
		}
		join(&cfg, m.Config)
		if m.Config.More {
			continue
		}
		answer := &taken{Revision: cfg.Revision}
		switch err := c.lease.apply(ctx, cfg); {
		case errors.Is(err, ErrLeaseEnded):
			return err
		case err != nil:
			answer.Gap, answer.Error = errors.Is(err, route.ErrGap), err.Error()
		}
		if err := c.send(s, message{Taken: answer}); err != nil {
			return err
		}
		cfg = route.Config{}
	}
}

// ErrLeaseEnded is why Run returns when the control plane did not extend the lease: it received nothing
// from the edge, or nothing of it came back.
var ErrLeaseEnded = fmt.Errorf("link: the lease has ended: for %v the control plane confirmed nothing that "+
	"this edge sent", Lease)
