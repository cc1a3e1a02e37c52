package scaling

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// If an alarm has the same state when all missing data breach and when none do, then it has that state for
// every treatment of missing data (ecs.md 7.6). One more breaching value never makes the state less severe,
// unless the alarm keeps its state.
func TestMissingDataThatDoNotMatter(t *testing.T) {
	rank := map[State]int{OK: 0, InsufficientData: 1, InAlarm: 2}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		cond := Condition{Comparison: Greater, Threshold: 70, Period: time.Minute, Periods: n,
			ToAlarm: rapid.IntRange(0, n).Draw(t, "m")}
		signs := rapid.SliceOfN(rapid.SampledFrom([]string{"0", "X", "-"}), cond.Range(), cond.Range()).Draw(t, "data")
		now := rapid.SampledFrom([]State{OK, InAlarm, InsufficientData}).Draw(t, "now")
		say := func(missing Missing, signs []string) State {
			cond.MissingData = missing
			return cond.Evaluate(points(strings.Join(signs, " ")), now).State
		}
		loud, quiet := say(MissingIsBreaching, signs), say(MissingIsNotBreaching, signs)
		for _, missing := range []Missing{MissingIsMissing, MissingIgnored, MissingIsBreaching, MissingIsNotBreaching} {
			got := say(missing, signs)
			if loud == quiet && got != loud {
				t.Fatalf("%s, %d of %d, %s: %s, but %s for any missing data", signs, cond.M(), n, missing, got, loud)
			}
			if got != loud && got != quiet && got != now && got != InsufficientData {
				t.Fatalf("%s, %d of %d, %s: %s", signs, cond.M(), n, missing, got)
			}
			if at := slices.Index(signs, "0"); at >= 0 {
				worse := slices.Clone(signs)
				worse[at] = "X"
				if after := say(missing, worse); rank[after] < rank[got] && after != now {
					t.Fatalf("%s is %s and %s is %s, %d of %d, %s", signs, got, worse, after, cond.M(), n, missing)
				}
			}
		}
	})
}

// The reason of an alarm gives the number of values on one side of the threshold and lists them, the newest
// first.
func TestReasonsListTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "n")
		c := rapid.SampledFrom([]Comparison{Greater, GreaterOrEqual, Less, LessOrEqual}).Draw(t, "comparison")
		cond := Condition{Comparison: c, Threshold: 50, Period: time.Minute, Periods: n,
			ToAlarm: rapid.IntRange(0, n).Draw(t, "m")}
		data := make([]Datapoint, cond.Range())
		for i := range data {
			data[i] = Datapoint{Start: at0.Add(time.Duration(i) * time.Minute), Known: true,
				Value: rapid.SampledFrom([]float64{49, 49.5, 50, 50.25, 51, 1e16}).Draw(t, "value")}
		}
		v := cond.Evaluate(data, InsufficientData)
		var want []string
		for _, p := range slices.Backward(data[len(data)-n:]) {
			if c.Breaches(p.Value, 50) == (v.State == InAlarm) {
				value := strings.TrimSuffix(fmt.Sprint(p.Value), ".0")
				if !strings.ContainsAny(value, ".e") {
					value += ".0"
				}
				want = append(want, value+" ("+p.Start.Format("02/01/06 15:04:05")+")")
			}
		}
		text := fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints [", len(want), n)
		if cond.ToAlarm == 0 { // M was not set
			text = fmt.Sprintf("Threshold Crossed: %d datapoint", len(want))
		}
		if !strings.HasPrefix(v.Reason, text) || !strings.Contains(v.Reason, " ["+strings.Join(want, ", ")+"] ") ||
			strings.Contains(v.Reason, " not ") != (v.State == OK) {
			t.Fatalf("%s with the reason %q, want %d values %q", v.State, v.Reason, len(want), want)
		}
	})
}

