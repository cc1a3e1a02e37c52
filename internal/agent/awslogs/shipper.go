package awslogs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// API is CloudWatch Logs in one region.
type API interface {
	Call(ctx context.Context, action string, in, out any) error
}

// Tasks is the task engine.
type Tasks interface {
	Tasks() []engine.Record
	Changes() (<-chan struct{}, func())
}

// Shipper ships the output of containers.
type Shipper struct {
	region  string
	api     func(region string) API
	streams runtime.Streams
	store   *checkpoint.Store
	log     *slog.Logger

	mu   sync.Mutex // guards what follows
	done map[string]bool
}

// New returns a Shipper. region is the default for logs.
func New(
	region string, api func(region string) API, streams runtime.Streams, store *checkpoint.Store, log *slog.Logger,
) *Shipper {
	return &Shipper{region: region, api: api, streams: streams, store: store, log: log, done: map[string]bool{}}
}

// Prepare creates the container's log stream, and its group if the options say so. An error that matches
// engine.ErrLogs is final.
func (s *Shipper) Prepare(ctx context.Context, taskARN string, b engine.Box) error {
	t, err := targetOf(taskARN, s.region, b)
	if err != nil {
		return err
	}
	api := s.api(t.Region)
	if t.CreateGroup {
		err := api.Call(ctx, "CreateLogGroup", map[string]string{"logGroupName": t.Group}, nil)
		if err != nil && awscall.Code(err) != "ResourceAlreadyExistsException" {
			return final(err)
		}
	}
	err = api.Call(ctx, "CreateLogStream", map[string]string{"logGroupName": t.Group, "logStreamName": t.Stream}, nil)
	if err != nil && awscall.Code(err) != "ResourceAlreadyExistsException" {
		return final(fmt.Errorf("failed to create Cloudwatch log stream in group %s "+
			"(awslogs-create-group is %t): %w", t.Group, t.CreateGroup, err))
	}
	return nil
}

// final marks errors for which another attempt does not help.
func final(err error) error {
	if awscall.Retryable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrLogs, err)
}

// Done reports whether everything that the container wrote has been shipped.
func (s *Shipper) Done(containerID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[containerID]
}

// Run ships until ctx ends.
func (s *Shipper) Run(ctx context.Context, tasks Tasks) error {
	changes, unsubscribe := tasks.Changes()
	defer unsubscribe()
	var tails sync.WaitGroup
	defer tails.Wait()
	byID := map[string]*tail{}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changes:
		}
		seen := map[string]bool{}
		for _, r := range tasks.Tasks() {
			for _, b := range r.Containers {
				if b.RuntimeID == "" || !b.FirstStart.IsZero() && b.AwslogsOptions() == nil {
					continue
				}
				seen[b.RuntimeID] = true
				s.follow(ctx, &tails, byID, r.Task.ARN, b)
			}
		}
		s.forget(byID, seen)
	}
}

// follow starts the container's tail, or tells it that something has changed.
func (s *Shipper) follow(
	ctx context.Context, tails *sync.WaitGroup, byID map[string]*tail, taskARN string, b engine.Box,
) {
	t := byID[b.RuntimeID]
	switch {
	case b.AwslogsOptions() == nil || b.Phase < engine.Running && b.FirstStart.IsZero():
		if b.Phase == engine.Stopped {
			s.finish(b.RuntimeID) // it has written nothing
		}
		return
	case t == nil:
		where, err := targetOf(taskARN, s.region, b)
		if err != nil {
			s.finish(b.RuntimeID)
			return
		}
		t = newTail(s, b.RuntimeID, where)
		byID[b.RuntimeID] = t
		tails.Go(func() { t.run(ctx) })
	}
	if b.Phase == engine.Stopped {
		t.stopped()
	}
	t.wake()
}

// forget removes what belongs to removed containers.
func (s *Shipper) forget(byID map[string]*tail, seen map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.done { // including those without a tail
		if !seen[id] {
			delete(s.done, id)
		}
	}
	for id := range byID {
		if seen[id] {
			continue
		}
		byID[id].stopped()
		delete(byID, id)
		if err := s.store.Delete(checkpoint.Logs, id); err != nil {
			s.log.Error("cannot write the checkpoint", "error", err)
		}
	}
}

func (s *Shipper) finish(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[id] = true
}
