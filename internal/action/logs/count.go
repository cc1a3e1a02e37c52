package logs

import (
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/logstore/filter"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/state"
)

// maxCombinations is how many values of dimensions a filter makes metrics of in an hour. AWS disables a filter that has
// a thousand.
const maxCombinations = 1000

// counter makes points of the events that metric filters match.
type counter struct {
	points Points
	logger *slog.Logger

	mu     sync.Mutex // guards what follows
	seen   map[string]*filterState
	failed time.Time // when the log was last told that points could not be stored
}

// filterState is what the counter remembers of a filter. It is forgotten when the server ends, which costs nothing but
// one more default value, and a new hour.
type filterState struct {
	minute       int64 // the newest one that has a value, in minutes since 1970
	hour         int64
	combinations map[string]bool
	told         bool
}

// Points is where points of metrics are stored; a *meter.Store is one.
type Points interface {
	Put(now time.Time, data []meter.Datum) error
}

// count stores the points that the filters of a group make of events that came in. The events are kept already, so
// points that cannot be stored are no error of the caller; the log tells it, at most once a minute.
func (c *counter) count(tables *state.Tables, g *loggroup.Group, events []logstore.Entry, now time.Time) {
	var data []meter.Datum
	for f := range tables.MetricFilters.Prefix(loggroup.FilterARN(g.ARN, "")) {
		data = append(data, c.apply(f, events, now)...)
	}
	if len(data) == 0 {
		return
	}
	if err := c.points.Put(now, data); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if now.Sub(c.failed) >= time.Minute {
			c.failed = now
			c.logger.Error("points of metric filters could not be stored", "group", g.Name, "error", err)
		}
	}
}

// groupKey is what the points of a filter are added up by.
type groupKey struct {
	minute     int64
	dimensions string
}

// apply returns the points that one filter makes of events.
func (c *counter) apply(f *loggroup.MetricFilter, events []logstore.Entry, now time.Time) (data []meter.Datum) {
	match, err := filter.Parse(f.Pattern)
	if err != nil {
		return nil // it was checked when it was written
	}
	t := compile(&f.Metric)
	found := make(map[groupKey][]float64)
	dimensions := make(map[string][]meter.Dimension)
	for _, e := range events {
		if !match(e.Message) {
			continue
		}
		value, dims, ok := t.of(e.Message)
		if !ok {
			continue
		}
		name := dimensionKey(dims)
		if len(dims) > 0 && !c.admit(f, name, now) {
			continue
		}
		dimensions[name] = dims
		key := groupKey{e.Time / 60_000, name}
		found[key] = append(found[key], value)
	}
	for key, values := range found {
		data = append(data, datum(f, dimensions[key.dimensions], key.minute, values))
	}
	if f.Metric.Default != nil && loggroup.ValidValue(*f.Metric.Default) {
		for _, minute := range c.without(f, events, found) {
			data = append(data, datum(f, nil, minute, []float64{*f.Metric.Default}))
		}
	}
	return data
}

func datum(f *loggroup.MetricFilter, dims []meter.Dimension, minute int64, values []float64) meter.Datum {
	unit := f.Metric.Unit
	if unit == "" {
		unit = "None"
	}
	counts := make([]float64, len(values))
	for i := range counts {
		counts[i] = 1
	}
	return meter.Datum{
		Metric: meter.Metric{
			Scope:     meter.Scope(arn.Account(f.GroupARN), arn.Region(f.GroupARN)),
			Namespace: f.Metric.Namespace, Name: f.Metric.Name, Dimensions: dims,
		},
		Unit: unit, At: time.Unix(minute*60, 0).UTC(), Summary: meter.Values(values, counts),
	}
}

// without returns the minutes of events that have no value yet, so that they get the default one, and remembers the
// newest minute that has one. Minutes before that get none.
func (c *counter) without(f *loggroup.MetricFilter, events []logstore.Entry, found map[groupKey][]float64) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(f)
	var minutes []int64
	newest := s.minute
	for _, e := range events { // in the order of their times
		minute := e.Time / 60_000
		if minute <= newest {
			continue
		}
		newest = minute
		if len(found[groupKey{minute: minute}]) == 0 {
			minutes = append(minutes, minute)
		}
	}
	s.minute = newest
	return minutes
}

// admit reports whether a filter may make a point with these values of dimensions.
func (c *counter) admit(f *loggroup.MetricFilter, name string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(f)
	if hour := now.Unix() / 3600; s.hour != hour {
		s.hour, s.combinations, s.told = hour, make(map[string]bool), false
	}
	if !s.combinations[name] && len(s.combinations) >= maxCombinations {
		if !s.told {
			s.told = true
			c.logger.Warn("a metric filter has too many values of dimensions; others are not counted until the "+
				"hour ends",
				"filter", f.ARN, "values", maxCombinations)
		}
		return false
	}
	s.combinations[name] = true
	return true
}

// state returns what is remembered of a filter. A filter that was written again begins anew.
func (c *counter) state(f *loggroup.MetricFilter) *filterState {
	key := f.ARN + "\n" + f.CreatedAt.Format(time.RFC3339Nano)
	if c.seen[key] == nil {
		for other := range c.seen {
			if strings.HasPrefix(other, f.ARN+"\n") || len(c.seen) > maxRemembered {
				delete(c.seen, other)
			}
		}
		c.seen[key] = &filterState{}
	}
	return c.seen[key]
}

// maxRemembered bounds the memory for filters: those that were deleted are still remembered.
const maxRemembered = 10_000

func dimensionKey(dims []meter.Dimension) string {
	var b strings.Builder
	for _, d := range dims {
		b.WriteString(d.Name + "\x00" + d.Value + "\x00")
	}
	return b.String()
}

// transformation is a loggroup.Transformation that is ready for use.
type transformation struct {
	number     float64
	value      *filter.Selector // nil if number is the value
	dimensions []dimension
}

type dimension struct {
	name  string
	value filter.Selector
}

func compile(t *loggroup.Transformation) (out transformation) {
	number, ok := t.Number()
	if out.number = number; !ok {
		s, _ := filter.ParseSelector(t.Value) // it was checked when it was written
		out.value = &s
	}
	for _, d := range t.Dimensions {
		s, _ := filter.ParseSelector(d.Selector)
		out.dimensions = append(out.dimensions, dimension{d.Name, s})
	}
	return out
}

// maxDimensionValue is how many bytes the value of a dimension has at most.
const maxDimensionValue = 1024

// of returns the value and the dimensions of a message. ok is false if it has no number there, or lacks a dimension.
func (t *transformation) of(text string) (value float64, dims []meter.Dimension, ok bool) {
	m := filter.NewMessage(text)
	value = t.number
	if t.value != nil {
		text, _ := t.value.Text(m)
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, nil, false
		}
		value = n
	}
	if !loggroup.ValidValue(value) {
		return 0, nil, false
	}
	for _, d := range t.dimensions {
		text, found := d.value.Text(m)
		if !found || text == "" || len(text) > maxDimensionValue {
			return 0, nil, false
		}
		dims = append(dims, meter.Dimension{Name: d.name, Value: text})
	}
	return value, dims, true
}
