package scaling

import (
	"fmt"
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

// aws is the value of PaceTag for PaceOfAWS.
const aws = "aws"

// WrongPace returns what is wrong with a tag that should give a pace, and "" for a valid one and for other tags.
func WrongPace(t tag.Tag) string {
	if t.Key != PaceTag || t.Value == string(PaceOfSeconds) || t.Value == aws {
		return ""
	}
	return fmt.Sprintf("The value %q of the tag %s is invalid: it must be %s or %s.", t.Value, PaceTag, PaceOfSeconds,
		aws)
}

// PaceFrom returns the pace of a resource with the given tags. It returns server if no tag PaceTag has a valid value.
func PaceFrom(tags tag.Set, server Pace) Pace {
	switch v, _ := tags.Get(PaceTag); v {
	case string(PaceOfSeconds):
		return PaceOfSeconds
	case aws:
		return PaceOfAWS
	}
	return server
}

// shortest is the shortest period for which metrics have points.
const shortest = time.Second

// Of converts a time in the settings to real time. At the pace of seconds it is a sixtieth.
func (p Pace) Of(d time.Duration) time.Duration {
	if p == PaceOfSeconds {
		return d / 60
	}
	return d
}

// Period converts the period of a metric, or the time between two evaluations, to real time: full seconds, at least
// one.
func (p Pace) Period(d time.Duration) time.Duration {
	if p == PaceOfSeconds && d > 0 {
		return max(p.Of(d).Truncate(shortest), shortest)
	}
	return d
}
