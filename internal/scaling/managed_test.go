package scaling

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func managed(edit func(*Managed)) Managed {
	m := Managed{Provider: Provider{Target: 100, MinStep: 1, MaxStep: 10000}, Bounds: Bounds{0, 10}, Fits: true,
		Quiet: ScaleInAfter}
	edit(&m)
	return m
}

// ecs.md 4.2 to 4.8
func TestManagedFollows(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Managed
		d    Direction
		to   int
		why  Reason
	}{
		{"from zero to two", managed(func(m *Managed) { m.Needed = 1 }), Out, 2, HeldSteady},
		{"from zero, at most the maximum",
			managed(func(m *Managed) { m.Needed, m.Bounds.Max = 1, 1 }), Out, 1, HeldSteady},
		{"to what is needed",
			managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 2, 2, 5 }), Out, 5, HeldSteady},
		{"no instance is needed", managed(func(*Managed) {}), Out, 0, HeldSteady},
		{"instances are coming", managed(func(m *Managed) { m.Desired, m.Needed, m.Warming = 2, 1, true }), Out, 2,
			HeldWarming},
		{"at the maximum", managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 10, 10, 12 }), Out, 10,
			AlreadyAtMax},
		{"at the maximum while instances come", managed(func(m *Managed) {
			m.InService, m.Desired, m.Needed, m.Warming = 10, 10, 12, true
		}), Out, 10, AlreadyAtMax},
		{"no task fits",
			managed(func(m *Managed) { m.InService, m.Desired, m.Needed, m.Fits = 1, 1, 1, false }), Out, 1,
			HeldNoFit},
		{"an alarm that is out of date",
			managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 3, 3, 3 }), Out, 3,
			HeldSteady},
		{"room to spare",
			managed(func(m *Managed) { m.Target, m.InService, m.Desired, m.Needed = 50, 2, 2, 2 }), Out, 4,
			HeldSteady}, // ecs.md 4.5
		{"two empty ones of four with a target of 50", managed(func(m *Managed) {
			m.Target, m.InService, m.Desired, m.Needed = 50, 4, 4, 2
		}), In, 4, HeldSteady}, // ecs.md 4.5
		{"one of two", managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 2, 2, 1 }), In, 1, HeldSteady},
		{"half at a time", managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 9, 9, 0 }), In, 5, HeldSteady},
		{"the last one", managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 1, 1, 0 }), In, 0, HeldSteady},
		{"not below the minimum", managed(func(m *Managed) {
			m.InService, m.Desired, m.Needed, m.Bounds.Min = 4, 4, 0, 3
		}), In, 3, HeldSteady},
		{"at the minimum", managed(func(m *Managed) {
			m.InService, m.Desired, m.Needed, m.Bounds.Min = 3, 3, 0, 3
		}), In, 3, AlreadyAtMin},
		{"too soon after a scale-out", managed(func(m *Managed) {
			m.InService, m.Desired, m.Needed, m.ScaledOut = 2, 2, 0, noon.Add(-14*time.Minute)
		}), In, 2, HeldQuiet}, // ecs.md 4.7
		{"15 minutes after it", managed(func(m *Managed) {
			m.InService, m.Desired, m.Needed, m.ScaledOut = 2, 2, 0, noon.Add(-15*time.Minute)
		}), In, 1, HeldSteady},
		{"instances are ending already",
			managed(func(m *Managed) { m.InService, m.Desired, m.Needed = 4, 2, 2 }), In, 2,
			HeldSteady},
	} {
		if to, why := c.m.Follow(c.d, noon); to != c.to || why != c.why {
			t.Errorf("%s: %d, %q; want %d, %q", c.name, to, why, c.to, c.why)
		}
	}
}

// The desired capacity stays between the bounds, and a direction only ever moves it that way.
func TestManagedStaysInBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := managed(func(m *Managed) {
			m.Target = float64(rapid.IntRange(1, 100).Draw(rt, "target"))
			m.Bounds.Min = rapid.IntRange(0, 5).Draw(rt, "min")
			m.Bounds.Max = m.Bounds.Min + rapid.IntRange(1, 20).Draw(rt, "range")
			m.Desired = rapid.IntRange(m.Bounds.Min, m.Bounds.Max).Draw(rt, "desired")
			m.InService = rapid.IntRange(0, m.Bounds.Max).Draw(rt, "in service")
			m.Needed = rapid.IntRange(0, 40).Draw(rt, "needed")
			m.Fits, m.Warming = rapid.Bool().Draw(rt, "fits"), rapid.Bool().Draw(rt, "warming")
		})
		out, _ := m.Follow(Out, noon)
		in, _ := m.Follow(In, noon)
		if out < m.Desired || out > m.Bounds.Max || in > m.Desired || in < m.Bounds.Min {
			rt.Fatalf("%+v: out to %d, in to %d", m, out, in)
		}
		if out != m.Desired && in != m.Desired {
			rt.Fatalf("%+v moves both ways: %d and %d", m, out, in)
		}
	})
}

// Under a constant need the capacity settles, and then nothing changes it (ecs.md 4.5): tasks fill whole instances, and
// instances that start are in service at the next look.
func TestManagedSettles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		target := float64(rapid.IntRange(1, 100).Draw(rt, "target"))
		need := rapid.IntRange(0, 8).Draw(rt, "need")
		instances := rapid.IntRange(0, 40).Draw(rt, "instances")
		now, scaledOut, changes := noon, time.Time{}, 0
		for look := range 200 {
			m := managed(func(m *Managed) {
				m.Target, m.Bounds.Max, m.InService, m.Desired = target, 1000, instances, instances
				m.Needed, m.ScaledOut = need, scaledOut
			})
			d := Out
			if m.Value() < target {
				d = In
			}
			to, _ := m.Follow(d, now)
			if to != instances {
				changes++
				if look >= 150 {
					rt.Fatalf("it still changes from %d to %d", instances, to)
				}
			}
			if to > instances {
				scaledOut = now
			}
			instances, now = to, now.Add(time.Minute)
		}
		if want := ceil(100 * float64(need) / target); need > 0 && instances < want {
			rt.Fatalf("%d instances, want %d for %d with the target %v", instances, want, need, target)
		}
		if changes > 20 {
			rt.Fatalf("it changed %d times", changes)
		}
	})
}
