package elb

import (
	"strconv"
	"strings"
	"time"
)

// AllZones is the zone of a target outside every zone of the load balancer.
const AllZones = "all"

// Target is an instance or an address that was registered with a target group, on one port. Its key
// is TargetKey of its group, id and port. Registering the same id and port again is a no-op;
// registering it while it drains starts it anew.
type Target struct {
	TargetGroupARN string
	ID             string // instance id, or IP address
	Port           int    // where it receives traffic
	// Address is the IP address the edge reaches it at: the instance's own address, or ID for ip targets.
	Address string
	// Zone is the Availability Zone it was registered with, "" when none was given; AllZones is outside the VPC.
	Zone       string
	Registered time.Time
	// Draining is when the target was deregistered; zero while it is registered. DrainUntil is when
	// its delay is over and what is left of its connections is cut.
	Draining   time.Time
	DrainUntil time.Time
}

// TargetKey is the primary key of a target and of its health. The group's ARN is its prefix, so
// that the targets of a group are one range of the table: use TargetPrefix.
func TargetKey(groupARN, id string, port int) string {
	return TargetPrefix(groupARN) + id + "|" + strconv.Itoa(port)
}

// TargetPrefix starts the keys of all targets of the group and of no other.
func TargetPrefix(groupARN string) string { return groupARN + "|" }

// GroupOfTargetKey returns the ARN of the target group in a target's key.
func GroupOfTargetKey(key string) string {
	arn, _, _ := strings.Cut(key, "|")
	return arn
}

// Key is the target's primary key.
func (t *Target) Key() string { return TargetKey(t.TargetGroupARN, t.ID, t.Port) }

// IsDraining reports whether the target was deregistered and gets no new request.
func (t *Target) IsDraining() bool { return !t.Draining.IsZero() }

// States of a target.
const (
	Initial     = "initial"
	Healthy     = "healthy"
	Unhealthy   = "unhealthy"
	Unused      = "unused"
	Draining    = "draining"
	Unavailable = "unavailable"
)

// Reasons a target is not healthy (alb.md 3.2).
const (
	ReasonRegistration     = "Elb.RegistrationInProgress"
	ReasonInitialChecks    = "Elb.InitialHealthChecking"
	ReasonCodeMismatch     = "Target.ResponseCodeMismatch"
	ReasonTimeout          = "Target.Timeout"
	ReasonFailedChecks     = "Target.FailedHealthChecks"
	ReasonNotRegistered    = "Target.NotRegistered"
	ReasonNotInUse         = "Target.NotInUse"
	ReasonDeregistration   = "Target.DeregistrationInProgress"
	ReasonInternalError    = "Elb.InternalError"
	notInUseDescription    = "Target group is not configured to receive traffic from the load balancer"
	drainingDescription    = "Target deregistration is in progress"
	registeringDescription = "Target registration is in progress"
)

// Verdict is what one edge sees of a target.
type Verdict struct {
	Key string `json:",omitempty"` // the target's
	// Registered is the registration this is the verdict of: a verdict of an earlier one is ignored.
	Registered  time.Time
	State       string // Initial, Healthy or Unhealthy
	Reason      string // "" when healthy
	Description string // "" when healthy
	Since       time.Time
	// SlowStart is when the target began to take its slowly growing share; zero when it takes its
	// full share (alb.md S1, S2).
	SlowStart time.Time
	// Drained is set once the target was deregistered and the edge holds no request and no connection for it any more.
	Drained bool
}

// TargetHealth is what the edges last saw of a target: one verdict, and what it was made of. Its
// key equals the target's. Written by publish alone.
type TargetHealth struct {
	Verdict
	// Edges is what each edge sees, by its id. It is empty while one edge serves: the verdict is then that edge's own.
	Edges map[string]Verdict `json:",omitempty"`
}

// Health is a target's state, reason and description as DescribeTargetHealth tells it.
type Health struct{ State, Reason, Description string }

// HealthOf combines what was asked (t, nil when there is no such target; inUse, whether a listener
// or rule refers to its group) with what was seen (seen, nil when nothing was).
func HealthOf(t *Target, seen *TargetHealth, inUse bool) Health {
	switch {
	case t == nil:
		return Health{Unused, ReasonNotRegistered, "Target is not registered to the target group"}
	case t.IsDraining():
		return Health{Draining, ReasonDeregistration, drainingDescription}
	case !inUse:
		return Health{Unused, ReasonNotInUse, notInUseDescription}
	case seen == nil || !seen.Registered.Equal(t.Registered):
		return Health{Initial, ReasonRegistration, registeringDescription}
	}
	return Health{seen.State, seen.Reason, seen.Description}
}

// Deregister returns t as it is once it was deregistered: it gets no new request, and what it is
// busy with may go on for delay.
func (t *Target) Deregister(now time.Time, delay time.Duration) *Target {
	c := *t
	c.Draining, c.DrainUntil = now, now.Add(delay)
	return &c
}
