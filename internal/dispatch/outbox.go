package dispatch

import (
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
)

// outbox knows what was sent to an agent in this session, and when to send it again. It belongs to
// the session's goroutine, and has no clock and no lock.
type outbox struct {
	payloads map[string]*payload // the last one for each task, by ARN
	messages map[string]*payload // the same payloads, by the ids of the messages that carried them
}

// payload is what was sent about a task, once or more often.
type payload struct {
	desired  string
	messages []string // ids
	acked    bool
	again    time.Time // when to send it again if it is not acknowledged
}

// A payload without an acknowledgment is sent again after resendAfter, later each time, and at most
// maxAttempts times in one session (ecs-agent.md 5): an agent that never acknowledges a payload
// does not understand it.
const maxAttempts = 8

func resendAfter() acs.Backoff {
	return acs.Backoff{First: 10 * time.Second, Most: 5 * time.Minute, Factor: 2}
}

func newOutbox() *outbox {
	return &outbox{payloads: map[string]*payload{}, messages: map[string]*payload{}}
}

// Wants returns the desired status that the agent must be sent for a task. It is "" if there is
// nothing to send: the task runs as it should, has ended, or must wait for its load balancers
// before it stops.
func Wants(t *ecs.Task) string {
	switch {
	case t.LastStatus == ecs.Stopped:
		return ""
	case t.MayStop():
		return acs.DesiredStopped
	case t.DesiredStatus == ecs.Running && !reported(t):
		return acs.DesiredRunning
	}
	return ""
}

// reported reports whether the agent has sent anything about the task's containers. If so, it knows
// the task.
func reported(t *ecs.Task) bool {
	if ecs.Pending.Before(t.LastStatus) {
		return true
	}
	for _, c := range t.Containers {
		if c.RuntimeID != "" || c.LastStatus != ecs.Pending {
			return true
		}
	}
	return false
}

// due returns the desired status to send now, or, if "", when to ask again (zero: when something
// changes).
func (o *outbox) due(t *ecs.Task, now time.Time) (desired string, wake time.Time) {
	desired = Wants(t)
	p := o.payloads[t.TaskARN]
	switch {
	case desired == "":
		o.forget(t.TaskARN)
		return "", time.Time{}
	case p == nil || p.desired != desired:
		return desired, time.Time{}
	case p.acked || len(p.messages) >= maxAttempts:
		return "", time.Time{}
	case now.Before(p.again):
		return "", p.again
	}
	return desired, time.Time{}
}

// sent records that a payload was sent.
func (o *outbox) sent(task, desired, messageID string, now time.Time) (attempt int) {
	p := o.payloads[task]
	if p == nil || p.desired != desired {
		o.forget(task)
		p = &payload{desired: desired}
		o.payloads[task] = p
	}
	p.again = now.Add(resendAfter().Wait(len(p.messages), 0.5))
	p.messages = append(p.messages, messageID)
	o.messages[messageID] = p
	return len(p.messages)
}

// acknowledged records an acknowledgment. If a payload was sent more than once, one is enough.
func (o *outbox) acknowledged(messageID string) {
	if p := o.messages[messageID]; p != nil {
		p.acked = true
	}
}

// forget deletes what is known about a task.
func (o *outbox) forget(task string) {
	p := o.payloads[task]
	if p == nil {
		return
	}
	for _, id := range p.messages {
		delete(o.messages, id)
	}
	delete(o.payloads, task)
}
