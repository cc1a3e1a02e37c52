package publish

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/edge/link"
)

// Accept attaches an edge of another process that has connected. run serves it until the connection or ctx ends, and
// closes the connection. If only the connection has ended, run returns when the edge has connected again or its lease
// has ended. Until then the edge stays attached: it may still serve, so Sync waits for it. The caller must check that
// the peer may connect.
func (p *Publisher) Accept(conn io.ReadWriteCloser) (run func(ctx context.Context) error, err error) {
	remote, err := link.Accept(conn)
	if err != nil {
		return nil, err
	}
	a := p.Attach(remote.ID())
	return func(ctx context.Context) error {
		defer a.Detach()
		err := a.serve(ctx, remote)
		a.awaitLease(ctx, remote.LeaseEnd())
		return err
	}, nil
}

// serve publishes to the edge and receives its reports until the connection or ctx ends.
func (a *Attachment) serve(ctx context.Context, remote *link.Remote) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { cancel(remote.Run(ctx, a)) })
	err := a.publish(ctx, remote)
	cancel(err)
	return err
}

// awaitLease waits until the lease has ended or the edge has another attachment.
func (a *Attachment) awaitLease(ctx context.Context, end time.Time) {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.ctx.Done():
	case <-a.p.ended:
	case <-ctx.Done():
	}
}
