package scaling

import (
	"time"
)

// Direction is the direction in which a policy wants to change a capacity.
type Direction int

// Out adds capacity, In removes some, Hold does neither.
const (
	Hold Direction = 0
	Out  Direction = 1
	In   Direction = -1
)

// DefaultCooldown is the cooldown of a policy that sets none (ecs.md 6.8, 6.9).
const DefaultCooldown = 300 * time.Second

// Proposal is the capacity that one policy proposes at a moment.
type Proposal struct {
	Policy    string
	Direction Direction
	To        int
	Tracking  bool          // a policy that tracks a target: scaling in needs all of these to agree (ecs.md 6.12)
	NeverIn   bool          // it never proposes to scale in, and does not keep others from it
	Cooldown  time.Duration // how long to wait after this change
}

// Bounds are the limits of a capacity.
type Bounds struct{ Min, Max int }

// Clip returns n, or the nearest bound if n is outside.
func (b Bounds) Clip(n int) int { return min(max(n, b.Min), b.Max) }

// Activity is the last change of a capacity by a policy (ecs.md 6.8).
type Activity struct {
	Direction Direction // Hold when there was none
	From, To  int
	Until     time.Time // when the cooldown is over
}

// Situation is what a decision is based on.
type Situation struct {
	Now            time.Time
	Current        int // the capacity that is desired now
	Bounds         Bounds
	Last           Activity
	NoOut, NoIn    bool // suspended
	Deploying      bool // a deployment is in progress: scaling in is suspended (ecs.md 6.11)
	Unscalable     bool // the resource cannot be scaled
	ProjectedLevel func(capacity int) (high bool)
}

// Reason says why a capacity was not changed (ecs.md 6.7).
type Reason string

// The reasons of Application Auto Scaling.
const (
	AnticipatedFlapping Reason = "AutoScalingAnticipatedFlapping"
	AlreadyAtMax        Reason = "AlreadyAtMaxCapacity"
	AlreadyAtMin        Reason = "AlreadyAtMinCapacity"
	AlreadyAtDesired    Reason = "AlreadyAtDesiredCapacity"
	PutAsUnscalable     Reason = "TargetServicePutResourceAsUnscalable"

	// Reasons that Application Auto Scaling does not report as NotScaledReasons.
	CoolingDown Reason = "CoolingDown"
	Suspended   Reason = "Suspended"
	UnderWay    Reason = "DeploymentInProgress"
	NotAll      Reason = "NotAllPoliciesAgree"
	OutOfBounds Reason = "OutOfBounds" // the capacity is beyond the other bound (ecs.md 6.10)
)

// Decision is what to do. If Reason is set, nothing is changed and To is the present capacity.
type Decision struct {
	To     int
	Policy string // whose proposal it follows
	Reason Reason
	Last   Activity // to be stored for the next decision
}

// Decide combines the proposals of all policies of a resource. It scales out if any policy proposes
// that, and in if all policies that track a target do; the largest proposed capacity wins (ecs.md
// 6.12). A changed capacity is always within the bounds.
func Decide(s Situation, proposals []Proposal) Decision {
	if p, any := largest(proposals, Out); any {
		return s.out(p)
	}
	p, any := largest(proposals, In)
	if !any {
		return s.stay(p, "")
	}
	for _, other := range proposals {
		if other.Tracking && !other.NeverIn && other.Direction != In {
			return s.stay(p, NotAll)
		}
	}
	return s.in(p)
}

func largest(proposals []Proposal, d Direction) (best Proposal, any bool) {
	for _, p := range proposals {
		if p.Direction == d && (d == Out || !p.NeverIn) && (!any || p.To > best.To) {
			best, any = p, true
		}
	}
	return best, any
}

func (s Situation) stay(p Proposal, why Reason) Decision {
	return Decision{To: s.Current, Policy: p.Policy, Reason: why, Last: s.Last}
}

