package scaling

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Observation has the values that an alarm compared when it made an action due. Policies decide from it.
type Observation struct {
	Recent     []float64 // values of the periods that were compared, the oldest first; none if they are not known
	Comparison Comparison
	Threshold  float64
}

// Latest returns the newest value. It returns false if no value is known.
func (o Observation) Latest() (value float64, ok bool) {
	if len(o.Recent) == 0 {
		return 0, false
	}
	return o.Recent[len(o.Recent)-1], true
}

// Aggregation says how a step policy combines the values of an observation.
type Aggregation string

// The aggregations; "" is Average (ecs.md 6.9).
const (
	Average Aggregation = "Average"
	Minimum Aggregation = "Minimum"
	Maximum Aggregation = "Maximum"
)

// Of returns the combined value. Without values it returns the threshold, which is the smallest breach that can have
// made the action due.
func (a Aggregation) Of(o Observation) float64 {
	switch {
	case len(o.Recent) == 0:
		return o.Threshold
	case a == Minimum:
		return slices.Min(o.Recent)
	case a == Maximum:
		return slices.Max(o.Recent)
	}
	sum := 0.0
	for _, v := range o.Recent {
		sum += v / float64(len(o.Recent))
	}
	return sum
}

// StepRule has the settings of a step policy of a service or of an Auto Scaling group (ecs.md 5.10, 6.9).
type StepRule struct {
	Adjustment  Adjustment
	Steps       []Step
	Magnitude   *int        `json:",omitempty"` // least change of a PercentChangeInCapacity
	Cooldown    *int        `json:",omitempty"` // seconds; nil means DefaultCooldown
	Aggregation Aggregation `json:",omitempty"`
}

// Check returns an error that says what is wrong if the settings contradict each other.
func (r StepRule) Check() error {
	negative := func(one Step) bool { return one.By < 0 }
	switch {
	case r.Adjustment == ExactCapacity && slices.ContainsFunc(r.Steps, negative):
		return errors.New("a ScalingAdjustment must not be negative for the AdjustmentType ExactCapacity")
	case r.Magnitude != nil && r.Adjustment != PercentChangeInCapacity:
		return errors.New("MinAdjustmentMagnitude is only for the AdjustmentType PercentChangeInCapacity")
	case r.Magnitude != nil && *r.Magnitude < 0:
		return fmt.Errorf("MinAdjustmentMagnitude must not be negative, and is %d", *r.Magnitude)
	}
	return CheckSteps(r.Steps)
}

// Propose returns a step policy's proposal for the observation of an alarm. ok is false if no step is for the value.
// base returns the capacity that a change in a direction is relative to, such as Situation.StepBase. The proposal has
// no cooldown.
func (r StepRule) Propose(policy string, o Observation, base func(Direction) int) (p Proposal, ok bool) {
	step, ok := FindStep(r.Steps, r.Aggregation.Of(o), o.Threshold, o.Comparison)
	if !ok {
		return p, false
	}
	atLeast := 0
	if r.Magnitude != nil {
		atLeast = *r.Magnitude
	}
	p = Proposal{Policy: policy, To: step.By}
	change := step.By
	if r.Adjustment == ExactCapacity {
		change -= base(Hold)
	}
	switch {
	case change > 0:
		p.Direction = Out
	case change < 0:
		p.Direction = In
	}
	p.To = r.Adjustment.Adjust(base(p.Direction), step.By, atLeast)
	return p, true
}

// Cooldown converts a setting in seconds. For nil it returns DefaultCooldown (ecs.md 6.8).
func Cooldown(seconds *int) time.Duration {
	if seconds == nil {
		return DefaultCooldown
	}
	return time.Duration(*seconds) * time.Second
}