// ecs.md 5.10: changes in percent, compared with exact arithmetic.
func TestAdjustExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := rapid.IntRange(0, 100_000).Draw(t, "current")
		by := rapid.IntRange(-300, 300).Draw(t, "by")
		least := rapid.IntRange(0, 50).Draw(t, "at least")
		change := new(big.Int).Quo(big.NewInt(int64(current*by)), big.NewInt(100)).Int64() // towards zero
		if size := max(change, -change); by != 0 && size < int64(max(1, least)) {
			change = int64(max(1, least))
			if by < 0 {
				change = -change
			}
		}
		if got, want := PercentChangeInCapacity.Adjust(current, by, least), max(0, current+int(change)); got != want {
			t.Fatalf("%d by %d %%, at least by %d: %d, want %d", current, by, least, got, want)
		}
		if got := ExactCapacity.Adjust(current, by, least); got != max(0, by) {
			t.Fatalf("exact capacity %d: %d", by, got)
		}
		if got := ChangeInCapacity.Adjust(current, by, least); got != max(0, current+by) {
			t.Fatalf("%d changed by %d: %d", current, by, got)
		}
	})
}

// The steps of a policy divide a range. In whatever order they are written, each value in the range has one
// step and each value outside has none. Two equal steps, a bound that is not a number, and a gap are refused.
func TestStepsCoverARangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cuts := slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.IntRange(-50, 50), 2, 6,
			rapid.ID[int]).Draw(t, "cuts")))
		var steps []Step
		for i := range len(cuts) - 1 {
			steps = append(steps, Step{f(float64(cuts[i])), f(float64(cuts[i+1])), i + 1})
		}
		first, last := float64(cuts[0]), float64(cuts[len(cuts)-1])
		if rapid.Bool().Draw(t, "open below") {
			steps[0].Lower, first = nil, math.Inf(-1)
		}
		if rapid.Bool().Draw(t, "open above") {
			steps[len(steps)-1].Upper, last = nil, math.Inf(1)
		}
		mixed := rapid.Permutation(steps).Draw(t, "order")
		if err := CheckSteps(mixed); err != nil {
			t.Fatalf("%v: %v", mixed, err)
		}
		breach := float64(rapid.IntRange(-240, 240).Draw(t, "breach")) / 4
		for _, c := range []Comparison{Greater, Less} {
			s, found := FindStep(mixed, 60+breach, 60, c)
			in := first <= breach && breach < last
			if c == Less {
				in = first < breach && breach <= last
			}
			if found != in {
				t.Fatalf("for a breach by %v there is a step in %v: %v", breach, mixed, found)
			}
			at := s.By - 1
			if ends := found && (breach == s.lower() || breach == s.upper()); found && !ends &&
				(breach < steps[at].lower() || breach > steps[at].upper()) {
				t.Fatalf("a breach by %v has the step %+v", breach, s)
			}
		}
		wrong := slices.Clone(mixed)
		which := rapid.IntRange(0, len(wrong)-1).Draw(t, "which")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			wrong = append(wrong, wrong[which])
		case 1:
			wrong[which].Lower = f(math.NaN())
		case 2:
			if at := wrong[which].By - 1; at == 0 || at == len(steps)-1 {
				return // without its first or last step, the range is only shorter
			}
			wrong = slices.Delete(wrong, which, which+1)
		}
		if CheckSteps(wrong) == nil {
			t.Fatalf("no error for %v", wrong)
		}
	})
}

// ecs.md 6.6 and 6.7: the proposed capacity is the smallest one with which the metric is not above its
// target. Scaling to it does not make the capacity flap.
func TestTrackingProposesTheSmallestThatIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := Tracking{Target: float64(rapid.IntRange(1, 200).Draw(t, "target"))}
		running := rapid.IntRange(1, 500).Draw(t, "running")
		metric := float64(rapid.IntRange(0, 4000).Draw(t, "metric")) / 8
		n := policy.Capacity(running, metric)
		load := metric * float64(running)
		if load > policy.Target*float64(n)*(1+1e-9) || n > 0 && load <= policy.Target*float64(n-1) {
			t.Fatalf("%d tasks at %v with a target of %v: %d", running, metric, policy.Target, n)
		}
		if policy.Flaps(running, metric)(n) {
			t.Fatalf("%d would flap", n)
		}
		if n > 0 && !policy.Flaps(running, metric)(n-1) {
			t.Fatalf("%d would not flap, and %d is proposed", n-1, n)
		}
		p := policy.Propose("p", running, metric)
		if p.To != n || !p.Tracking || (p.Direction == Out) != (metric > policy.Target) ||
			(p.Direction == In) != (metric < 0.9*policy.Target) { // ecs.md 6.5
			t.Fatalf("%v with a target of %v: %+v", metric, policy.Target, p)
		}
	})
}

