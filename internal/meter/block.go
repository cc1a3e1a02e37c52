package meter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// A block has points of one series in the order of time. It begins with the number of points and their resolution. Then
// come columns: the times in units of the resolution, whether each point is a single value, the values or the four
// numbers of each summary, and the sketches.
const (
	singles   = 0 // each summary is of one value
	summaries = 1
)

// maxPoints is the maximum number of points in a block: one day of points of one second.
const maxPoints = day

// appendBlock appends points. There must be at least one; they must be sorted and on the resolution. If
// limited is true, it rounds the points to the values that it wrote.
func appendBlock(b []byte, points []point, resolution int64, limited bool) []byte {
	b = binary.AppendUvarint(b, uint64(len(points)))
	b = binary.AppendUvarint(b, uint64(resolution))
	times := make([]int64, len(points))
	kind := byte(singles)
	for i, p := range points {
		times[i] = p.at / resolution
		if p.Count != 1 || p.Min != p.Max || p.Sum != p.Min {
			kind = summaries
		}
	}
	b = appendTimes(b, times)
	b = append(b, kind)
	b = appendColumn(b, points, limited, func(s *Summary) *float64 { return &s.Sum })
	if kind == singles {
		for i := range points {
			points[i].Min, points[i].Max = points[i].Sum, points[i].Sum
		}
		return b
	}
	b = appendColumn(b, points, limited, func(s *Summary) *float64 { return &s.Count })
	// The minima and the maxima form one column, so that equal ones are rounded to the same value.
	b = appendColumn(b, points, limited, func(s *Summary) *float64 { return &s.Min },
		func(s *Summary) *float64 { return &s.Max })
	for i := range points {
		b = appendSketch(b, &points[i].Summary)
	}
	return b
}

// appendColumn appends one number of each summary. If limited is true, it sets the numbers to the values that
// a reader will get.
func appendColumn(b []byte, points []point, limited bool, numbers ...func(*Summary) *float64) []byte {
	values := make([]float64, 0, len(points)*len(numbers))
	for _, number := range numbers {
		for i := range points {
			values = append(values, *number(&points[i].Summary))
		}
	}
	start := len(b)
	b = appendFloats(b, values, limited)
	if limited {
		r := reader{b: b[start:]}
		values = r.floats(len(values))
		for k, number := range numbers {
			for i := range points {
				*number(&points[i].Summary) = values[k*len(points)+i]
			}
		}
	}
	return b
}

// appendTimes appends increasing times: the first one, and the differences as integers, most of
// them equal.
func appendTimes(b []byte, times []int64) []byte {
	b = binary.AppendVarint(b, times[0])
	steps := make([]int64, len(times)-1)
	for i := range steps {
		steps[i] = times[i+1] - times[i]
	}
	return appendInts(b, steps)
}

// A sketch begins with one of these, or with twice its number of bins plus withBins. The bins of the minimum
// and the maximum are not written, since they are known, unless allBins is added.
const (
	noSketch  = 0 // the distribution of the values is not known
	fewValues = 1 // two or three values, which can be computed from the rest of the summary
	withBins  = 2
	allBins   = 1
)

// appendSketch appends the sketch of a summary, and sets it to the one that a reader will get.
func appendSketch(b []byte, s *Summary) []byte {
	switch {
	case s.Min == s.Max:
		return b // a single value needs no sketch
	case s.bins == nil:
		return append(b, noSketch)
	case (s.Count == 2 || s.Count == 3) && slices.Equal(s.few(), s.bins):
		return append(b, fewValues)
	}
	bins, flag := slices.Clone(s.bins), uint64(0)
	bins[0].count--
	bins[len(bins)-1].count--
	if bins[0].count < 0 || bins[len(bins)-1].count < 0 {
		bins, flag = s.bins, allBins
	} else {
		bins = slices.DeleteFunc(bins, func(b bin) bool { return b.count == 0 })
		s.bins = s.withEnds(slices.Clone(bins))
	}
	b = binary.AppendUvarint(b, uint64(len(bins))<<1+withBins|flag)
	last := int64(indexOf(s.Min))
	for _, n := range bins {
		step := zigzag(int64(n.index) - last)
		last = int64(n.index)
		switch {
		case n.count == 1:
			b = binary.AppendUvarint(b, step<<1)
		case n.count == math.Trunc(n.count) && n.count < maxInteger:
			b = binary.AppendUvarint(b, step<<1|1)
			b = binary.AppendUvarint(b, uint64(n.count)<<1)
		default:
			b = append(binary.AppendUvarint(b, step<<1|1), 1)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.count))
		}
	}
	return b
}

