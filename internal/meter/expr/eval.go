package expr

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Point is a value at a time, in seconds since 1970.
type Point struct {
	At    int64
	Value float64
}

// Series is a time series: points in the order of time, at multiples of a period of seconds.
type Series struct {
	ID, Label string
	Period    int64
	Points    []Point
}

// Env has the values that an expression is evaluated with.
type Env struct {
	From, To int64 // seconds since 1970; To is excluded
	Period   int64 // of series that have no period of their own, such as TIME_SERIES
	// Series are the values of ids, of metrics and of other expressions.
	Series map[string][]Series
	// Metrics are the ids of METRICS(), in order.
	Metrics []string
	// Search returns the series that a SEARCH finds.
	Search func(query, statistic string, period int64) ([]Series, error)
}

// maxSeries is the maximum number of series that an expression may return or use.
const maxSeries = 500

// value is a number, a text or series. list is true for a list, which may also have one series.
type value struct {
	number  float64
	text    string
	series  []Series
	isText  bool
	isTimes bool
	list    bool
}

func scalar(v float64) value { return value{number: v} }

func times(s ...Series) value { return value{series: s, isTimes: true} }

func list(s []Series) value { return value{series: s, isTimes: true, list: true} }

// Eval evaluates an expression. A result that is only a number is refused, as CloudWatch does.
func (e *Expr) Eval(env Env) ([]Series, error) {
	v, err := e.eval(&env)
	switch {
	case err != nil:
		return nil, err
	case !v.isTimes:
		return nil, errors.New("the result is not a time series; TIME_SERIES(x) makes one from a number")
	case len(v.series) > maxSeries:
		return nil, fmt.Errorf("the result has %d time series, and at most %d are returned", len(v.series), maxSeries)
	}
	return v.series, nil
}

func (e *Expr) eval(env *Env) (value, error) {
	switch e.op {
	case isNumber:
		return scalar(e.value), nil
	case isText:
		return value{text: e.text, isText: true}, nil
	case isName:
		return e.named(env)
	}
	args := make([]value, len(e.args))
	for i, a := range e.args {
		var err error
		if args[i], err = a.eval(env); err != nil {
			return value{}, err
		}
	}
	switch e.op {
	case isCall:
		return functions[e.text].run(call{name: e.text, env: env, args: args})
	case isMinus:
		return apply(scalar(0), args[0], "-", operators["-"])
	case "list":
		return joined(args)
	}
	return apply(args[0], args[1], e.op, operators[e.op])
}

func (e *Expr) named(env *Env) (value, error) {
	if s, ok := env.Series[e.text]; ok {
		if len(s) == 1 {
			return times(s[0]), nil
		}
		return list(s), nil
	}
	if words[e.text] {
		return value{text: e.text, isText: true}, nil
	}
	return value{}, fmt.Errorf("there is no metric or expression with the id %q", e.text)
}

func joined(args []value) (value, error) {
	var all []Series
	for _, a := range args {
		if !a.isTimes {
			return value{}, fmt.Errorf("a list has time series only")
		}
		all = append(all, a.series...)
	}
	if len(all) > maxSeries {
		return value{}, fmt.Errorf("a list has at most %d time series", maxSeries)
	}
	return list(all), nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var operators = map[string]func(a, b float64) float64{
	"+": func(a, b float64) float64 { return a + b }, "-": func(a, b float64) float64 { return a - b },
	"*": func(a, b float64) float64 { return a * b }, "/": func(a, b float64) float64 { return a / b },
	"^":  math.Pow,
	"==": func(a, b float64) float64 { return truth(a == b) }, "!=": func(a,
		b float64) float64 {
		return truth(a != b)
	},
	"<": func(a, b float64) float64 { return truth(a < b) }, ">": func(a, b float64) float64 { return truth(a > b) },
	"<=": func(a, b float64) float64 { return truth(a <= b) }, ">=": func(a,
		b float64) float64 {
		return truth(a >= b)
	},
	"&&": func(a, b float64) float64 { return truth(a != 0 && b != 0) },
	"||": func(a, b float64) float64 { return truth(a != 0 || b != 0) },
}

func real(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// apply applies an operator to two values, series by series.
func apply(a, b value, name string, op func(a, b float64) float64) (value, error) {
	switch {
	case a.isText || b.isText:
		return value{}, fmt.Errorf("%s does not take a text", name)
	case !a.isTimes && !b.isTimes:
		return scalar(op(a.number, b.number)), nil
	case a.list && b.list:
		return value{}, fmt.Errorf("%s does not take two lists of time series", name)
	case !a.isTimes:
		return each(b, func(s Series) Series {
			return mapped(s, func(v float64) float64 {
				return op(a.number,
					v)
			})
		}), nil
	case !b.isTimes:
		return each(a, func(s Series) Series {
			return mapped(s, func(v float64) float64 {
				return op(v,
					b.number)
			})
		}), nil
	case b.list:
		return each(b, func(s Series) Series { return zip(a.series[0], s, op) }), nil
	}
	return each(a, func(s Series) Series { return zip(s, b.series[0], op) }), nil
}

// each applies a function to all series of a value.
func each(v value, fn func(Series) Series) value {
	r := value{isTimes: true, list: v.list, series: make([]Series, len(v.series))}
	for i, s := range v.series {
		r.series[i] = fn(s)
	}
	return r
}

func mapped(s Series, fn func(float64) float64) Series {
	r := Series{Label: s.Label, Period: s.Period}
	for _, p := range s.Points {
		if v := fn(p.Value); real(v) {
			r.Points = append(r.Points, Point{p.At, v})
		}
	}
	return r
}

// zip combines two series at the times that both have.
func zip(a, b Series, op func(a, b float64) float64) Series {
	r := Series{Label: a.Label, Period: max(a.Period, b.Period)}
	bs := b.Points
	for _, p := range a.Points {
		for len(bs) > 0 && bs[0].At < p.At {
			bs = bs[1:]
		}
		if len(bs) > 0 && bs[0].At == p.At {
			if v := op(p.Value, bs[0].Value); real(v) {
				r.Points = append(r.Points, Point{p.At, v})
			}
		}
	}
	return r
}

// across combines several series into one, at every time that any of them has.
func across(all []Series, fn func([]float64) float64) Series {
	r := Series{}
	values := make(map[int64][]float64)
	for _, s := range all {
		r.Period = max(r.Period, s.Period)
		for _, p := range s.Points {
			values[p.At] = append(values[p.At], p.Value)
		}
	}
	for at, vs := range values {
		if v := fn(vs); real(v) {
			r.Points = append(r.Points, Point{at, v})
		}
	}
	slices.SortFunc(r.Points, func(a, b Point) int { return cmp.Compare(a.At, b.At) })
	return r
}
