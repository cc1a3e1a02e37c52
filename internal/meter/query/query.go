// Package query reads metrics as GetMetricData and alarms do: several queries at once, each for a
// statistic of a metric or for an expression over other queries.
package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/expr"
)

// Query is a statistic of a metric, or an expression.
type Query struct {
	ID     string
	Metric meter.Metric
	Stat   meter.Statistic
	Unit   string        // "" means all units
	Period time.Duration // of an expression; 0 means the period of its metrics
	Expr   *expr.Expr    // nil for a metric
}

// MaxDatapoints is the maximum number of periods of an expression.
const MaxDatapoints = 100_800

// maxFound is the maximum number of metrics that SEARCH may find.
const maxFound = 500

// Listed is how long a metric is listed and found after its last point.
const Listed = 14 * 24 * time.Hour

// Error means that an expression cannot be evaluated, for a reason that its author can fix.
type Error struct {
	ID  string // of the query
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("Error in expression '%s': %v", e.ID, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Reading evaluates queries. It evaluates each only once, when the result is first needed. It must not be
// used concurrently.
type Reading struct {
	points     *meter.Store
	scope      string // of metrics that SEARCH may find
	now        time.Time
	start, end time.Time
	queries    []Query
	done       map[string][]expr.Series
	open       map[string]bool // being evaluated, to find cycles
}

// New returns a Reading from start until before end. If points is nil, no metric has points, which is enough to find
// out whether an expression can be evaluated.
func New(points *meter.Store, scope string, queries []Query, start, end, now time.Time) *Reading {
	return &Reading{points: points, scope: scope, now: now, start: start, end: end, queries: queries,
		done: make(map[string][]expr.Series), open: make(map[string]bool)}
}

func (r *Reading) find(id string) (Query, bool) {
	i := slices.IndexFunc(r.queries, func(q Query) bool { return q.ID == id })
	if i < 0 {
		return Query{}, false
	}
	return r.queries[i], true
}

// Series evaluates the query with an id. A metric has one series, an expression any number. An error of type
// *Error is about an expression; any other error comes from the disk.
func (r *Reading) Series(id string) (all []expr.Series, err error) {
	if all, ok := r.done[id]; ok {
		return all, nil
	}
	q, ok := r.find(id)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no query %q", id)
	case r.open[id]:
		return nil, &Error{id, errors.New("it needs its own result")}
	case q.Expr == nil:
		var s expr.Series
		s, err = r.measured(q.Metric, q.Stat, q.Unit, q.Period, q.Metric.Name)
		all = []expr.Series{s}
	default:
		r.open[id] = true
		all, err = r.computed(q)
	}
	if err == nil {
		r.done[id] = all
	}
	return all, err
}

// Read returns the points of a metric by unit: in one unit, or in all if unit is "". If spread is false, the
// results have no percentiles.
func Read(points *meter.Store, m meter.Metric, unit string, start, end time.Time, period time.Duration, spread bool,
) (map[string][]meter.Bucket, error) {
	read := points.ReadSimple
	if spread {
		read = points.Read
	}
	units := []string{unit}
	if unit == "" {
		units = meter.Units
	}
	found := make(map[string][]meter.Bucket)
	for _, u := range units {
		buckets, err := read(m, u, start.Truncate(period), end, period)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
		if len(buckets) > 0 {
			found[u] = buckets
		}
	}
	return found, nil
}

// measured reads a metric. If the query has no unit, points of all units are added.
func (r *Reading) measured(m meter.Metric, stat meter.Statistic, unit string, length time.Duration, label string,
) (expr.Series, error) {
	s := expr.Series{Label: label, Period: int64(length / time.Second)}
	if r.points == nil {
		return s, nil
	}
	found, err := Read(r.points, m, unit, r.start, r.end, length, stat.NeedsSpread())
	if err != nil {
		return s, err
	}
	joined := make(map[int64]meter.Summary)
	for _, buckets := range found {
		for _, b := range buckets {
			joined[b.Start.Unix()] = joined[b.Start.Unix()].Add(b.Summary)
		}
	}
	for at, sum := range joined {
		if v, ok := stat.Of(sum); ok {
			s.Points = append(s.Points, expr.Point{At: at, Value: v})
		}
	}
	slices.SortFunc(s.Points, func(a, b expr.Point) int { return int(a.At - b.At) })
	return s, nil
}

// needs returns the queries that an expression uses.
func (r *Reading) needs(e *expr.Expr) (all []Query) {
	for _, id := range e.IDs() {
		if q, ok := r.find(id); ok {
			all = append(all, q)
		}
	}
	if e.All() {
		for _, q := range r.queries {
			if q.Expr == nil {
				all = append(all, q)
			}
		}
	}
	return all
}

// computed evaluates an expression. An expression without a period gets the longest period of its metrics, or
// a minute.
func (r *Reading) computed(q Query) ([]expr.Series, error) {
	env := expr.Env{Series: make(map[string][]expr.Series), Search: r.search}
	for _, other := range r.queries {
		if other.Expr == nil {
			env.Metrics = append(env.Metrics, other.ID)
		}
	}
	length := q.Period
	for _, other := range r.needs(q.Expr) {
		all, err := r.Series(other.ID)
		if err != nil {
			return nil, err
		}
		env.Series[other.ID] = all
		if q.Period == 0 {
			length = max(length, other.Period)
		}
	}
	if length == 0 {
		length = time.Minute
	}
	if r.end.Sub(r.start)/length > MaxDatapoints {
		return nil, &Error{q.ID, fmt.Errorf("it would have more than %d datapoints", MaxDatapoints)}
	}
	env.Period = int64(length / time.Second)
	env.From, env.To = r.start.Truncate(length).Unix(), r.end.Unix()
	all, err := q.Expr.Eval(env)
	if err != nil {
		return nil, &Error{q.ID, err}
	}
	return all, nil
}

// search returns the series of the metrics that SEARCH finds.
func (r *Reading) search(text, statistic string, seconds int64) (all []expr.Series, err error) {
	q, err := expr.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	stat, err := meter.ParseStatistic(statistic)
	if err != nil {
		return nil, err
	}
	found := List(r.points, func(s meter.Series) bool {
		return s.Metric.Scope == r.scope && !s.Last.Before(r.now.Add(-Listed)) && q.Matches(named(s.Metric))
	})
	if len(found) > maxFound {
		return nil, fmt.Errorf("SEARCH found %d metrics, and at most %d are returned", len(found), maxFound)
	}
	for _, m := range found {
		label := m.Name
		for _, d := range m.Dimensions {
			label += " " + d.Value
		}
		s, err := r.measured(m, stat, "", time.Duration(seconds)*time.Second, label)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func named(m meter.Metric) expr.Named {
	n := expr.Named{Namespace: m.Namespace, Name: m.Name}
	for _, d := range m.Dimensions {
		n.Dimensions = append(n.Dimensions, [2]string{d.Name, d.Value})
	}
	return n
}

// List returns the metrics with a series that keep accepts, each once, in the order of Name.
func List(points *meter.Store, keep func(meter.Series) bool) (all []meter.Metric) {
	for _, s := range points.List(keep) {
		all = append(all, s.Metric)
	}
	slices.SortFunc(all, func(a, b meter.Metric) int { return strings.Compare(Name(a), Name(b)) })
	return slices.CompactFunc(all, func(a, b meter.Metric) bool { return Name(a) == Name(b) })
}

// Name returns a metric as one text.
func Name(m meter.Metric) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%s\x00%s", m.Scope, m.Namespace, m.Name)
	for _, d := range m.Dimensions {
		fmt.Fprintf(&b, "\x00%s\x01%s", d.Name, d.Value)
	}
	return b.String()
}
