package meter

import (
	"math"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// Accuracy is the relative error of percentiles and of the bounds of trimmed statistics: a
// percentile differs from a measured value by at most this share.
const Accuracy = 0.01

// maxBins is the maximum number of bins in a sketch. With more, the lowest bins would be merged.
const maxBins = 1024

// zeroBin is the index of the bin for zero, below those of all positive values.
const zeroBin = math.MinInt32

var indexes = func() *mapping.LogarithmicMapping {
	m, err := mapping.NewLogarithmicMapping(Accuracy)
	if err != nil {
		panic(err) // Accuracy is a constant
	}
	return m
}()

// Summary summarises a set of values. It is immutable: Add changes neither operand.
type Summary struct {
	Count, Sum, Min, Max float64
	bins                 []bin // by index; nil if the distribution is not known, or all values are equal
}

// bin counts values that a sketch does not distinguish.
type bin struct {
	index int32
	count float64
}

// Values returns the summary of values. Each was measured as often as counts says, or once if counts is nil.
func Values(values, counts []float64) Summary {
	var s Summary
	for i, v := range values {
		n := 1.0
		if counts != nil {
			n = counts[i]
		}
		s = s.Add(StatisticSet(n, n*v, v, v))
	}
	return s
}

// StatisticSet returns a summary for which only these four numbers are known. It has no percentiles, unless
// all values are equal (ecs.md 7.3).
func StatisticSet(count, sum, lowest, highest float64) Summary {
	return Summary{Count: count, Sum: sum, Min: lowest, Max: highest}
}

// Add returns the summary of both sets of values together.
func (s Summary) Add(o Summary) Summary {
	switch {
	case s.Count == 0:
		return o
	case o.Count == 0:
		return s
	}
	sum := Summary{Count: s.Count + o.Count, Sum: s.Sum + o.Sum, Min: min(s.Min, o.Min), Max: max(s.Max, o.Max)}
	if sum.Min != sum.Max {
		sum.bins = joinBins(s.spread(), o.spread())
	}
	return sum
}

// addSimple is Add without the sketch, unless all values are equal.
func (s Summary) addSimple(o Summary) Summary {
	if s.Count == 0 {
		return o
	}
	return Summary{Count: s.Count + o.Count, Sum: s.Sum + o.Sum, Min: min(s.Min, o.Min), Max: max(s.Max, o.Max)}
}

// spread returns the sketch of a summary. It returns nil if there is none, because the values are not known
// or some are negative.
func (s Summary) spread() []bin {
	if s.Min == s.Max && s.Min >= 0 {
		return []bin{{indexOf(s.Min), s.Count}}
	}
	return s.bins
}

func indexOf(v float64) int32 {
	if v < indexes.MinIndexableValue() {
		return zeroBin
	}
	return int32(indexes.Index(v))
}

// value returns the value that stands for all values of a bin.
func (b bin) value() float64 {
	if b.index == zeroBin {
		return 0
	}
	return indexes.Value(int(b.index))
}

func joinBins(a, b []bin) []bin {
	if a == nil || b == nil {
		return nil
	}
	all := make([]bin, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].index < b[0].index:
			all, a = append(all, a[0]), a[1:]
		case a[0].index > b[0].index:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, bin{a[0].index, a[0].count + b[0].count}), a[1:], b[1:]
		}
	}
	all = append(append(all, a...), b...)
	if over := len(all) - maxBins; over > 0 {
		for _, low := range all[:over] {
			all[over].count += low.count
		}
		all = slices.Clip(all[over:])
	}
	return all
}

// few makes the sketch of two or three values from the rest of the summary.
func (s Summary) few() []bin {
	if s.Min < 0 || s.Min == s.Max {
		return nil
	}
	ends := []bin{{indexOf(s.Min), 1}}
	if s.Count == 3 {
		middle := min(max(s.Sum-s.Min-s.Max, s.Min), s.Max)
		ends = joinBins(ends, []bin{{indexOf(middle), 1}})
	}
	return joinBins(ends, []bin{{indexOf(s.Max), 1}})
}
