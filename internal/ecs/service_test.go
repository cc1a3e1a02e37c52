package ecs

import "testing"

// ecs.md 3.5.1
func TestThreshold(t *testing.T) {
	of := func(kind string, value int) CircuitBreaker {
		return CircuitBreaker{ThresholdConfiguration: &ThresholdConfiguration{kind, value}}
	}
	for _, c := range []struct {
		b             CircuitBreaker
		desired, want int
	}{
		{CircuitBreaker{}, 1, 3}, {CircuitBreaker{}, 25, 13}, {CircuitBreaker{}, 400, 200},
		{CircuitBreaker{}, 800, 200}, {CircuitBreaker{}, 0, 3}, {CircuitBreaker{}, 7, 4}, {
			of(ThresholdBoundedPercent, 10), 100, 10,
		}, {of(ThresholdBoundedPercent, 1), 100, 3}, {of(ThresholdUnboundedPercent, 1), 100, 1},
		{of(ThresholdUnboundedPercent, 50), 800, 400}, {of(ThresholdUnboundedPercent, 10), 0, 1},
		{of(ThresholdCount, 2), 800, 2}, {of(ThresholdCount, 500), 1, 500},
	} {
		if got := c.b.Threshold(c.desired); got != c.want {
			t.Errorf("%+v of %d: got %d, want %d", c.b.ThresholdConfiguration, c.desired, got, c.want)
		}
	}
}
