package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// do executes a step. It returns an error only if the step should be tried again; a permanent failure is
// written into the record.
func (t *task) do(ctx context.Context, s Step) error {
	r := t.view()
	if s.Kind == Prepare {
		return t.prepare(ctx, &r)
	}
	i := r.box(s.Container)
	b := r.Containers[i]
	switch s.Kind {
	case Fail:
		t.change(func(r *Record) { r.Reason = "TaskFailedToStart: " + s.Reason })
		return nil
	case Skip:
		return t.skip(ctx, i, b)
	case Pull:
		return t.pull(ctx, i, b)
	case Create:
		return t.create(ctx, &r, i)
	case Start:
		return t.start(ctx, i, b)
	case Stop:
		return t.stopContainer(ctx, i, b)
	}
	return nil
}

func (t *task) prepare(ctx context.Context, r *Record) error {
	if err := t.e.prepare(ctx, r); err != nil {
		if transient(ctx, err) {
			return err
		}
		t.change(func(r *Record) { r.Reason = "ResourceInitializationError: " + err.Error() })
		return nil
	}
	t.change(func(r *Record) { r.Prepared, r.Hold = true, "" })
	return nil
}

// transient reports whether err is not about the task: the runtime does not answer, or the step was cancelled
// because it is not needed any more or the agent ends.
func transient(ctx context.Context, err error) bool {
	return errors.Is(err, runtime.ErrUnavailable) || errors.Is(context.Cause(ctx), context.Canceled)
}

// fail marks the container as stopped with a reason.
func (t *task) fail(i int, reason string) {
	t.change(func(r *Record) { ended(r, i, reason, time.Now()) })
}

// skip ends a container that does not run. What was created stays until the clean-up.
func (t *task) skip(_ context.Context, i int, _ Box) error {
	t.fail(i, "")
	return nil
}

func (t *task) create(ctx context.Context, r *Record, i int) error {
	b := r.Containers[i]
	if len(b.Def.PortMappings) > 0 && len(b.Ports) == 0 && publishes(r) {
		ports, err := t.e.ports.assign(b.Def.PortMappings)
		if err != nil {
			t.fail(i, "CannotCreateContainerError: "+err.Error())
			return nil
		}
		// Written first, so that after a crash they are known to be ours.
		t.change(func(r *Record) { r.Containers[i].Ports = ports })
		r.Containers[i].Ports = ports
	}
	if holdsHosts(r, i) {
		hosts := t.e.currentHosts(r)
		if !slices.Equal(hosts, b.Hosts) { // recorded before the container is created, in case it is only found later
			t.change(func(r *Record) { r.Containers[i].Hosts = hosts })
		}
		r.Containers[i].Hosts = hosts
	}
	ctx, cancel := context.WithTimeout(ctx, t.e.cfg.CreateTimeout)
	defer cancel()
	id, err := t.e.createOrFind(ctx, r, i)
	switch {
	case err == nil:
		t.change(func(r *Record) {
			r.Containers[i].RuntimeID, r.Containers[i].Phase = id, max(r.Containers[i].Phase, Created)
			r.Hold = ""
		})
	case errors.Is(err, context.DeadlineExceeded):
		t.fail(i, fmt.Sprintf("ContainerRuntimeTimeoutError: Could not transition to created; timed out "+
			"after waiting %v", t.e.cfg.CreateTimeout))
	case transient(ctx, err):
		return err
	case errors.Is(err, runtime.ErrNotFound) && b.PullTries < maxPullTries && t.e.imageGone(ctx, b.Image):
		t.e.log.Info("an image was removed before its container was created; it is pulled again",
			"task", t.arn, "image", b.Def.Image)
		t.change(func(r *Record) {
			b := &r.Containers[i]
			b.Phase, b.Image, b.Digest = Waiting, "", ""
			b.PullTries++
		})
	case errors.Is(err, runtime.ErrConfig):
		t.fail(i, "DockerClientConfigError: Unable to decode given docker config: "+err.Error())
	case errors.Is(err, runtime.ErrHostConfig):
		t.fail(i, "HostConfigError: Unable to decode given host config: "+err.Error())
	default:
		t.fail(i, "CannotCreateContainerError: "+err.Error())
	}
	return nil
}

// maxPullTries is how often a container's image is pulled again because others removed it.
const maxPullTries = 3

// imageGone reports whether others have removed the image.
func (e *Engine) imageGone(ctx context.Context, id string) bool {
	_, err := e.rt.Image(ctx, id)
	return errors.Is(err, runtime.ErrNotFound)
}

