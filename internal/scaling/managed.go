package scaling

import "time"

// ScaleInAfter is the time after a scale-out during which the group of a capacity provider is not made smaller (ecs.md
// 4.7).
const ScaleInAfter = 15 * time.Minute

// Managed has the present size of a capacity provider's Auto Scaling group, and what its tasks need.
type Managed struct {
	Provider
	InService, Desired int
	Bounds             Bounds
	Needed             int       // instances; the first result of Instances
	Fits               bool      // the second result of Instances
	Warming            bool      // instances are starting or warming up: they are capacity that is coming (ecs.md 4.8)
	ScaledOut          time.Time // when the group was last made larger
	Quiet              time.Duration
}

// The reasons why the group of a capacity provider is not changed.
const (
	HeldSteady  Reason = "" // it has what is needed
	HeldWarming Reason = "WarmingUp"
	HeldQuiet   Reason = "ScaledOutRecently"
	HeldNoFit   Reason = "TasksDoNotFit"
)

// Value returns the metric CapacityProviderReservation (ecs.md 4.2).
func (m Managed) Value() float64 { return m.Reservation(m.Needed, m.InService, m.Fits) }

// Follow returns the new desired capacity of the group when the alarm for a direction is in the state ALARM, or the
// present one and the reason why it does not change. A new capacity is within the bounds (ecs.md 4.2 to 4.8).
func (m Managed) Follow(d Direction, now time.Time) (to int, why Reason) {
	value := m.Value()
	switch {
	case !m.Fits:
		return m.Desired, HeldNoFit
	case d == Out && value > m.Target && m.Needed > 0: // an empty group without tasks has the value 100
		return m.out(value)
	case d == In && value < m.Target:
		return m.in(value, now)
	}
	return m.Desired, HeldSteady
}

func (m Managed) out(value float64) (int, Reason) {
	to := m.Bounds.Clip(m.Provider.Desired(m.InService, value))
	switch {
	case m.Desired >= m.Bounds.Max:
		return m.Desired, AlreadyAtMax
	case m.Warming:
		return m.Desired, HeldWarming
	case to <= m.Desired:
		return m.Desired, HeldSteady
	}
	return to, HeldSteady
}

func (m Managed) in(value float64, now time.Time) (int, Reason) {
	to := m.Bounds.Clip(m.Provider.Desired(m.InService, value))
	switch {
	case now.Sub(m.ScaledOut) < m.Quiet:
		return m.Desired, HeldQuiet
	case m.Desired <= m.Bounds.Min:
		return m.Desired, AlreadyAtMin
	case to >= m.Desired:
		return m.Desired, HeldSteady
	}
	return to, HeldSteady
}