// withEnds adds the bins of the minimum and the maximum.
func (s *Summary) withEnds(bins []bin) []bin {
	for _, v := range []float64{s.Min, s.Max} {
		i, there := slices.BinarySearchFunc(bins, indexOf(v), func(b bin, index int32) int {
			return cmp.Compare(b.index, index)
		})
		if !there {
			bins = slices.Insert(bins, i, bin{index: indexOf(v)})
		}
		bins[i].count++
	}
	return bins
}

func (r *reader) sketch(s *Summary) {
	if s.Min == s.Max {
		return
	}
	head := r.uvarint()
	n := head>>1 - withBins>>1
	switch {
	case head == noSketch:
		return
	case head == fewValues:
		s.bins = s.few()
		return
	case n > maxBins+2:
		r.fail(fmt.Errorf("a sketch has %d bins", n))
		return
	}
	s.bins = make([]bin, n)
	last := int64(indexOf(s.Min))
	for i := range s.bins {
		step := r.uvarint()
		last += int64(step>>2) ^ -int64(step>>1&1)
		if last < math.MinInt32 || last > math.MaxInt32 {
			r.fail(fmt.Errorf("a bin has the index %d", last))
			return
		}
		s.bins[i] = bin{int32(last), 1}
		if step&1 == 1 {
			s.bins[i].count = r.count()
		}
	}
	if head&allBins == 0 {
		s.bins = s.withEnds(s.bins)
	}
}

func (r *reader) count() float64 {
	n := r.uvarint()
	if n == 1 {
		return r.float()
	}
	return float64(n >> 1)
}

// parseBlock reads a block and returns its points.
func parseBlock(b []byte) (points []point, err error) {
	err = visitBlock(b, true, func(n int) { points = make([]point, 0, n) },
		func(p point) { points = append(points, p) })
	if err != nil {
		return nil, err
	}
	return points, nil
}

// visitBlock calls begin with the number of points in a block, and then visit for each point. If spread is
// false, it leaves out the sketches. It may have visited some points before it returns an error.
func visitBlock(b []byte, spread bool, begin func(n int), visit func(point)) error {
	r := reader{b: b}
	n, resolution := r.uvarint(), int64(r.uvarint())
	if r.err == nil && (n == 0 || n > maxPoints || resolution < 1 || resolution > day) {
		r.fail(fmt.Errorf("a block has %d points of %d seconds", n, resolution))
	}
	if r.err != nil {
		return r.err
	}
	first := r.varint()
	steps := r.ints(int(n) - 1)
	kind := r.byte()
	sums := r.floats(int(n))
	var counts, bounds []float64
	if kind == summaries {
		counts, bounds = r.floats(int(n)), r.floats(2*int(n))
	}
	if r.err != nil {
		return r.err
	}
	begin(int(n))
	p := point{at: first * resolution}
	for i := range int(n) {
		if i > 0 {
			p.at += steps[i-1] * resolution
		}
		p.Summary = StatisticSet(1, sums[i], sums[i], sums[i])
		if kind == summaries {
			p.Summary = StatisticSet(counts[i], sums[i], bounds[i], bounds[int(n)+i])
			if spread {
				r.sketch(&p.Summary)
			}
		}
		visit(p)
	}
	if spread && r.err == nil && (len(r.b) > 0 || kind > summaries) {
		r.err = fmt.Errorf("%d bytes follow a block", len(r.b))
	}
	return r.err
}