// createOrFind creates the container, or finds it if an earlier attempt, perhaps before a crash of the agent,
// has created it.
func (e *Engine) createOrFind(ctx context.Context, r *Record, i int) (string, error) {
	spec, err := e.spec(ctx, r, i)
	if err != nil {
		return "", err
	}
	id, err := e.rt.Create(ctx, spec)
	if !errors.Is(err, runtime.ErrConflict) {
		return id, err
	}
	found, listErr := e.rt.List(ctx, LabelTask, r.Task.ARN)
	if listErr != nil {
		return "", listErr
	}
	for _, c := range found {
		if c.Name == spec.Name {
			return c.ID, nil
		}
	}
	return "", err
}

func (t *task) start(ctx context.Context, i int, b Box) error {
	if b.AwslogsOptions() != nil {
		if err := t.e.logs.Prepare(ctx, t.arn, b); err != nil {
			if transient(ctx, err) || !errors.Is(err, ErrLogs) {
				return err
			}
			t.fail(i, "CannotStartContainerError: failed to initialize logging driver: "+err.Error())
			return nil
		}
	}
	if taken := t.sharedPort(ctx, b); taken != "" {
		t.fail(i, "CannotStartContainerError: "+taken)
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, t.e.cfg.StartTimeout)
	defer cancel()
	err := t.e.rt.Start(limited, b.RuntimeID)
	switch {
	case err == nil:
		if r := t.view(); holdsHosts(&r, i) && !slices.Equal(t.e.currentHosts(&r), b.Hosts) {
			kick(t.e.hostsChanged) // there are newer names than those with which it was created
		}
		return t.look(ctx, i, b.RuntimeID)
	case errors.Is(err, context.DeadlineExceeded):
		// It may still start, and a running container is never reported as stopped.
		if err := t.e.rt.Stop(ctx, b.RuntimeID, 0); err != nil && !errors.Is(err, runtime.ErrNotFound) {
			return err
		}
		t.fail(i, fmt.Sprintf("ContainerRuntimeTimeoutError: Could not transition to running; timed out "+
			"after waiting %v", t.e.cfg.StartTimeout))
	case transient(ctx, err):
		return err
	case errors.Is(err, runtime.ErrPortTaken) && dynamic(b.Def.PortMappings) && b.PortTries < maxPortTries:
		return t.otherPorts(ctx, i, b)
	default:
		t.fail(i, "CannotStartContainerError: "+err.Error())
	}
	return nil
}

// ErrLogs means that a container's log stream can never be written to. Logs.Prepare returns it, and other
// errors if a later attempt may succeed.
var ErrLogs = errors.New("awslogs")

// maxPortTries is how often a container is created again because another program took its port in the meantime.
const maxPortTries = 10

func dynamic(mappings []acs.PortMapping) bool {
	for _, m := range mappings {
		if m.HostPort == 0 {
			return true
		}
	}
	return false
}

// otherPorts removes the container so that it is created again with other ports. The record forgets it first;
// otherwise its removal would look like one by others. If that fails, the container is found again by its name.
func (t *task) otherPorts(ctx context.Context, i int, b Box) error {
	t.change(func(r *Record) {
		b := &r.Containers[i]
		b.Phase, b.RuntimeID = Pulled, ""
		b.PortTries++
	})
	if err := t.e.rt.Remove(ctx, b.RuntimeID); err != nil {
		return err
	}
	t.e.ports.release(b.Ports)
	t.change(func(r *Record) { r.Containers[i].Ports = nil })
	return nil
}

func (t *task) stopContainer(ctx context.Context, i int, b Box) error {
	grace := time.Duration(b.Def.StopTimeout) * time.Second
	if grace == 0 {
		grace = t.e.cfg.StopTimeout
	}
	if b.Pause {
		grace = 0
	}
	if err := t.e.rt.Stop(ctx, b.RuntimeID, grace); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		if !transient(ctx, err) {
			t.e.log.Error("cannot stop a container", "task", t.arn, "container", b.Def.Name, "error", err)
		}
		return err // tried until it succeeds: a running container is never reported as stopped
	}
	return t.look(ctx, i, b.RuntimeID)
}

// look asks the runtime about container i and records its state.
func (t *task) look(ctx context.Context, i int, id string) error {
	c, err := t.e.rt.Inspect(ctx, id)
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return err
	}
	t.change(func(r *Record) {
		switch {
		case r.Containers[i].RuntimeID != id: // it was made again meanwhile
		case err != nil:
			ended(r, i, reasonGone, time.Now())
		default:
			observe(r, i, c, time.Now())
		}
	})
	return nil
}
