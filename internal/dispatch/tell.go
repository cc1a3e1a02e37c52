package dispatch

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// wakeAll makes the session look at every task of its instance, as at its start.
func (s *session) wakeAll() {
	for t := range s.d.store.View().Tasks.By(state.TasksByInstance, s.instance) {
		s.wake(t.TaskARN)
	}
	s.wake("")
}

// wakeDue makes the session look at the tasks that are due if the timer has fired, and sets the
// timer for the others.
func (s *session) wakeDue(timer *time.Timer) {
	now := time.Now()
	s.timerAt = time.Time{}
	for arn, at := range s.due {
		if now.Before(at) {
			s.lookBy(at, timer)
		} else {
			s.wake(arn)
		}
	}
}

// tell sends what the agent must know about the tasks that have changed or are due.
func (s *session) tell(ctx context.Context, timer *time.Timer) error {
	changed := s.take() // taken before the snapshot, which therefore includes every change
	snap, now := s.d.store.View(), time.Now()
	ci, ok := snap.ContainerInstances.Get(s.instance)
	if !ok || !ci.Present() {
		return errInactive
	}
	if err := s.tellHosts(ctx, snap); err != nil {
		return err
	}
	for _, arn := range changed {
		t, ok := snap.Tasks.Get(arn)
		if !ok {
			s.forget(arn)
			continue
		}
		wake, err := s.tellTask(ctx, snap, ci, t, now)
		if err != nil {
			return err
		}
		if wake.IsZero() {
			delete(s.due, arn)
			continue
		}
		s.due[arn] = wake
		s.lookBy(wake, timer)
	}
	return nil
}

// take returns the tasks that wake was called for since the last call, in the order of their ARNs.
func (s *session) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := slices.Sorted(maps.Keys(s.changed))
	clear(s.changed)
	return changed
}

// lookBy sets the timer to a time, unless it fires earlier.
func (s *session) lookBy(at time.Time, timer *time.Timer) {
	if s.timerAt.IsZero() || at.Before(s.timerAt) {
		s.timerAt = at
		timer.Reset(time.Until(at))
	}
}

// forget deletes what is known about a task that no longer exists.
func (s *session) forget(task string) {
	s.outbox.forget(task)
	delete(s.renewals, task)
	delete(s.due, task)
}

// hosts returns the names that containers must be able to resolve now.
func (d *Dispatcher) hosts(t *state.Tables) []acs.HostEntry {
	if d.cfg.Hosts == nil {
		return nil
	}
	return d.cfg.Hosts(t)
}

// tellHosts sends the names that containers resolve to an agent of ours, if they differ from the
// last ones sent. It must be called before payloads are sent, so that a new container starts with
// the names that later updates are compared with.
func (s *session) tellHosts(ctx context.Context, snap *state.Snapshot) error {
	if s.hello.agentHash != acs.BerthAgent {
		return nil
	}
	hosts := s.d.hosts(&snap.Tables)
	if s.toldHosts && slices.Equal(hosts, s.hosts) {
		return nil
	}
	if err := s.write(ctx, &acs.Hosts{MessageID: messageID(), Hosts: hosts}); err != nil {
		return err
	}
	s.hosts, s.toldHosts = hosts, true
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (s *session) tellTask(
	ctx context.Context, snap *state.Snapshot, ci *ecs.ContainerInstance, t *ecs.Task, now time.Time,
) (wake time.Time, err error) {
	desired, wake := s.outbox.due(t, now)
	if desired != "" {
		if err := s.sendPayload(ctx, snap, ci, t, desired, now); err != nil {
			return wake, err
		}
		_, wake = s.outbox.due(t, now)
	}
	if t.LastStatus == ecs.Stopped {
		delete(s.renewals, t.TaskARN)
		return wake, nil
	}
	renew, err := s.renewCredentials(ctx, snap, t, desired, now)
	return earlier(wake, renew), err
}

func (s *session) sendPayload(
	ctx context.Context, snap *state.Snapshot, ci *ecs.ContainerInstance, t *ecs.Task, desired string, now time.Time,
) error {
	task := acs.Task{ARN: t.TaskARN, ClusterARN: t.ClusterARN, DesiredStatus: acs.DesiredStopped,
		Overrides: "{}", Containers: []acs.Container{}}
	if desired == acs.DesiredRunning {
		def, ok := snap.TaskDefinitions.Get(t.TaskDefinitionARN)
		if !ok || len(def.ContainerDefinitions) == 0 {
			// A RUNNING task without containers makes Amazon's agent hang (ecs-agent.md 12).
			return s.giveUp(ctx, t, "The task definition "+t.TaskDefinitionARN+" does not exist any more.")
		}
		hosts := acs.HostLines(s.d.hosts(&snap.Tables), def.NetworkMode)
		var err error
		if task, err = translate(t, def, options{
			hosts: hosts, endpointURL: s.d.cfg.EndpointURL, reach: s.hello.reach(s.d.cfg.Scheme),
		}); err != nil {
			return s.giveUp(ctx, t, "The task could not be sent to its container instance: "+err.Error())
		}
		if err := s.addCredentials(&task, t, def, now); err != nil {
			return s.giveUp(ctx, t, err.Error())
		}
	}
	number, err := s.number(ctx)
	if err != nil {
		return err
	}
	m := &acs.Payload{
		MessageID: messageID(), ClusterARN: ci.ClusterARN, ContainerInstanceARN: ci.ContainerInstanceARN,
		GeneratedAt: now.UnixMilli(), SeqNum: number, Tasks: []acs.Task{task},
	}
	if attempt := s.outbox.sent(t.TaskARN, desired, m.MessageID, now); attempt == maxAttempts {
		s.log.Error("a payload is sent for the last time in this session: the agent does not acknowledge it",
			"task", t.TaskARN, "desired", desired)
	}
	return s.write(ctx, m)
}

// giveUp ends a task that cannot be sent to any agent, with the reason.
func (s *session) giveUp(ctx context.Context, t *ecs.Task, why string) error {
	s.log.Error("a task could not be sent", "task", t.TaskARN, "reason", why)
	return s.d.store.Update(ctx, func(tx *state.Tx) error {
		now, ok := tx.Tasks.Get(t.TaskARN)
		if ok && Wants(now) == acs.DesiredRunning {
			def, _ := tx.TaskDefinitions.Get(now.TaskDefinitionARN)
			tx.Tasks.Put(stopped(now, def, why, time.Now()))
		}
		return nil
	})
}

// numbers returns sequence numbers. They are reserved in state in blocks, so that a number is never used
// twice, even after a crash.
type numbers struct{ next, end int64 }

const numberBlock = 64

func (s *session) number(ctx context.Context) (int64, error) {
	if s.numbers.next == s.numbers.end {
		err := s.d.store.Update(ctx, func(tx *state.Tx) error {
			ci, ok := tx.ContainerInstances.Get(s.instance)
			if !ok {
				return errInactive
			}
			n := *ci
			s.numbers = numbers{next: n.Sequence + 1, end: n.Sequence + 1 + numberBlock}
			n.Sequence += numberBlock
			tx.ContainerInstances.Put(&n)
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	s.numbers.next++
	return s.numbers.next - 1, nil
}