func (s Situation) move(p Proposal, to int, d Direction) Decision {
	return Decision{To: to, Policy: p.Policy, Last: Activity{d, s.Current, to, s.Now.Add(p.Cooldown)}}
}

// cooling reports whether the cooldown of the last change in a direction is still running.
func (s Situation) cooling(d Direction) bool {
	return s.Last.Direction == d && s.Now.Before(s.Last.Until)
}

// out follows a proposal to scale out. During the cooldown of the last such change only a larger
// one has an effect (ecs.md 6.8). A capacity below its bounds is at least moved to them (ecs.md
// 6.10).
func (s Situation) out(p Proposal) Decision {
	to := s.Bounds.Clip(max(p.To, s.Bounds.Min))
	switch {
	case s.Unscalable:
		return s.stay(p, PutAsUnscalable)
	case s.NoOut:
		return s.stay(p, Suspended)
	case s.Current > s.Bounds.Max:
		return s.stay(p, OutOfBounds)
	case to > s.Current:
		d := s.move(p, to, Out)
		if s.cooling(Out) {
			d.Last.From = s.Last.From // the earlier additions count as part of this change
		}
		return d
	case s.Current == s.Bounds.Max:
		return s.stay(p, AlreadyAtMax)
	case s.cooling(Out):
		return s.stay(p, CoolingDown)
	}
	return s.stay(p, AlreadyAtDesired)
}

// in follows a proposal to scale in. The cooldown of the last such change blocks it (ecs.md 6.8). A
// capacity above its bounds is at least moved to them (ecs.md 6.10).
func (s Situation) in(p Proposal) Decision {
	to := s.Bounds.Clip(min(p.To, s.Bounds.Max))
	switch {
	case s.Unscalable:
		return s.stay(p, PutAsUnscalable)
	case s.NoIn:
		return s.stay(p, Suspended)
	case s.Deploying:
		return s.stay(p, UnderWay)
	case s.Current < s.Bounds.Min:
		return s.stay(p, OutOfBounds)
	case s.Current == s.Bounds.Min:
		return s.stay(p, AlreadyAtMin)
	case to >= s.Current:
		return s.stay(p, AlreadyAtDesired)
	case s.cooling(In):
		return s.stay(p, CoolingDown)
	case s.ProjectedLevel != nil && s.ProjectedLevel(to):
		return s.stay(p, AnticipatedFlapping)
	}
	return s.move(p, to, In)
}

// StepBase returns the capacity that a step policy adjusts. During the cooldown of the last
// addition it is the capacity before that, so that the addition counts as part of the next one
// (ecs.md 6.9).
func (s Situation) StepBase(d Direction) int {
	base := s.Current
	if d == Out && s.cooling(Out) && s.Last.To == s.Current {
		base = s.Last.From
	}
	switch {
	case d == Out:
		return max(base, s.Bounds.Min)
	case d == In:
		return min(base, s.Bounds.Max)
	}
	return base
}

// Track returns the proposal of a policy that tracks a target. During the cooldown after an addition the metric may
// still be that of the capacity before it. So Track then computes from the capacity before, and proposes more only if
// the addition is not enough (ecs.md 6.8).
func (s Situation) Track(t Tracking, policy string, running int, metric float64) Proposal {
	p := t.Propose(policy, running, metric)
	if p.Direction == Out && s.cooling(Out) && s.Last.To == s.Current {
		p.To = t.Capacity(min(running, s.Last.From), metric)
	}
	return p
}

// Flaps returns a ProjectedLevel for a policy that tracks a target: it reports whether a smaller
// capacity would put the metric above the target (ecs.md 6.7).
func (t Tracking) Flaps(running int, metric float64) func(capacity int) bool {
	return func(capacity int) bool {
		if capacity == 0 {
			return metric > 0
		}
		return metric*float64(running)/float64(capacity) > t.Target*(1+1e-9)
	}
}
