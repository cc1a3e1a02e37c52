package appscaling

import (
	"maps"
	"reflect"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Progress has what the next decision about a target depends on. It is written in the transaction that changes the
// desired count, so that a change is neither lost nor made twice.
type Progress struct {
	Region, Account string
	ResourceID      string
	// Service is the creation time of the service that the other fields are about. After it is deleted, another service
	// may have its name.
	Service time.Time
	// Last is the last change of the desired count by a policy, with the end of its cooldown.
	Last scaling.Activity
	// Applied are the bounds into which the desired count was moved last; nil before the first time.
	Applied *scaling.Bounds `json:",omitempty"`
	// Open is the key of the activity that is in progress; "" if none is. To is the desired count that it has set.
	Open string `json:",omitempty"`
	To   int    `json:",omitempty"`
	// Done has, by the ID of a scheduled action, the time when it was last carried out or skipped.
	Done map[string]time.Time `json:",omitempty"`
	// Held is the reason why the last call of a policy changed nothing, or "" if it changed something. HeldSince is the
	// time since when the reason is the same.
	Held      scaling.Reason `json:",omitempty"`
	HeldSince time.Time      `json:",omitzero"`
}

// Key returns the key of the row: that of the target.
func (p *Progress) Key() string { return Key(p.Region, p.Account, p.ResourceID) }

// For returns the progress for the service that was created at the given time. It leaves out what is only about an
// earlier service.
func (p *Progress) For(service time.Time) *Progress {
	c := *p
	c.Done = maps.Clone(p.Done)
	if !p.Service.Equal(service) {
		c.Service, c.Last, c.Open, c.To, c.Held, c.HeldSince = service, scaling.Activity{}, "", 0, "", time.Time{}
	}
	return &c
}

// Equal reports whether two rows are equal.
func (p *Progress) Equal(other *Progress) bool { return reflect.DeepEqual(p, other) }

// Hold stores the reason why nothing was changed. "" means that something was changed.
func (p *Progress) Hold(why scaling.Reason, now time.Time) {
	if p.Held != why {
		p.Held, p.HeldSince = why, now
	}
}

// Due returns the scheduled actions of a target that are due now, and the time when the next one is due, which is zero
// if there is none. An action is due once, even if several of its times have passed, for example while the server was
// down. Schedules are checked when they are stored; one that cannot be parsed is left out.
func (p *Progress) Due(all []*Scheduled, now time.Time) (due []*Scheduled, next time.Time) {
	for _, s := range all {
		after := s.ChangedAt
		if done := p.Done[s.ID]; done.After(after) {
			after = done
		}
		at, err := s.Due(after)
		if err != nil || at.IsZero() {
			continue
		}
		if !at.After(now) {
			due = append(due, s)
			if at, err = s.Due(now); err != nil || at.IsZero() {
				continue
			}
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next
}

// Finish stores that the actions in due were carried out or skipped, and forgets actions that do not exist any more.
func (p *Progress) Finish(all, due []*Scheduled, now time.Time) {
	done := make(map[string]time.Time)
	for _, s := range all {
		if at, ok := p.Done[s.ID]; ok {
			done[s.ID] = at
		}
	}
	for _, s := range due {
		done[s.ID] = now
	}
	if p.Done = done; len(done) == 0 {
		p.Done = nil
	}
}

// Propose returns the policy's proposal for the observation of an alarm. ok is false if it proposes nothing, because no
// value is known or no step is for the value. running is the number of running tasks (ecs.md 6.6).
func (p *Policy) Propose(
	s scaling.Situation, running int, o scaling.Observation, pace scaling.Pace,
) (out scaling.Proposal, ok bool) {
	switch {
	case p.Step != nil:
		if out, ok = p.Step.Propose(p.ARN(), o, s.StepBase); ok {
			out.Cooldown = pace.Of(scaling.Cooldown(p.Step.Cooldown))
		}
		return out, ok
	case p.Tracking != nil:
		metric, known := o.Latest()
		if !known {
			return out, false
		}
		out = s.Track(p.Tracking.Tracking, p.ARN(), running, metric)
		out.Cooldown = pace.Of(scaling.Cooldown(p.Tracking.InCooldown))
		if out.Direction == scaling.Out {
			out.Cooldown = pace.Of(scaling.Cooldown(p.Tracking.OutCooldown))
		}
		return out, true
	}
	return out, false
}

// Kept returns the proposal of a policy that no alarm has called now. It changes nothing by itself, but other policies
// may scale in only if it agrees (ecs.md 6.12). ok is false for a policy that does not have to agree. o is the last
// observation of its low alarm, or nil if that alarm is not in the state ALARM.
func (p *Policy) Kept(s scaling.Situation, running int, o *scaling.Observation, pace scaling.Pace) (
	out scaling.Proposal, ok bool,
) {
	if p.Tracking == nil || p.Tracking.DisableScaleIn {
		return out, false
	}
	if o != nil {
		if out, ok = p.Propose(s, running, *o, pace); ok && out.Direction == scaling.In {
			return out, true
		}
	}
	return scaling.Proposal{Policy: p.ARN(), Tracking: true}, true
}
