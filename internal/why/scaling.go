package why

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Scaling says, in a sentence, why the scaling policies of a service change nothing although alarms call them. It
// returns "" if no alarm calls one now, if the last call has changed the desired count, or if the reason holds no more.
// atRest is true for a reason that is usual while a service is idle: at its minimum, low alarms stay in ALARM.
func Scaling(t *state.Tables, svc *ecs.Service, now time.Time) (text string, atRest bool) {
	a, err := arn.Parse(svc.ServiceARN)
	if err != nil {
		return "", false
	}
	target, ok := t.ScalableTargets.Get(appscaling.Key(a.Region, a.Account, a.Resource))
	if !ok {
		return "", false
	}
	p, ok := t.ScalingProgress.Get(target.Key())
	if !ok || p.Held == "" || !p.Service.Equal(svc.CreatedAt) {
		return "", false
	}
	h := hold{t, svc, target, p, now}
	since, ok := h.called()
	if !ok {
		return "", false
	}
	why := h.reason()
	if why == "" {
		return "", false
	}
	return fmt.Sprintf("Scaling policies have changed nothing since %s: %s.", at(since), why),
		p.Held == scaling.AlreadyAtMin || p.Held == scaling.AlreadyAtDesired
}

// hold is about why the last call of a policy changed nothing.
type hold struct {
	t        *state.Tables
	svc      *ecs.Service
	target   *appscaling.Target
	progress *appscaling.Progress
	now      time.Time
}

// called returns since when alarms call policies of the target and the reason is the same. ok is false if no alarm
// calls one now in the direction to which the reason applies.
func (h *hold) called() (since time.Time, ok bool) {
	direction := h.direction()
	for p := range h.t.ScalingPolicies.Prefix(h.target.Key()) {
		for a := range h.t.Alarms.By(state.AlarmsByAction, p.ARN()) {
			status, calls := h.t.AlarmStatus.Get(a.ARN)
			if !calls || !a.ActionsEnabled || !slices.Contains(a.ActionsFor(status.Value), p.ARN()) {
				continue
			}
			d := towards(p, a.ARN)
			if direction != scaling.Hold && d != scaling.Hold && d != direction {
				continue
			}
			if !ok || status.TransitionedAt.Before(since) {
				since, ok = status.TransitionedAt, true
			}
		}
	}
	if h.progress.HeldSince.After(since) {
		since = h.progress.HeldSince
	}
	return since, ok
}

// towards returns the direction in which a policy scales when an alarm calls it; Hold if the alarm does not say.
func towards(p *appscaling.Policy, alarmARN string) scaling.Direction {
	switch slices.Index(p.AlarmARNs(), alarmARN) {
	case 0:
		return scaling.Out
	case 1:
		return scaling.In
	}
	return scaling.Hold
}

// direction returns the direction in which the policies do not scale; Hold for both.
func (h *hold) direction() scaling.Direction {
	switch h.progress.Held {
	case scaling.AlreadyAtMax:
		return scaling.Out
	case scaling.AlreadyAtMin, scaling.AnticipatedFlapping, scaling.UnderWay, scaling.NotAll:
		return scaling.In
	case scaling.CoolingDown:
		return h.progress.Last.Direction
	case scaling.OutOfBounds:
		if h.svc.DesiredCount > h.target.Bounds.Max {
			return scaling.Out
		}
		return scaling.In
	case scaling.Suspended:
		switch s := h.target.Suspended; {
		case s.Out && !s.In:
			return scaling.Out
		case s.In && !s.Out:
			return scaling.In
		}
	}
	return scaling.Hold
}

// reason returns the words for the reason, or "" if it does not hold any more.
func (h *hold) reason() string {
	bounds, desired, last := h.target.Bounds, h.svc.DesiredCount, h.progress.Last
	text, holds := string(h.progress.Held), true
	switch h.progress.Held {
	case scaling.AlreadyAtMax:
		holds = desired == bounds.Max
		text = fmt.Sprintf("the desired count is at its maximum, %d", bounds.Max)
	case scaling.AlreadyAtMin:
		holds = desired == bounds.Min
		text = fmt.Sprintf("the desired count is at its minimum, %d", bounds.Min)
	case scaling.AlreadyAtDesired:
		text = "the policies propose the present desired count"
	case scaling.AnticipatedFlapping:
		text = "with fewer tasks, the metric of a policy would be above its target"
	case scaling.CoolingDown:
		holds = h.now.Before(last.Until)
		text = fmt.Sprintf("the cooldown of the last change, from %d to %d tasks, ends at %s", last.From, last.To,
			at(last.Until))
	case scaling.Suspended:
		holds = h.target.Suspended.In || h.target.Suspended.Out
		text = "scaling " + map[scaling.Direction]string{scaling.In: "in", scaling.Out: "out",
			scaling.Hold: "in and out"}[h.direction()] + " is suspended"
	case scaling.UnderWay:
		holds = h.t.Progress(h.svc.ServiceARN).Deploying()
		text = "a deployment is in progress, and until it ends no policy scales in"
	case scaling.NotAll:
		holds = h.needsAll()
		text = "not all target tracking policies propose to scale in"
	case scaling.OutOfBounds:
		holds = bounds.Clip(desired) != desired
		text = fmt.Sprintf("the desired count is outside of its bounds, %d to %d", bounds.Min, bounds.Max)
	}
	if !holds {
		return ""
	}
	return text
}

// needsAll reports whether the target has a policy that must agree before another one scales in (ecs.md 6.12).
func (h *hold) needsAll() bool {
	for p := range h.t.ScalingPolicies.Prefix(h.target.Key()) {
		if p.Tracking != nil && !p.Tracking.DisableScaleIn {
			return true
		}
	}
	return false
}

// Capacity says why the Auto Scaling group of a capacity provider gets no more instances while tasks wait for them. It
// returns "" if no task waits, if managed scaling does not want more instances now, or if nothing is in the way.
func Capacity(t *state.Tables, c *ecs.Cluster, name string) string {
	p, ok := provider.Named(t, c, name)
	if !ok {
		return ""
	}
	g, ok := provider.Group(t, p)
	if !ok || !waits(t, c, name) {
		return ""
	}
	return limit(t, c, p, g)
}

func waits(t *state.Tables, c *ecs.Cluster, name string) bool {
	for task := range t.Tasks.By(state.TasksProvisioning, c.ClusterARN) {
		if task.CapacityProviderName == name {
			return true
		}
	}
	return false
}

// limit says why a group gets no more instances although the high alarm of managed scaling wants more. It returns "" if
// the alarm does not, or if nothing is in the way.
func limit(t *state.Tables, c *ecs.Cluster, p *ecs.CapacityProvider, g *fleet.AutoScalingGroup) string {
	if !p.ScalesGroup() || t.InAlarm(provider.Alarms(p, g, c, time.Time{})[0].ARN) == nil {
		return ""
	}
	if s, ok := t.ManagedScaling.Get(p.CapacityProviderARN); ok && s.Held == provider.NoFit(g) {
		return s.Held
	}
	if g.Desired >= g.Max {
		return provider.AtMaximum(g)
	}
	return ""
}
