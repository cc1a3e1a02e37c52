package scaling

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Adjustment says what the number in an adjustment means.
type Adjustment string

// The kinds of adjustments.
const (
	ChangeInCapacity        Adjustment = "ChangeInCapacity"
	PercentChangeInCapacity Adjustment = "PercentChangeInCapacity"
	ExactCapacity           Adjustment = "ExactCapacity"
)

// Adjust returns the capacity after an adjustment, at least 0. A percentage is rounded towards zero
// but changes the capacity by at least one, or by atLeast if that is not 0 (ecs.md 5.10).
func (a Adjustment) Adjust(current, by, atLeast int) int {
	switch a {
	case ExactCapacity:
		return max(by, 0)
	case PercentChangeInCapacity:
		if by == 0 {
			return current
		}
		change := int(math.Trunc(float64(current) * float64(by) / 100))
		sign := cmp.Compare(by, 0)
		return max(current+sign*max(change*sign, 1, atLeast), 0)
	}
	return max(current+by, 0)
}

// Step is the adjustment for a range of breaches. Bounds are relative to the alarm's threshold; nil
// is infinite.
type Step struct {
	Lower, Upper *float64
	By           int
}

// MaxSteps is the most steps that a policy may have (ecs.md 5.10, 6.1).
const MaxSteps = 20

// CheckSteps returns an error if steps of a policy overlap, if there is a gap between two, or if
// more than one has no lower bound or no upper bound (ecs.md 5.10).
func CheckSteps(steps []Step) error {
	switch {
	case len(steps) == 0:
		return errors.New("there must be at least one step adjustment")
	case len(steps) > MaxSteps:
		return fmt.Errorf("a policy has at most %d step adjustments, and this one has %d", MaxSteps, len(steps))
	}
	sorted := slices.SortedFunc(slices.Values(steps), func(a, b Step) int { return cmp.Compare(a.lower(), b.lower()) })
	open := func(bound func(Step) *float64) (n int) {
		for _, s := range steps {
			if bound(s) == nil {
				n++
			}
		}
		return n
	}
	if open(func(s Step) *float64 { return s.Lower }) > 1 || open(func(s Step) *float64 { return s.Upper }) > 1 {
		return errors.New("at most one step may have no lower bound, and at most one no upper bound")
	}
	for i, s := range sorted {
		switch {
		case math.IsNaN(s.lower()) || math.IsNaN(s.upper()):
			return errors.New("a bound of a step must be a number")
		case s.lower() >= s.upper():
			return fmt.Errorf("the lower bound of a step must be below its upper bound; %v is not below %v",
				s.lower(), s.upper())
		case s.Lower == nil && s.Upper == nil && len(steps) > 1:
			return errors.New("a step without bounds leaves no room for another one")
		case i > 0 && sorted[i-1].upper() > s.lower():
			return fmt.Errorf("the steps that begin at %v and %v overlap", sorted[i-1].lower(), s.lower())
		case i > 0 && sorted[i-1].upper() < s.lower():
			return fmt.Errorf("there is a gap between steps, from %v to %v", sorted[i-1].upper(), s.lower())
		}
	}
	return nil
}

func (s Step) lower() float64 {
	if s.Lower == nil {
		return math.Inf(-1)
	}
	return *s.Lower
}

func (s Step) upper() float64 {
	if s.Upper == nil {
		return math.Inf(1)
	}
	return *s.Upper
}

// FindStep returns the step for a value that breaches the threshold of an alarm. Above the
// threshold a step includes its lower bound, below the threshold its upper bound (ecs.md 5.10).
func FindStep(steps []Step, value, threshold float64, c Comparison) (Step, bool) {
	breach := value - threshold
	for _, s := range steps {
		in := breach >= s.lower() && breach < s.upper()
		if !c.Upwards() {
			in = breach > s.lower() && breach <= s.upper()
		}
		if in {
			return s, true
		}
	}
	return Step{}, false
}