// The order of proposals does not matter (ecs.md 6.12). One more proposal to scale out never leads to a lower
// capacity. A proposal of no change, by a policy that tracks no target, has no effect.
func TestPoliciesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, proposals := drawSituation(t)
		d := Decide(s, proposals)
		other := Decide(s, rapid.Permutation(proposals).Draw(t, "order"))
		if d.To != other.To || d.Reason != other.Reason || d.Last != other.Last {
			t.Fatalf("%+v, and %+v in another order", d, other)
		}
		out := Proposal{Direction: Out, To: rapid.IntRange(-5, 40).Draw(t, "out")}
		if more := Decide(s, append(slices.Clone(proposals), out)); more.To < d.To {
			t.Fatalf("%d with one more proposal, to scale out to %d, but %d without it", more.To, out.To, d.To)
		}
		idle := Decide(s, append(slices.Clone(proposals), Proposal{Direction: Hold}))
		if idle.To != d.To || idle.Reason != d.Reason {
			t.Fatalf("%+v, but %+v with a policy that proposes no change", d, idle)
		}
	})
}

// ecs.md 4.3: the number of instances needed is the number that the tasks fill when they are placed one by
// one. The group of tasks that needs the most instances decides, within the steps. A group whose tasks do not
// fit on the smallest instance does not count.
func TestInstancesAreFilledOneByOne(t *testing.T) {
	resources := func(t *rapid.T, name string, least, most int) Resources {
		n := rapid.IntRange(least, most)
		return Resources{CPU: n.Draw(t, name+" cpu"), Memory: n.Draw(t, name+" memory"),
			GPUs: n.Draw(t, name+" gpus")}
	}
	rapid.Check(t, func(t *rapid.T) {
		small, more := resources(t, "smallest", 0, 4), resources(t, "more", 0, 4)
		p := Provider{Target: 100, Smallest: small, Largest: Resources{CPU: small.CPU + more.CPU,
			Memory: small.Memory + more.Memory, GPUs: small.GPUs + more.GPUs},
			MinStep: rapid.IntRange(1, 3).Draw(t, "least"), MaxStep: rapid.IntRange(3, 20).Draw(t, "most")}
		var waiting []Group
		want := 0
		for range rapid.IntRange(1, 3).Draw(t, "groups") {
			g := Group{Needs: Resources{CPU: rapid.IntRange(0, small.CPU).Draw(t, "cpu"),
				Memory: rapid.IntRange(0, small.Memory).Draw(t, "memory"),
				GPUs:   rapid.IntRange(0, small.GPUs).Draw(t, "gpus")},
				Tasks: rapid.IntRange(1, 12).Draw(t, "tasks"), Apart: rapid.IntRange(0, 3).Draw(t, "apart") == 0}
			if rapid.IntRange(0, 2).Draw(t, "too large") == 0 {
				g.Needs.Memory = small.Memory + 1
			}
			g.Needs.Ports = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "ports")
			waiting = append(waiting, g)
			if fits(g.Needs, small) {
				want = max(want, filled(g, p.Largest))
			}
		}
		n := rapid.IntRange(0, 5).Draw(t, "in service")
		needed, ok := p.Instances(n, 0, waiting)
		if ok != (want > 0) {
			t.Fatalf("%+v fit: %v", waiting, ok)
		}
		if want > 0 {
			want = min(max(want, p.MinStep), p.MaxStep)
		}
		if needed != n+want {
			t.Fatalf("%+v on %+v need %d beside %d, want %d", waiting, p.Largest, needed-n, n, want)
		}
		if value := p.Reservation(needed, n, ok); !ok && value != p.Target || ok && value <= 100 {
			t.Fatalf("a reservation of %v for %d of %d", value, needed, n)
		}
	})
}

func fits(needs, room Resources) bool {
	return needs.CPU <= room.CPU && needs.Memory <= room.Memory && needs.GPUs <= room.GPUs
}

// filled places the tasks of a group on instances until none is left, and returns the number of instances.
func filled(g Group, instance Resources) (instances int) {
	var room Resources
	full := true
	for range g.Tasks {
		if full || !fits(g.Needs, room) {
			room = instance
			instances++
		}
		room.CPU, room.Memory = room.CPU-g.Needs.CPU, room.Memory-g.Needs.Memory
		room.GPUs -= g.Needs.GPUs
		full = g.Apart || g.Needs.Ports > 0
	}
	return instances
}
