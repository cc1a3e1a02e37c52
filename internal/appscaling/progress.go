package appscaling

import (
	"maps"
	"reflect"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Progress is what the next decision about a target depends on. It is written in the transaction that changes the
// desired count, so that a step is neither lost nor made twice.
type Progress struct {
	Region, Account string
	ResourceID      string
	// Service is when the service was created that the rest is about: another service may have its name later.
	Service time.Time
	// Last is the last change of the desired count by a policy, with the end of its cooldown.
	Last scaling.Activity
	// Applied are the bounds into which the desired count was moved last; nil before the first time.
	Applied *scaling.Bounds `json:",omitempty"`
	// Open is the key of the activity that is in progress; "" if none is. To is the desired count that it has set.
	Open string `json:",omitempty"`
	To   int    `json:",omitempty"`
	// Done has the time at which each scheduled action, by its ID, was last carried out or skipped.
	Done map[string]time.Time `json:",omitempty"`
	// Held says why the last policy that was called changed nothing, and since when it is so; "" if it changed
	// something.
	Held      scaling.Reason `json:",omitempty"`
	HeldSince time.Time      `json:",omitzero"`
}

// Key returns the key of the row: that of the target.
func (p *Progress) Key() string { return Key(p.Region, p.Account, p.ResourceID) }

// For returns a copy for the service that was created at a time. What is only about an earlier service is left out.
func (p *Progress) For(service time.Time) *Progress {
	c := *p
	c.Done = maps.Clone(p.Done)
	if !p.Service.Equal(service) {
		c.Service, c.Last, c.Open, c.To, c.Held, c.HeldSince = service, scaling.Activity{}, "", 0, "", time.Time{}
	}
	return &c
}

// Equal reports whether two rows say the same.
func (p *Progress) Equal(other *Progress) bool { return reflect.DeepEqual(p, other) }

// Hold notes why nothing was changed; "" means that something was.
func (p *Progress) Hold(why scaling.Reason, now time.Time) {
	if p.Held != why {
		p.Held, p.HeldSince = why, now
	}
}

// Due returns the scheduled actions of a target that are due at a time, each with the time that makes it due, and when
// the next one is, the zero time if none is. An action whose times have passed more than once, as while the server was
// down, is due once. Those with a schedule that cannot be read are left out; they were checked when they were made.
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

// Finish notes the scheduled actions that were carried out or skipped, and forgets those that are not there any more.
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

// Propose returns what the policy proposes for what one of its alarms has observed; false if it proposes nothing: no
// value is known, or no step is for it. running is the number of running tasks (ecs.md 6.6).
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

// Kept returns the proposal of a policy whose alarm is not due: it scales nothing by itself, and others scale in only
// if it agrees (ecs.md 6.12). ok is false for a policy that keeps nobody from it. o is what its low alarm has observed
// last, nil if that alarm is not in the state ALARM.
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
