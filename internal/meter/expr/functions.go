package expr

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// call is a call of a function.
type call struct {
	name string
	env  *Env
	args []value
}

type function struct {
	least, most int
	run         func(call) (value, error)
}

func (f function) takes() string {
	switch {
	case f.least == f.most && f.least == 1:
		return "one argument"
	case f.least == f.most:
		return fmt.Sprintf("%d arguments", f.least)
	}
	return fmt.Sprintf("%d to %d arguments", f.least, f.most)
}

// functions are the supported functions.
var functions = map[string]function{
	"ABS": onEach(math.Abs), "CEIL": onEach(math.Ceil), "FLOOR": onEach(math.Floor), "LOG": onEach(math.Log),
	"LOG10": onEach(math.Log10),
	"AVG":   aggregate(average), "SUM": aggregate(total), "MIN": aggregate(slices.Min[[]float64]),
	"MAX": aggregate(slices.Max[[]float64]), "STDDEV": aggregate(deviation),
	"RATE": onSeries(rate), "DIFF": onSeries(difference), "DIFF_TIME": onSeries(differenceOfTimes),
	"RUNNING_SUM": onSeries(runningSum),
	"MINUTE":      ofTime(func(t time.Time) int { return t.Minute() }), "HOUR": ofTime(time.Time.Hour),
	"DAY": ofTime(weekday), "DATE": ofTime(time.Time.Day),
	"MONTH": ofTime(func(t time.Time) int { return int(t.Month()) }),
	"YEAR":  ofTime(time.Time.Year), "EPOCH": ofTime(func(t time.Time) int { return int(t.Unix()) }),
	"DATAPOINT_COUNT": {1, 1, pointCount}, "METRIC_COUNT": {1, 1, metricCount}, "PERIOD": {1, 1, period},
	"FIRST": {1, 1, edge(true)}, "LAST": {1, 1, edge(false)},
	"FILL": {2, 2, fill}, "IF": {2, 3, choose}, "METRICS": {0, 1, metrics}, "TIME_SERIES": {1, 1, timeSeries},
	"REMOVE_EMPTY": {1, 1, removeEmpty}, "SLICE": {2, 3, slice}, "SORT": {3, 4, sorted}, "SEARCH": {2, 3, search},
}

func supported() []string { return slices.Sorted(maps.Keys(functions)) }

func (c call) fail(format string, args ...any) (value, error) {
	return value{}, fmt.Errorf(c.name+" "+format, args...)
}

// series returns the first argument, which must be series.
func (c call) series() ([]Series, error) {
	if !c.args[0].isTimes {
		return nil, fmt.Errorf("%s takes a time series first", c.name)
	}
	return c.args[0].series, nil
}

func onEach(fn func(float64) float64) function {
	return function{1, 1, func(c call) (value, error) {
		switch a := c.args[0]; {
		case a.isText:
			return c.fail("does not take a text")
		case !a.isTimes:
			return scalar(fn(a.number)), nil
		default:
			return each(a, func(s Series) Series { return mapped(s, fn) }), nil
		}
	}}
}

// onSeries makes a function that changes each series separately.
func onSeries(fn func([]Point) []Point) function {
	return function{1, 1, func(c call) (value, error) {
		if _, err := c.series(); err != nil {
			return value{}, err
		}
		return each(c.args[0], func(s Series) Series {
			return Series{Label: s.Label, Period: s.Period, Points: fn(s.Points)}
		}), nil
	}}
}

// aggregate makes a function that returns a number for one series, and one series for a list.
func aggregate(fn func([]float64) float64) function {
	return function{1, 1, func(c call) (value, error) {
		all, err := c.series()
		if err != nil {
			return value{}, err
		}
		if c.args[0].list {
			return times(across(all, fn)), nil
		}
		values := make([]float64, len(all[0].Points))
		for i, p := range all[0].Points {
			values[i] = p.Value
		}
		if len(values) == 0 {
			return scalar(math.NaN()), nil
		}
		return scalar(fn(values)), nil
	}}
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func average(values []float64) float64 { return total(values) / float64(len(values)) }

func deviation(values []float64) float64 {
	mean, sum := average(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)))
}

// pairs makes a point from every point except the first and the point before it.
func pairs(points []Point, fn func(before, p Point) float64) (made []Point) {
	for i := 1; i < len(points); i++ {
		if v := fn(points[i-1], points[i]); real(v) {
			made = append(made, Point{points[i].At, v})
		}
	}
	return made
}

func rate(points []Point) []Point {
	return pairs(points, func(b, p Point) float64 { return (p.Value - b.Value) / float64(p.At-b.At) })
}

func difference(points []Point) []Point {
	return pairs(points, func(b, p Point) float64 { return p.Value - b.Value })
}

func differenceOfTimes(points []Point) []Point {
	return pairs(points, func(b, p Point) float64 { return float64(p.At - b.At) })
}

func runningSum(points []Point) (made []Point) {
	sum := 0.0
	for _, p := range points {
		sum += p.Value
		made = append(made, Point{p.At, sum})
	}
	return made
}

