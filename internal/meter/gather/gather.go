// Package gather makes CloudWatch's points, one a minute for each metric, from what agents and edges report
// several times a minute.
//
// There are two kinds of reports. Sample reports what a member of a group uses, such as a task of a service
// or a container instance of a cluster. A member counts once in the point of a minute, however often it is
// reported (ecs.md 7.8). Merge reports values of events, such as requests and response times. All merged
// values are added up.
//
// A report counts for the minute in which it was made. A minute ends with the first call of Take after its
// end; later reports for it are dropped. Reports that cannot be measurements are dropped too, and so are
// those beyond the limit of memory. Dropped reports are counted by reason.
//
// The package is pure: it reads no clock and starts nothing. A Minutes is not safe for concurrent use.
package gather

import (
	"math"
	"time"

	"github.com/berthhq/berth/internal/meter"
)

// Name identifies a metric. It can be compared.
type Name struct {
	Scope     string // account and region, as in meter.Metric
	Namespace string
	Metric    string
	Unit      string // one of meter.Units
	// Dimensions have no name where there are fewer.
	Dimensions [maxDimensions]meter.Dimension
}

// maxDimensions is the maximum number of dimensions of the metrics that Berth measures: load balancer and
// target group, or cluster and service.
const maxDimensions = 2

// metric returns the metric that the name identifies.
func (n Name) metric() meter.Metric {
	m := meter.Metric{Scope: n.Scope, Namespace: n.Namespace, Name: n.Metric}
	for _, d := range n.Dimensions {
		if d.Name != "" {
			m.Dimensions = append(m.Dimensions, d)
		}
	}
	return m
}

// Sample is what a member used in a part of a minute, as a statistic set of Count measurements.
type Sample struct {
	Member string // the member's ARN
	// Weight is the member's share in the average of the point. If Sum is a percentage of what the member has
	// reserved, Weight is what it has reserved. The average is then what all members use, as a percentage of
	// what all have reserved. Weight must be positive.
	Weight        float64
	Count         float64 // number of measurements, at most maxCount
	Sum, Min, Max float64 // from 0 to maxValue
	// Even says that the member's average also counts as its minimum and maximum.
	Even bool
	// Idle says that the member does nothing. A group whose members are all idle has no point.
	Idle bool
	// Unknown says that it is not known what the member used; only Member has a meaning then. The group has no point.
	Unknown bool
}

// Limits of a sample. With them, sums of samples cannot overflow.
const (
	maxCount = 1e6
	maxValue = 1e15
)

// Measured reports whether count measurements can have this sum, minimum and maximum: they are numbers from 0
// to 1e15, the average is between minimum and maximum, and count is from one to a million.
func Measured(count, sum, lowest, highest float64) bool {
	// Sums of floating-point numbers are not exact.
	const rounding = 1e-6
	average := sum / count
	return count >= 1 && count <= maxCount && lowest >= 0 && lowest <= highest && highest <= maxValue &&
		average >= lowest*(1-rounding) && average <= highest*(1+rounding)
}

func (s Sample) valid() bool {
	return s.Unknown || s.Weight > 0 && s.Weight <= maxValue && Measured(s.Count, s.Sum, s.Min, s.Max)
}

// Reason is why a report had no effect.
type Reason int

// The reasons, and their number.
const (
	Late    Reason = iota // the points of its minute were taken already
	Invalid               // it cannot be a measurement
	Unknown               // it is about something that does not exist, or that does not belong to the reporter
	TooMany               // too much is in memory already
	Reasons               // the number of reasons
)

// String returns the reason's name on the page of metrics.
func (r Reason) String() string { return [...]string{"late", "invalid", "unknown", "too_many"}[r] }

const (
	// maxOpen is the maximum number of minutes in memory. There are more than two only when Take is not
	// called for long, as when the disk is slow. The oldest is then dropped.
	maxOpen = 3
	// maxHeld is the maximum number of members and merged metrics of one minute.
	maxHeld = 500_000
)

// Minutes has the reports for which no points were taken yet. Make one with New.
type Minutes struct {
	every   int64     // how many seconds a minute lasts: 60, or 1
	open    []*minute // the oldest first
	next    int64     // start of the first minute that may be open, in seconds since 1970
	most    int       // maxHeld, except in tests
	dropped [Reasons]uint64
}

// minute has the reports of one minute.
type minute struct {
	start  int64 // in seconds since 1970
	every  int64 // how many seconds it lasts
	held   int   // members and merged metrics
	order  []*group
	groups map[Name]*group
}

// group has the reports of one metric in one minute.
type group struct {
	name    Name
	order   []*member
	members map[string]*member
	merges  bool // Merge was called, perhaps with no values
	merged  meter.Summary
}

// member is the sum of the samples of one member.
type member struct {
	weight, count, sum, min, max float64
	even, idle, unknown          bool
}

// New returns a Minutes that accepts reports of the minute that now is in, and of later ones.
func New(now time.Time) *Minutes { return newMinutes(now, 60) }

// NewSeconds returns a Minutes whose minutes last a second. Its points are in the namespace meter.OfSeconds.
func NewSeconds(now time.Time) *Minutes { return newMinutes(now, 1) }

func newMinutes(now time.Time, every int64) *Minutes {
	return &Minutes{every: every, next: startOf(now, every), most: maxHeld}
}

func startOf(t time.Time, every int64) int64 {
	at := t.Unix()
	return at - (at%every+every)%every
}

