package dispatch

import (
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
)

// outbox knows what an agent has been told in this session and when to say it
// again. It is a value of the session's goroutine: no clock, no lock.
type outbox struct {
	letters map[string]*letter // by task ARN
}

// letter is the last payload about a task.
type letter struct {
	desired  string
	ids      []string // messages that said it
	attempts int
	acked    bool
	again    time.Time // when to send it once more if nobody answers
}

// Unacknowledged payloads are sent again after resendAfter, each time later, and
// at most maxAttempts times in one session (ecs-agent.md 5): an agent that never
// acknowledges a payload does not understand it.
const maxAttempts = 8

func resendAfter() acs.Backoff {
	return acs.Backoff{First: 10 * time.Second, Most: 5 * time.Minute, Factor: 2}
}

func newOutbox() *outbox { return &outbox{letters: map[string]*letter{}} }

// wants is what the agent must be told about a task, "" for nothing: it runs as it
// should, has ended, or waits at the stop gate.
func wants(t *ecs.Task) string {
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

// reported tells whether the agent has said anything of the task's containers, and
// so has the task.
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

// due reports whether the task is to be sent now, as what, and if not, when to ask
// again (zero: when something changes).
func (o *outbox) due(t *ecs.Task, now time.Time) (desired string, wake time.Time) {
	desired = wants(t)
	l := o.letters[t.TaskARN]
	switch {
	case desired == "":
		delete(o.letters, t.TaskARN)
		return "", time.Time{}
	case l == nil || l.desired != desired:
		return desired, time.Time{}
	case l.acked || l.attempts >= maxAttempts:
		return "", time.Time{}
	case now.Before(l.again):
		return "", l.again
	}
	return desired, time.Time{}
}

// sent notes a payload.
func (o *outbox) sent(task, desired, messageID string, now time.Time) (attempt int) {
	l := o.letters[task]
	if l == nil || l.desired != desired {
		l = &letter{desired: desired}
		o.letters[task] = l
	}
	l.again = now.Add(resendAfter().Wait(l.attempts, 0.5))
	l.ids = append(l.ids, messageID)
	l.attempts++
	return l.attempts
}

// acknowledged notes an ack; of several sendings any will do.
func (o *outbox) acknowledged(messageID string) {
	for _, l := range o.letters {
		for _, id := range l.ids {
			if id == messageID {
				l.acked = true
			}
		}
	}
}

// forget drops what is known of tasks that are not there any more.
func (o *outbox) forget(there map[string]bool) {
	for task := range o.letters {
		if !there[task] {
			delete(o.letters, task)
		}
	}
}
