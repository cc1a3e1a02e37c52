package meter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Statistic is a number computed from a summary: one of the five simple ones, a percentile, or a
// trimmed one (ecs.md 7.3).
type Statistic struct {
	name string // in lower case: "average", "p", "tm", "wm", "tc", "ts", "pr"
	// from and to limit the values that count. They are percentiles, or values if absolute is true. The lower
	// limit is excluded and the upper one included.
	from, to float64
	absolute bool
}

var simple = map[string]bool{"samplecount": true, "average": true, "sum": true, "minimum": true, "maximum": true}

// ParseStatistic reads the name of a statistic as CloudWatch writes it: Average, p99.9, tm90, TM(10%:90%),
// WM(:300), PR(100:), IQM. Case does not matter.
func ParseStatistic(text string) (Statistic, error) {
	name := strings.ToLower(text)
	if simple[name] {
		return Statistic{name: name}, nil
	}
	if name == "iqm" {
		return Statistic{name: "tm", from: 25, to: 75}, nil
	}
	wrong := fmt.Errorf("%q is not a statistic; statistics are SampleCount, Average, Sum, Minimum, Maximum, "+
		"percentiles as p99.9, and TM, WM, TC, TS, PR and IQM as tm90 or TM(10%%:90%%)", text)
	if p, ok := strings.CutPrefix(name, "p"); ok && !strings.HasPrefix(p, "r") {
		v, ok := percent(p)
		if !ok {
			return Statistic{}, wrong
		}
		return Statistic{name: "p", to: v}, nil
	}
	if len(name) < 3 || !strings.Contains("tm wm tc ts pr", name[:2]) {
		return Statistic{}, wrong
	}
	s := Statistic{name: name[:2], to: 100}
	inside, bracket := strings.CutPrefix(name[2:], "(")
	if !bracket {
		v, ok := percent(name[2:])
		if !ok || s.name == "pr" {
			return Statistic{}, wrong
		}
		s.to = v
		return s, nil
	}
	inside, closed := strings.CutSuffix(inside, ")")
	if !closed || !s.parseRange(inside) {
		return Statistic{}, wrong
	}
	return s, nil
}

// percent reads a percentile with at most ten digits after the point.
func percent(text string) (float64, bool) {
	if strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	_, fraction, _ := strings.Cut(text, ".")
	return v, err == nil && v >= 0 && v <= 100 && len(fraction) <= 10
}

// parseRange reads "10%:90%", ":90%", "100:200" and the like, and reports whether it is a range.
func (s *Statistic) parseRange(text string) bool {
	from, to, ok := strings.Cut(text, ":")
	if !ok || from == "" && to == "" {
		return false
	}
	s.absolute = !strings.Contains(text, "%")
	if s.absolute {
		s.from, s.to = math.Inf(-1), math.Inf(1)
	} else if s.name == "pr" {
		return false
	}
	return s.parseBound(from, &s.from) && s.parseBound(to, &s.to) && s.from < s.to
}

func (s *Statistic) parseBound(text string, bound *float64) bool {
	if text == "" {
		return true
	}
	if s.absolute {
		v, err := strconv.ParseFloat(text, 64)
		*bound = v
		return err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	number, ok := strings.CutSuffix(text, "%")
	v, isPercent := percent(number)
	*bound = v
	return ok && isPercent
}

// IsPercentile reports whether the statistic is a percentile, and returns its number, such as 99.9 for p99.9.
func (s Statistic) IsPercentile() (float64, bool) { return s.to, s.name == "p" }

// NeedsSpread reports whether the statistic needs the distribution of the values.
func (s Statistic) NeedsSpread() bool { return !simple[s.name] }

// Of returns the statistic of a summary. It returns false if it cannot be computed: there are no values,
// their distribution is not known, or some are negative (ecs.md 7.3). The relative error of percentiles is at
// most Accuracy.
func (s Statistic) Of(sum Summary) (float64, bool) {
	if sum.Count == 0 {
		return 0, false
	}
	switch s.name {
	case "samplecount":
		return sum.Count, true
	case "average":
		return sum.Sum / sum.Count, true
	case "sum":
		return sum.Sum, true
	case "minimum":
		return sum.Min, true
	case "maximum":
		return sum.Max, true
	}
	spread := sum.spread()
	if spread == nil {
		return 0, false
	}
	if s.name == "p" {
		return sum.percentile(spread, s.to), true
	}
	return s.trimmed(sum, spread)
}

// percentile returns the lowest value such that at least p percent of all values are not above it.
func (s Summary) percentile(spread []bin, p float64) float64 {
	rank, seen := p/100*s.Count, 0.0
	for _, b := range spread {
		if seen += b.count; seen >= rank && seen > 0 {
			return s.clip(b.value())
		}
	}
	return s.Max
}

func (s Summary) clip(v float64) float64 { return min(max(v, s.Min), s.Max) }

// trimmed returns a statistic of the values within a range.
func (s Statistic) trimmed(sum Summary, spread []bin) (float64, bool) {
	var count, total, below, above, seen float64
	for _, b := range spread {
		v := sum.clip(b.value())
		under, in := s.split(b, v, seen/sum.Count*100, sum.Count)
		seen += b.count
		below, count, total = below+under, count+in, total+in*v
		above += b.count - under - in
	}
	switch s.name {
	case "tc":
		return count, true
	case "ts":
		return total, true
	case "pr":
		return count / sum.Count * 100, true
	case "wm":
		low, high := s.from, s.to
		if !s.absolute {
			low, high = sum.percentile(spread, s.from), sum.percentile(spread, s.to)
		}
		if below > 0 {
			total += below * low
		}
		if above > 0 {
			total += above * high
		}
		return total / sum.Count, true
	}
	return total / count, count > 0
}

// split returns how many values of a bin are below the range, and how many are in it. at is the percentile at
// which the bin begins.
func (s Statistic) split(b bin, v, at, count float64) (under, in float64) {
	switch {
	case !s.absolute:
		share := 100 / count
		under = min(max((s.from-at)/share, 0), b.count)
		return under, max(min((s.to-at)/share, b.count)-under, 0)
	case v <= s.from:
		return b.count, 0
	case v <= s.to:
		return 0, b.count
	}
	return 0, 0
}
