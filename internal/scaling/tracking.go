package scaling

import (
	"fmt"
	"math"
	"time"
)

// Tracking is a policy that keeps a metric near a target.
type Tracking struct {
	Target         float64
	DisableScaleIn bool
}

// Capacity returns the capacity that would bring the metric to the target: capacity x metric /
// target, rounded up in both directions (ecs.md 5.10, 6.6). From zero it returns one (ecs.md 6.6).
func (t Tracking) Capacity(running int, metric float64) int {
	if running == 0 {
		if metric > t.Target {
			return 1
		}
		return 0
	}
	return ceil(float64(running) * metric / t.Target)
}

// ceil rounds up, but ignores a rounding error above an integer. It stays within 32 bits.
func ceil(v float64) int {
	if v >= math.MaxInt32 {
		return math.MaxInt32
	}
	return int(max(math.Ceil(v-1e-9*max(1, math.Abs(v))), 0))
}

// Propose returns what the policy proposes when one of its alarms fires: more capacity if the
// metric is high, less if it is low.
func (t Tracking) Propose(policy string, running int, metric float64) Proposal {
	p := Proposal{Policy: policy, Tracking: true, To: t.Capacity(running, metric), NeverIn: t.DisableScaleIn}
	switch {
	case metric > t.Target:
		p.Direction = Out
	case metric < LowShare*t.Target:
		p.Direction = In
	}
	return p
}

// LowShare is the share of the target below which a policy proposes to scale in (ecs.md 6.5).
const LowShare = 0.9

// The periods of the alarms of target tracking.
const (
	highPeriods = 3
	lowPeriods  = 15
)

// Alarms returns the conditions of the two alarms of a service's policy (ecs.md 6.5). ok says
// whether there is a low one: there is none if scaling in is disabled.
func (t Tracking) Alarms(period time.Duration) (high, low Condition, ok bool) {
	return t.alarms(period, highPeriods, LowShare)
}

// ReservationAlarms returns the conditions of the alarms of a capacity provider's managed scaling
// (ecs.md 4.6).
func (t Tracking) ReservationAlarms() (high, low Condition) {
	high, low, _ = t.alarms(time.Minute, 1, 1)
	return high, low
}

func (t Tracking) alarms(period time.Duration, periods int, share float64) (high, low Condition, ok bool) {
	high = Condition{Comparison: Greater, Threshold: t.Target, Period: period, Periods: periods}
	low = Condition{Comparison: Less, Threshold: share * t.Target, Period: period, Periods: lowPeriods}
	return high, low, !t.DisableScaleIn
}

// AlarmNames returns the names of the alarms of a target tracking policy. resource is
// service/CLUSTER/SERVICE or the name of an Auto Scaling group (ecs.md 4.6, 6.5).
func AlarmNames(resource, highID, lowID string) (high, low string) {
	return fmt.Sprintf("TargetTracking-%s-AlarmHigh-%s", resource, highID),
		fmt.Sprintf("TargetTracking-%s-AlarmLow-%s", resource, lowID)
}
