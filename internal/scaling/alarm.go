package scaling

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is the state of an alarm.
type State string

// The states of alarms.
const (
	OK               State = "OK"
	InAlarm          State = "ALARM"
	InsufficientData State = "INSUFFICIENT_DATA" // a new alarm has it too (ecs.md 7.4)
)

// Comparison says which values breach a threshold.
type Comparison string

// The comparisons with a number as threshold.
const (
	GreaterOrEqual Comparison = "GreaterThanOrEqualToThreshold"
	Greater        Comparison = "GreaterThanThreshold"
	Less           Comparison = "LessThanThreshold"
	LessOrEqual    Comparison = "LessThanOrEqualToThreshold"
)

// Breaches reports whether a value breaches a threshold. An unknown comparison never does.
func (c Comparison) Breaches(value, threshold float64) bool {
	switch c {
	case GreaterOrEqual:
		return value >= threshold
	case Greater:
		return value > threshold
	case Less:
		return value < threshold
	case LessOrEqual:
		return value <= threshold
	}
	return false
}

// Upwards reports whether values above the threshold breach it.
func (c Comparison) Upwards() bool { return c == GreaterOrEqual || c == Greater }

// Numeric reports whether it is a comparison with a number.
func (c Comparison) Numeric() bool { return words[c] != "" }

// words are the comparisons as the reason of an alarm writes them.
var words = map[Comparison]string{
	GreaterOrEqual: "greater than or equal to", Greater: "greater than",
	Less: "less than", LessOrEqual: "less than or equal to",
}

// Missing says how periods without data are treated (ecs.md 7.6).
type Missing string

// The ways to treat missing data.
const (
	MissingIsMissing      Missing = "missing"
	MissingIgnored        Missing = "ignore"
	MissingIsBreaching    Missing = "breaching"
	MissingIsNotBreaching Missing = "notBreaching"
)

// Condition is what an alarm compares.
type Condition struct {
	Comparison  Comparison
	Threshold   float64
	Period      time.Duration
	Periods     int     // N: how many periods are evaluated
	ToAlarm     int     // M: how many of them must breach; 0 means all
	MissingData Missing // "" means missing
}

// M returns how many periods must breach.
func (c Condition) M() int {
	if c.ToAlarm == 0 {
		return c.Periods
	}
	return c.ToAlarm
}

// Range returns the number of periods that Evaluate needs: more than N, so that data that arrive
// late are not missing (ecs.md 7.6: five for an N of three).
func (c Condition) Range() int { return c.Periods + 2 }

// Interval returns how often an alarm is evaluated (ecs.md 7.4). An alarm that looks back for more than a day
// is evaluated once an hour; ecs.md does not say it, AWS's guide does.
func (c Condition) Interval() time.Duration {
	switch {
	case c.Period < time.Minute:
		return 10 * time.Second
	case time.Duration(c.Periods)*c.Period > 24*time.Hour:
		return time.Hour
	}
	return time.Minute
}

// Datapoint is the value of a period. Known is false when there is none.
type Datapoint struct {
	Start   time.Time
	Value   float64
	Samples float64 // how many values it was computed from; 0 if that is not known
	Known   bool
}

// Verdict is the state that follows from the data, and the reason.
type Verdict struct {
	State  State
	Reason string
}

// Evaluate returns the state of an alarm, from its present state and the newest Range periods, the
// oldest first (ecs.md 7.6). If the data do not decide, it returns the present state and no reason.
func (c Condition) Evaluate(points []Datapoint, now State) Verdict {
	real := c.Considered(points)
	oldest := 0 // age of the oldest real point in periods; the newest period has 1
	if i := slices.IndexFunc(points, func(p Datapoint) bool { return p.Known }); i >= 0 {
		oldest = len(points) - i
	}
	breaching := 0
	for _, p := range real {
		if c.Comparison.Breaches(p.Value, c.Threshold) {
			breaching++
		}
	}
	filled := c.Periods - len(real)
	state := c.state(len(real), breaching, filled, oldest, now)
	if state == now {
		return Verdict{State: now}
	}
	return Verdict{state, c.reason(real, breaching, filled, now, state)}
}

