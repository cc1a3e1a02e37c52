package alarm

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Evaluation is a moment at which an alarm is evaluated.
type Evaluation struct {
	At time.Time
	// End is the end of the newest period that is compared. Periods end at a full minute, or at multiples of 10
	// seconds when they are shorter than a minute, and not at multiples of their length.
	End time.Time
	// Pace is that of the alarm: it makes periods and the time between evaluations shorter.
	Pace scaling.Pace
}

// Last returns the last evaluation of the alarm that is not after now, and when the next one is.
//
// Alarms are spread over the last two thirds of their interval (scaling.Condition.Interval). So they are not all
// evaluated at once, and what reaches the meter a little late is not missing. pace is that of the server.
func (a *Alarm) Last(now time.Time, pace scaling.Pace) (last Evaluation, next time.Time) {
	pace = a.PaceOn(pace)
	interval := pace.Period(a.Condition.Interval())
	phase := interval / 3
	h := fnv.New64a()
	h.Write([]byte(a.ARN))
	phase += time.Duration(h.Sum64() % uint64(interval-phase)).Truncate(time.Millisecond)
	at := now.Add(-phase).Truncate(interval).Add(phase)
	return Evaluation{at, at.Truncate(interval), pace}, at.Add(interval)
}

// Evaluated reports whether the evaluation is done, or must not be done: settings and states that were written
// after it last until the next one (ecs.md 7.5). Times that are after now are those of a clock that was put back.
func (e Evaluation) Evaluated(a *Alarm, s *Status, now time.Time) bool {
	return slices.ContainsFunc([]time.Time{a.UpdatedAt, s.UpdatedAt, s.RepeatedAt}, func(t time.Time) bool {
		return !t.Before(e.At) && !t.After(now)
	})
}

// Repeats reports whether actions that repeat are due again: a minute of the alarm's pace has passed since they were due
// (ecs.md 7.5).
func (e Evaluation) Repeats(s *Status, now time.Time) bool {
	last := s.TransitionedAt
	if s.RepeatedAt.After(last) {
		last = s.RepeatedAt
	}
	// A state is written a moment after its evaluation, so a little less than a minute has passed.
	return e.At.Sub(last) > e.Pace.Of(time.Minute-5*time.Second) || last.After(now)
}

// Starts returns when the periods begin that an evaluation needs, the oldest first (scaling.Condition.Range).
func (e Evaluation) Starts(c scaling.Condition) []time.Time {
	starts, period := make([]time.Time, c.Range()), e.Pace.Period(c.Period)
	for i := range starts {
		starts[i] = e.End.Add(-time.Duration(len(starts)-i) * period)
	}
	return starts
}

// reasonData is StateReasonData as CloudWatch writes it.
type reasonData struct {
	Version   string      `json:"version"`
	Queried   string      `json:"queryDate"`
	Start     string      `json:"startDate,omitempty"`
	Unit      string      `json:"unit,omitempty"`
	Statistic string      `json:"statistic,omitempty"`
	Period    int64       `json:"period"`
	Recent    []double    `json:"recentDatapoints"`
	Threshold double      `json:"threshold"`
	Evaluated []evaluated `json:"evaluatedDatapoints"`
}

type evaluated struct {
	At      string  `json:"timestamp"`
	Samples *double `json:"sampleCount,omitempty"`
	Value   *double `json:"value,omitempty"`
}

// maxInReason is how many datapoints the data of a reason have at most: the newest. StateReasonData has at most 4,000
// characters on AWS.
const maxInReason = 25

// ReasonData returns the StateReasonData of a state that follows from points, which are those of Starts. queried is
// when they were read.
func (a *Alarm) ReasonData(points []scaling.Datapoint, queried time.Time) string {
	c := a.Condition
	data := reasonData{
		Version: "1.0", Queried: Stamp(queried), Unit: a.Measure.Unit, Statistic: a.Measure.Statistic,
		Period: int64(c.Period / time.Second), Recent: []double{}, Threshold: double(c.Threshold),
	}
	used := c.Considered(points)
	for _, p := range used[max(0, len(used)-maxInReason):] {
		data.Recent = append(data.Recent, double(p.Value))
	}
	if len(used) > 0 {
		data.Start = Stamp(used[0].Start)
	}
	for _, p := range slices.Backward(points) { // the newest first, and those without data as far as they are filled
		switch {
		case len(data.Evaluated) == maxInReason:
		case p.Known && slices.Contains(used, p):
			one := evaluated{At: Stamp(p.Start), Value: new(double(p.Value))}
			if p.Samples > 0 {
				one.Samples = new(double(p.Samples))
			}
			data.Evaluated = append(data.Evaluated, one)
		case !p.Known && len(points)-c.Periods <= slices.Index(points, p):
			data.Evaluated = append(data.Evaluated, evaluated{At: Stamp(p.Start)})
		}
	}
	return encode(data)
}
