package scaling

import (
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Pace is how fast the rules of scaling run: periods and evaluations of alarms, cooldowns, warm-up times. The
// settings that users read and write stay those of AWS.
type Pace string

// The paces.
const (
	PaceOfAWS Pace = ""
	// PaceOfSeconds counts a minute as a second.
	PaceOfSeconds Pace = "seconds"
)

// PaceTag is the key of the tag that gives one alarm, scalable target or Auto Scaling group its pace. Its values are
// seconds and aws.
const PaceTag = "berth:pace"

// PaceFrom returns the pace of something with tags. A tag with another value than aws and seconds is no pace.
func PaceFrom(tags tag.Set, server Pace) Pace {
	switch v, _ := tags.Get(PaceTag); v {
	case string(PaceOfSeconds):
		return PaceOfSeconds
	case "aws":
		return PaceOfAWS
	}
	return server
}

// shortest is the shortest period that there are points for.
const shortest = time.Second

// Of returns how long a time of the settings takes: at the pace of seconds the 60th part of it.
func (p Pace) Of(d time.Duration) time.Duration {
	if p == PaceOfSeconds {
		return d / 60
	}
	return d
}

// Period returns how long a period of a metric, or the time between two evaluations, takes: full seconds, and at least
// one.
func (p Pace) Period(d time.Duration) time.Duration {
	if p == PaceOfSeconds && d > 0 {
		return max(p.Of(d).Truncate(shortest), shortest)
	}
	return d
}
