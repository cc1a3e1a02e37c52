package meter

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var anyValue = rapid.OneOf(
	rapid.Map(rapid.IntRange(-100000, 100000), func(i int) float64 { return float64(i) / 100 }),
	rapid.Map(rapid.IntRange(0, 1<<40), func(i int) float64 { return float64(i) }),
	rapid.Float64Range(-1, 1), rapid.Float64Range(-1e20, 1e20), rapid.Float64Range(-1e100, 1e100))

func TestIntegersReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-1<<53, 1<<53), 1, 50).Draw(t, "values")
		if rapid.Bool().Draw(t, "small") {
			for i := range values {
				values[i] %= 1000
			}
		}
		r := reader{b: appendInts(nil, values)}
		if got := r.ints(len(values)); !slices.Equal(got, values) || r.err != nil || len(r.b) > 0 {
			t.Fatalf("%v, %v, %d bytes left", got, r.err, len(r.b))
		}
	})
}

// Recent points are stored exactly. Older ones take four bytes a number, which is at least six digits.
func TestNumbersReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(anyValue, 1, 100).Draw(t, "values")
		r := reader{b: appendFloats(nil, values, false)}
		if got := r.floats(len(values)); !slices.Equal(got, values) || r.err != nil || len(r.b) > 0 {
			t.Fatalf("%v, %v", got, r.err)
		}
		limited := appendFloats(nil, values, true)
		if len(limited) > 4*len(values)+12 {
			t.Fatalf("%d bytes for %d numbers", len(limited), len(values))
		}
		r = reader{b: limited}
		for i, v := range r.floats(len(values)) {
			if !near(v, values[i], 5.1e-6) && math.Abs(values[i]) > 1e-100 {
				t.Fatalf("%v became %v", values[i], v)
			}
		}
		if r.err != nil || len(r.b) > 0 {
			t.Fatal(r.err)
		}
	})
}

func somePoints(t *rapid.T) []point {
	points := make([]point, rapid.IntRange(1, 40).Draw(t, "points"))
	at := rapid.Int64Range(0, 1<<32).Draw(t, "at") / 60 * 60
	for i := range points {
		values := rapid.SliceOfN(anyValue, 1, 8).Draw(t, "values")
		if rapid.Bool().Draw(t, "positive") {
			for i := range values {
				values[i] = math.Abs(values[i])
			}
		}
		points[i] = point{at, Values(values, nil)}
		if rapid.IntRange(0, 3).Draw(t, "set") == 0 {
			points[i].Summary = StatisticSet(7, 70, 1, 20)
		}
		at += 60 * rapid.Int64Range(1, 3).Draw(t, "step")
	}
	return points
}

func TestBlocksReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := somePoints(t)
		limited := rapid.Bool().Draw(t, "limited")
		block := appendBlock(nil, points, minute, limited) // rounds the points
		got, err := parseBlock(block)
		if err != nil || len(got) != len(points) {
			t.Fatalf("%d points, %v", len(got), err)
		}
		for i, p := range got {
			want := points[i]
			if p.at != want.at || p.Count != want.Count || p.Sum != want.Sum || p.Min != want.Min || p.Max != want.Max {
				t.Fatalf("%+v, want %+v", p, want)
			}
			if p.Min != p.Max && !slices.Equal(p.bins, want.bins) {
				t.Fatalf("%v, want %v", p.bins, want.bins)
			}
		}
	})
}

func FuzzBlock(f *testing.F) {
	four, seven := Values([]float64{1, 2, 3, 4}, nil), Values([]float64{7}, nil)
	f.Add(appendBlock(nil, []point{{60, four}, {120, seven}}, minute, true))
	f.Add(appendBlock(nil, []point{{60, seven}, {61, Values([]float64{math.Pi}, nil)}}, 1, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		if points, err := parseBlock(b); err == nil && len(points) == 0 {
			t.Error("a block without points")
		}
		if m, unit, err := parseKey(b); err == nil {
			again, _, err := parseKey([]byte(key(m, unit)))
			if err != nil || len(again.Dimensions) != len(m.Dimensions) {
				t.Errorf("%v: %v, %v", m, again, err)
			}
		}
	})
}

func FuzzFrames(f *testing.F) {
	good := appendFrame(appendFrame(nil, []byte("one")), []byte("two"))
	f.Add(good, 3)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		text := append(slices.Clone(b), good...)
		var got [][]byte
		end := frames("file", text, func(_ int, p []byte) { got = append(got, p) }, func(error) {})
		if end > len(text) {
			t.Fatal(end)
		}
		if len(b) == 0 && (len(got) != 2 || !bytes.Equal(got[1], []byte("two"))) {
			t.Fatal(got)
		}
		frames("file", text[:min(max(cut, 0), len(text))], func(int, []byte) {}, func(error) {})
	})
}

func FuzzStatistic(f *testing.F) {
	for _, s := range []string{"p99.9", "TM(10%:90%)", "PR(:300)", "IQM", "tm90", "WM(1:2)"} {
		f.Add(s, 3.0)
	}
	sum := Values([]float64{1, 2, 3, 4, 100}, []float64{1, 2, 1, 5, 1})
	f.Fuzz(func(t *testing.T, text string, v float64) {
		s, err := ParseStatistic(text)
		if err != nil {
			return
		}
		if got, ok := s.Of(sum); ok && math.IsNaN(got) {
			t.Fatalf("%s is %v", text, got)
		}
	})
}