// Considered returns the points that Evaluate compares: the newest N real ones, the oldest first.
func (c Condition) Considered(points []Datapoint) (real []Datapoint) {
	for _, p := range points {
		if p.Known {
			real = append(real, p)
		}
	}
	return real[max(0, len(real)-c.Periods):]
}

// state decides if there are real points, some of which breach, and periods that must be filled.
func (c Condition) state(real, breaching, filled, oldest int, now State) State {
	of := func(breaching int) State {
		if breaching >= c.M() {
			return InAlarm
		}
		return OK
	}
	allBreach := breaching == real
	switch {
	case filled == 0:
		return of(breaching)
	case c.MissingData == MissingIsBreaching:
		return of(breaching + filled)
	case c.MissingData == MissingIsNotBreaching:
		return of(breaching)
	case breaching >= c.M():
		return InAlarm // whatever the missing data would have been
	case c.MissingData == MissingIgnored && allBreach:
		return now
	case real == 0:
		return InsufficientData
	case allBreach && oldest >= c.M():
		return InAlarm // the missing data could not have prevented it
	case allBreach:
		return now // too early to decide
	}
	return of(breaching)
}

// reason returns CloudWatch's text for a change of state.
func (c Condition) reason(real []Datapoint, breaching, filled int, now, state State) string {
	if state == InsufficientData {
		return fmt.Sprintf("Insufficient Data: %s unknown.", was(c.Periods))
	}
	if len(real) == 0 {
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s%s.",
			plural(c.Periods, "period"), c.treated(filled))
	}
	not, crossed := "", "crossed"
	if state == OK {
		not, crossed = " not", "did not cross"
	}
	shown := make([]string, 0, len(real))
	for _, p := range slices.Backward(real) { // the newest first
		if c.Comparison.Breaches(p.Value, c.Threshold) == (state == InAlarm) {
			shown = append(shown, fmt.Sprintf("%s (%s)", Number(p.Value), p.Start.UTC().Format("02/01/06 15:04:05")))
		}
	}
	n := len(shown)
	count := plural(n, "datapoint")
	if c.ToAlarm != 0 {
		count = fmt.Sprintf("%d out of the last %d datapoints", n, c.Periods)
	}
	list, recent := " ["+strings.Join(shown[:min(n, maxShown)], ", ")+"]", ""
	if n >= maxShown {
		list, recent = "", ". The most recent datapoints which "+crossed+" the threshold:"+list
	}
	text := fmt.Sprintf("Threshold Crossed: %s%s%s%s %s the threshold (%s)%s%s", count, list, verb(n), not,
		words[c.Comparison], Number(c.Threshold), c.treated(filled), recent)
	if c.ToAlarm == 0 {
		return text + "."
	}
	needed := c.M()
	if state == OK {
		needed = c.Periods - c.M() + 1
	}
	return fmt.Sprintf("%s (minimum %s for %s -> %s transition).", text, plural(needed, "datapoint"), now, state)
}

// maxShown is how many values a reason has at most. One with as many lists them at its end.
const maxShown = 5

// treated returns the part of a reason that says how missing data were filled; "" if they were not.
func (c Condition) treated(filled int) string {
	how := map[Missing]string{MissingIsBreaching: "Breaching", MissingIsNotBreaching: "NonBreaching"}[c.MissingData]
	if filled == 0 || how == "" {
		return ""
	}
	return fmt.Sprintf(" and %s%s treated as [%s]", plural(filled, "missing datapoint"), verb(filled), how)
}

func was(n int) string { return plural(n, "datapoint") + verb(n) }

func verb(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Number formats a value as reasons of alarms have it: always with a decimal point.
func Number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// TooFewSamples reports whether a percentile of so few samples means little. An alarm that ignores
// low sample counts then keeps its state (ecs.md 7.7). The percentile is between 0 and 100.
func TooFewSamples(percentile, samples float64) bool {
	p := percentile / 100
	if p < 0.5 {
		return samples*p < 10
	}
	return samples*(1-p) < 10-1e-9
}
