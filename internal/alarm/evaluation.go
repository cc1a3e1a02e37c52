package alarm

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Evaluation is one evaluation of an alarm.
type Evaluation struct {
	At time.Time
	// End is the end of the newest period that is compared. A period ends at any full minute, or at any
	// multiple of 10 seconds if it is shorter than a minute. It need not end at a multiple of its own length.
	End time.Time
	// Pace is the alarm's. It makes the periods and the time between evaluations shorter.
	Pace scaling.Pace
}

// Last returns the last evaluation of the alarm that is not after now, and the time of the next one.
//
// Evaluations of different alarms are spread over the last two thirds of their interval
// (scaling.Condition.Interval). So they do not all run at once, and points that reach the meter a little late
// are still used. pace is the alarm's (state.Tables.PaceOf).
func (a *Alarm) Last(now time.Time, pace scaling.Pace) (last Evaluation, next time.Time) {
	interval := pace.Period(a.Condition.Interval())
	phase := interval / 3
	h := fnv.New64a()
	h.Write([]byte(a.ARN))
	phase += time.Duration(h.Sum64() % uint64(interval-phase)).Truncate(time.Millisecond)
	at := now.Add(-phase).Truncate(interval).Add(phase)
	return Evaluation{at, at.Truncate(interval), pace}, at.Add(interval)
}

// Evaluated reports whether the evaluation is not needed any more. Settings or a state that were written
// after its time last until the next evaluation (ecs.md 7.5). A time after now is ignored: it was written
// before the clock was set back.
func (e Evaluation) Evaluated(a *Alarm, s *Status, now time.Time) bool {
	return slices.ContainsFunc([]time.Time{a.UpdatedAt, s.UpdatedAt, s.RepeatedAt}, func(t time.Time) bool {
		return !t.Before(e.At) && !t.After(now)
	})
}

// Repeats reports whether repeated actions are due again, because a minute in the alarm's pace has passed since
// they were last due (ecs.md 7.5).
func (e Evaluation) Repeats(s *Status, now time.Time) bool {
	last := s.TransitionedAt
	if s.RepeatedAt.After(last) {
		last = s.RepeatedAt
	}
	// The state is written shortly after its evaluation, so a little less than a minute may have passed.
	return e.At.Sub(last) > e.Pace.Of(time.Minute-5*time.Second) || last.After(now)
}

// Starts returns the starts of the periods that an evaluation needs, the oldest first
// (scaling.Condition.Range).
func (e Evaluation) Starts(c scaling.Condition) []time.Time {
	starts, period := make([]time.Time, c.Range()), e.Pace.Period(c.Period)
	for i := range starts {
		starts[i] = e.End.Add(-time.Duration(len(starts)-i) * period)
	}
	return starts
}

// reasonData is StateReasonData in CloudWatch's form.
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

// maxInReason is the maximum number of datapoints in StateReasonData, which are the newest ones. On AWS the
// text has at most 4,000 characters.
const maxInReason = 25

// ReasonData returns the StateReasonData of a state. It was computed from points, whose periods are those of
// Starts. queried is the time when the points were read.
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
	for _, p := range slices.Backward(points) { // newest first
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