func ofTime(fn func(time.Time) int) function {
	return onSeries(func(points []Point) (made []Point) {
		for _, p := range points {
			made = append(made, Point{p.At, float64(fn(time.Unix(p.At, 0).UTC()))})
		}
		return made
	})
}

// weekday is 1 on Monday and 7 on Sunday.
func weekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

func pointCount(c call) (value, error) {
	all, err := c.series()
	if err != nil {
		return value{}, err
	}
	if c.args[0].list {
		return times(across(all, func(vs []float64) float64 { return float64(len(vs)) })), nil
	}
	return scalar(float64(len(all[0].Points))), nil
}

func metricCount(c call) (value, error) {
	all, err := c.series()
	return scalar(float64(len(all))), err
}

func period(c call) (value, error) {
	all, err := c.series()
	if err != nil || len(all) == 0 {
		return scalar(float64(c.env.Period)), err
	}
	return scalar(float64(all[0].Period)), nil
}

func edge(first bool) func(call) (value, error) {
	return func(c call) (value, error) {
		all, err := c.series()
		switch {
		case err != nil:
			return value{}, err
		case len(all) == 0:
			return c.fail("takes at least one time series")
		case first:
			return times(all[0]), nil
		}
		return times(all[len(all)-1]), nil
	}
}

// fill gives a value to periods without one: a number, the last value before, a value on the line between the
// neighbours, or that of another series.
func fill(c call) (value, error) {
	if _, err := c.series(); err != nil {
		return value{}, err
	}
	with := c.args[1]
	if with.isText && with.text != "REPEAT" && with.text != "LINEAR" || with.list {
		return c.fail("takes a number, a time series, REPEAT or LINEAR second")
	}
	return each(c.args[0], func(s Series) Series { return filled(s, with, c.env) }), nil
}

func filled(s Series, with value, env *Env) Series {
	step := s.Period
	if step <= 0 {
		step = env.Period
	}
	r := Series{Label: s.Label, Period: step}
	others := make(map[int64]float64)
	if with.isTimes {
		for _, p := range with.series[0].Points {
			others[p.At] = p.Value
		}
	}
	next := 0 // index of the first point of s that is not in r yet
	for at := (env.From + step - 1) / step * step; at < env.To; at += step {
		for next < len(s.Points) && s.Points[next].At < at {
			next++
		}
		v, ok := with.number, !with.isText && !with.isTimes
		switch {
		case next < len(s.Points) && s.Points[next].At == at:
			v, ok = s.Points[next].Value, true
		case with.isTimes:
			v, ok = others[at]
		case with.text == "REPEAT" && next > 0:
			v, ok = s.Points[next-1].Value, true
		case with.text == "LINEAR" && next > 0 && next < len(s.Points):
			a, b := s.Points[next-1], s.Points[next]
			v, ok = a.Value+(b.Value-a.Value)*float64(at-a.At)/float64(b.At-a.At), true
		}
		if ok && real(v) {
			r.Points = append(r.Points, Point{at, v})
		}
	}
	return r
}

// choose is IF: for each time of the condition, one of two values, or none.
func choose(c call) (value, error) {
	cond := c.args[0]
	for _, a := range c.args {
		if a.isText || a.list {
			return c.fail("takes numbers and single time series")
		}
	}
	branch := func(yes bool) (value, bool) {
		if yes {
			return c.args[1], true
		}
		if len(c.args) == 3 {
			return c.args[2], true
		}
		return value{}, false
	}
	if !cond.isTimes {
		v, ok := branch(cond.number != 0)
		if !ok {
			return times(Series{Period: c.env.Period}), nil
		}
		return v, nil
	}
	at := make([]map[int64]float64, len(c.args)) // the points of the branches
	for i, a := range c.args {
		if at[i] = make(map[int64]float64); a.isTimes {
			for _, p := range a.series[0].Points {
				at[i][p.At] = p.Value
			}
		}
	}
	s := cond.series[0]
	r := Series{Label: s.Label, Period: s.Period}
	for _, p := range s.Points {
		v, ok := branch(p.Value != 0)
		if ok && v.isTimes {
			i := 1
			if p.Value == 0 {
				i = 2
			}
			v.number, ok = at[i][p.At]
		}
		if ok && real(v.number) {
			r.Points = append(r.Points, Point{p.At, v.number})
		}
	}
	return times(r), nil
}

func metrics(c call) (value, error) {
	part := ""
	if len(c.args) == 1 {
		if !c.args[0].isText {
			return c.fail("takes a text, which the ids of the metrics must have")
		}
		part = c.args[0].text
	}
	var all []Series
	for _, id := range c.env.Metrics {
		if strings.Contains(id, part) {
			all = append(all, c.env.Series[id]...)
		}
	}
	return list(all), nil
}

func timeSeries(c call) (value, error) {
	if c.args[0].isText || c.args[0].isTimes {
		return c.fail("takes a number")
	}
	return times(filled(Series{Period: c.env.Period}, c.args[0], c.env)), nil
}