// Sample adds what a member has used, and the time at which that was measured. The time must not be in the
// future.
func (g *Minutes) Sample(at time.Time, name Name, s Sample) {
	if !s.valid() {
		g.Drop(Invalid, 1)
		return
	}
	m := g.at(at)
	if m == nil {
		return
	}
	of := m.member(name, s.Member, g.most)
	if of == nil {
		g.Drop(TooMany, 1)
		return
	}
	if s.Unknown {
		of.unknown = true
		return
	}
	of.weight, of.even, of.idle = s.Weight, s.Even, of.idle && s.Idle
	of.count += s.Count
	of.sum += s.Sum
	of.min, of.max = min(of.min, s.Min), max(of.max, s.Max)
}

// Merge adds values that were measured at a time, which must not be in the future. A metric to which only
// empty summaries were added has a point with one value, 0.
func (g *Minutes) Merge(at time.Time, name Name, s meter.Summary) {
	if !(s.Count >= 0 && s.Count <= maxValue && math.Abs(s.Sum) <= maxValue*maxValue && s.Min <= s.Max) {
		g.Drop(Invalid, 1)
		return
	}
	m := g.at(at)
	if m == nil {
		return
	}
	of := m.groups[name]
	if of == nil || !of.merges {
		if m.held >= g.most {
			g.Drop(TooMany, 1)
			return
		}
		m.held++
		of = m.group(name)
		of.merges = true
	}
	of.merged = of.merged.Add(s)
}

// at returns the minute that a time is in. If that has ended, it returns nil and counts a report as dropped.
func (g *Minutes) at(t time.Time) *minute {
	start := startOf(t, g.every)
	for _, m := range g.open {
		if m.start == start {
			return m
		}
	}
	if start < g.next {
		g.Drop(Late, 1)
		return nil
	}
	if len(g.open) == maxOpen {
		oldest := g.open[0]
		if start < oldest.start {
			g.Drop(Late, 1)
			return nil
		}
		g.Drop(TooMany, uint64(oldest.held))
		g.open, g.next = g.open[1:], oldest.start+g.every
	}
	m := &minute{start: start, every: g.every, groups: map[Name]*group{}}
	i := len(g.open)
	for i > 0 && g.open[i-1].start > start {
		i--
	}
	g.open = append(g.open[:i:i], append([]*minute{m}, g.open[i:]...)...)
	return m
}

// member returns a member of a group, or nil if that would be one more than maxHeld.
func (m *minute) member(name Name, arn string, most int) *member {
	of := m.groups[name]
	if of != nil && of.members[arn] != nil {
		return of.members[arn]
	}
	if m.held >= most {
		return nil
	}
	m.held++
	of = m.group(name)
	if of.members == nil {
		of.members = map[string]*member{}
	}
	one := &member{min: math.Inf(1), idle: true}
	of.members[arn] = one
	of.order = append(of.order, one)
	return one
}

// group returns the group of a metric, and makes it if there is none.
func (m *minute) group(name Name) *group {
	of := m.groups[name]
	if of == nil {
		of = &group{name: name}
		m.groups[name] = of
		m.order = append(m.order, of)
	}
	return of
}

// Drop counts n reports that the caller has dropped.
func (g *Minutes) Drop(why Reason, n uint64) { g.dropped[why] += n }

// Dropped returns how many members, values and reports had no effect, by reason.
func (g *Minutes) Dropped() [Reasons]uint64 { return g.dropped }

// Take returns the points of the minutes that have ended, the oldest first. Later reports for these minutes
// are dropped, unless the clock was set back by more than a minute since the last Take.
func (g *Minutes) Take(now time.Time) []meter.Datum {
	var points []meter.Datum
	current := startOf(now, g.every)
	for len(g.open) > 0 && g.open[0].start < current {
		points = g.open[0].points(points)
		g.open = g.open[1:]
	}
	if g.next = max(g.next, current); current < g.next-g.every {
		g.next = current
	}
	return points
}

// Rest returns the merged values of minutes that have not ended, and drops the samples of these minutes. It
// is for a program that ends. If the program starts again in the same minute, new merged values are added to
// the old ones, and members are sampled again.
func (g *Minutes) Rest() []meter.Datum {
	var points []meter.Datum
	for _, m := range g.open {
		for _, of := range m.order {
			if of.merged.Count > 0 {
				points = append(points, m.point(of.name, of.merged))
			}
		}
	}
	g.Forget()
	return points
}

// Forget drops all reports for which no points were taken.
func (g *Minutes) Forget() { g.open = nil }

func (m *minute) points(points []meter.Datum) []meter.Datum {
	for _, of := range m.order {
		s := of.merged.Add(of.sampled())
		if s.Count == 0 && of.merges {
			s = meter.StatisticSet(1, 0, 0, 0)
		}
		if s.Count > 0 {
			points = append(points, m.point(of.name, s))
		}
	}
	return points
}

func (m *minute) point(name Name, s meter.Summary) meter.Datum {
	d := meter.Datum{Metric: name.metric(), Unit: name.Unit, At: time.Unix(m.start, 0).UTC(), Summary: s}
	if m.every == 1 {
		d.Metric.Namespace, d.Second = meter.OfSeconds(name.Namespace), true
	}
	return d
}

// sampled returns the summary of a group's members, or an empty one if there are none, if all are idle, or if it is not
// known what one of them used in a part of the minute.
func (g *group) sampled() meter.Summary {
	idle := true
	lowest, highest := math.Inf(1), 0.0
	var used, reserved float64
	for _, m := range g.order {
		if m.unknown {
			return meter.Summary{}
		}
		average := min(max(m.sum/m.count, m.min), m.max)
		if m.even {
			m.min, m.max = average, average
		}
		idle = idle && m.idle
		lowest, highest = min(lowest, m.min), max(highest, m.max)
		used, reserved = used+average*m.weight, reserved+m.weight
	}
	if idle {
		return meter.Summary{}
	}
	n := float64(len(g.order))
	return meter.StatisticSet(n, n*min(max(used/reserved, lowest), highest), lowest, highest)
}
