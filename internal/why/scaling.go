package why

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Scaling says, in a sentence, why the scaling policies of a service change nothing although alarms call them. It
// returns "" if no alarm calls one now, or if the last call has changed the desired count.
func Scaling(t *state.Tables, svc *ecs.Service, now time.Time) string {
	a, err := arn.Parse(svc.ServiceARN)
	if err != nil {
		return ""
	}
	target, ok := t.ScalableTargets.Get(appscaling.Key(a.Region, a.Account, a.Resource))
	if !ok {
		return ""
	}
	p, ok := t.ScalingProgress.Get(target.Key())
	if !ok || p.Held == "" || !p.Service.Equal(svc.CreatedAt) || !called(t, target) {
		return ""
	}
	text := held(p, target, now)
	if text == "" {
		return ""
	}
	return fmt.Sprintf("Scaling policies have changed nothing since %s: %s.", at(p.HeldSince), text)
}

// called reports whether an alarm is in a state in which it calls a policy of a target.
func called(t *state.Tables, target *appscaling.Target) bool {
	for p := range t.ScalingPolicies.Prefix(target.Key()) {
		for a := range t.Alarms.By(state.AlarmsByAction, p.ARN()) {
			if calls(t, a, p.ARN()) {
				return true
			}
		}
	}
	return false
}

func calls(t *state.Tables, a *alarm.Alarm, policyARN string) bool {
	status, ok := t.AlarmStatus.Get(a.ARN)
	return ok && a.ActionsEnabled && slices.Contains(a.ActionsFor(status.Value), policyARN)
}

// held returns the words for the reason why the last call of a policy changed nothing, or "" if it does not hold any
// more.
func held(p *appscaling.Progress, target *appscaling.Target, now time.Time) string {
	switch p.Held {
	case scaling.AlreadyAtMax:
		return fmt.Sprintf("the desired count is at its maximum, %d", target.Bounds.Max)
	case scaling.AlreadyAtMin:
		return fmt.Sprintf("the desired count is at its minimum, %d", target.Bounds.Min)
	case scaling.AlreadyAtDesired:
		return "the policies propose the present desired count"
	case scaling.AnticipatedFlapping:
		return "with fewer tasks, the metric of a policy would be above its target"
	case scaling.CoolingDown:
		if !now.Before(p.Last.Until) {
			return ""
		}
		return fmt.Sprintf("the cooldown of the last change, from %d to %d tasks, ends at %s", p.Last.From, p.Last.To,
			at(p.Last.Until))
	case scaling.Suspended:
		return "scaling in this direction is suspended"
	case scaling.UnderWay:
		return "a deployment is in progress, and until it ends no policy scales in"
	case scaling.NotAll:
		return "not all target tracking policies propose to scale in"
	case scaling.OutOfBounds:
		return fmt.Sprintf("the desired count is outside of its bounds, %d to %d", target.Bounds.Min, target.Bounds.Max)
	}
	return string(p.Held)
}

// Capacity says why the Auto Scaling group of a capacity provider gets no more instances while tasks wait for them. It
// returns "" if no task waits, or if nothing is in the way.
func Capacity(t *state.Tables, c *ecs.Cluster, name string) string {
	p, ok := provider.Named(t, c, name)
	if !ok {
		return ""
	}
	s, ok := t.ManagedScaling.Get(p.CapacityProviderARN)
	if !ok || s.Held == "" {
		return ""
	}
	for task := range t.Tasks.By(state.TasksProvisioning, c.ClusterARN) {
		if task.CapacityProviderName == name {
			return s.Held
		}
	}
	return ""
}
