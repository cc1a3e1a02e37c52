package control_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
)

// Each minute of the clock is measured once, also if the clock differs from the timer, because it is slewed, unless it
// is set back by more than a minute.
func TestEachMinute(t *testing.T) {
	const minute, ms = time.Minute, time.Millisecond
	for name, c := range map[string]struct {
		back []time.Duration // how far the clock goes back before each call; before the others not at all
		want []time.Duration // when it is called by the clock, in the first five and a half minutes of the timer
	}{
		"exact": {nil, []time.Duration{0, minute, 2 * minute, 3 * minute, 4 * minute}},
		"slewed back": {[]time.Duration{ms, ms, ms, ms, ms},
			[]time.Duration{-ms, minute - ms, 2*minute - ms, 3*minute - ms, 4*minute - ms}},
		"slewed forward": {[]time.Duration{-ms, -ms, -ms, -ms, -ms},
			[]time.Duration{ms, minute + ms, 2*minute + ms, 3*minute + ms, 4*minute + ms}},
		"set back by a minute": {[]time.Duration{0, minute}, []time.Duration{0, 0, 2 * minute, 3 * minute}},
		"set back by more": {[]time.Duration{0, 10 * minute},
			[]time.Duration{0, -9 * minute, -8 * minute, -7 * minute, -6 * minute}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().Add(minute / 2) // the bubble begins at midnight
				behind, calls := time.Duration(0), 0
				now := func() time.Time { return time.Now().Add(-behind) }
				ctx, cancel := context.WithTimeout(t.Context(), 5*minute)
				defer cancel()
				var got []time.Duration
				control.EachMinute(ctx, now, func() {
					if calls < len(c.back) {
						behind += c.back[calls]
					}
					calls++
					got = append(got, now().Sub(start))
				})
				if !slices.Equal(got, c.want) {
					t.Errorf("called at %v, want %v", got, c.want)
				}
			})
		})
	}
}
