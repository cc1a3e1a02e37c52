package sched

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRebalanceStatements: each row is a statement of ecs.md 2.8, or a limit of one. The wanted text is
// "from>to on instance".
func TestRebalanceStatements(t *testing.T) {
	for _, c := range []struct {
		says   string
		on     string
		change func(*Request)
		want   string
	}{
		{"one task more in a zone is balanced", "a1 a 900/900 service:web=2; b1 b 900/900 service:web=1", by(), ""},
		{"two more are not", "a1 a 900/900 service:web=3; b1 b 900/900 service:web=1", by(), "a>b on b1"},
		{"each zone has one: the empty one gets a task", "a1 a 900/900 service:web=2; b1 b 900/900", by(), "a>b on b1"},
		{"a single task stays where it is", "a1 a 900/900 service:web=1; b1 b 900/900", by(), ""},
		{"from the fullest to the emptiest", "a1 a 900/900 service:web=2; b1 b 900/900 service:web=5;" +
			"c1 c 900/900 service:web=1", by(), "b>c on c1"},
		{"of zones that are equally empty the first", "a1 a 900/900 service:web=5; b1 b 900/900; c1 c 900/900", by(),
			"a>b on b1"},
		{"of zones that are equally full the first", "a1 a 900/900; b1 b 900/900 service:web=3;" +
			"c1 c 900/900 service:web=3", by(), "b>a on a1"},
		{"in the zone where the strategies say", "a1 a 900/900 service:web=4; b1 b 900/900 service:web=1; b2 b 900/900",
			by(), "a>b on b2"},
		{"the spread over zones may be named", "a1 a 900/900 service:web=3; b1 b 900/900; b2 b 800/900",
			by(zoneSpread, "binpack=cpu"), "a>b on b2"},
		{"but must be first", "a1 a 900/900 service:web=3; b1 b 900/900", by("binpack=cpu", zoneSpread), ""},
		{"without a spread over zones nothing moves", "a1 a 900/900 service:web=4; b1 b 900/900",
			by("binpack=cpu"), ""},
		{"nor without instances", "", by(), ""},
		{"no task goes where none fits", "a1 a 900/900 service:web=3; b1 b 100/900", by(), ""},
		{"but to the next zone, if one has room there",
			"a1 a 900/900 service:web=4; b1 b 0/0; c1 c 900/900 service:web=1", by(), "a>c on c1"},
		{"nor to an agent that is gone", "a1 a 900/900 service:web=3; b1 b 900/900 disconnected", by(), ""},
		{"nor to a port in use", "a1 a 900/900 service:web=3; b1 b 900/900 tcp:80", port(80), ""},
		{"a zone that leaves does not count", "a1 a 900/900 service:web=2; b1 b 900/900 DRAINING", by(), ""},
		{"tasks on instances that leave do not count",
			"a1 a 900/900 service:web=1; a2 a 900/900 service:web=4 DRAINING;" +
				"b1 b 900/900", by(), ""},
		{"nor do those of other services", "a1 a 900/900 service:db=4 service:web=1; b1 b 900/900", by(), ""},
		{"zones where constraints allow no task are left out", "a1 a 900/900 service:web=3; b1 b 900/900;" +
			"c1 c 900/900 rack=r1 service:web=1; d1 d 900/900 rack=r1 service:web=3", member("attribute:rack exists"),
			"d>c on c1"},
		{"zones without a subnet are left out", "a1 a 900/900 service:web=3; b1 b 900/900; c1 c 900/900",
			within("us-east-1a", "us-east-1c"), "a>c on c1"},
		{"distinct instances", "a1 a 900/900 service:web=1; a2 a 900/900 service:web=1; a3 a 900/900 service:web=1;" +
			"b1 b 900/900 service:web=1; b2 b 900/900", distinct, "a>b on b2"},
		{"distinct instances, none left", "a1 a 900/900 service:web=1; a2 a 900/900 service:web=1;" +
			"a3 a 900/900 service:web=1; b1 b 900/900 service:web=1", distinct, ""},
	} {
		m, ok := Rebalance(scene(t, c.on), web(7, c.change))
		got := ""
		if ok {
			got = strings.TrimPrefix(m.From, "us-east-1") + ">" + strings.TrimPrefix(m.To, "us-east-1") + " on " +
				shortID(m.InstanceARN)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.says, got, c.want)
		}
	}
}

// TestEveryMoveIsNeeded: when there is room everywhere, only the tasks above an even share move (ecs.md 2.8).
// The fewest possible moves are the excess of the fullest zones over their shares, where the fuller zones get
// the larger shares.
func TestEveryMoveIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := cluster(rapid.IntRange(1, 7).Draw(t, "instances"))
		count := map[string]int{}
		total := 0
		for k := range w.Instances {
			n := rapid.IntRange(0, 9).Draw(t, "tasks")
			w.Instances[k].TaskGroups = map[string]int{"service:web": n}
			count[w.Instances[k].Zone] += n
			total += n
		}
		full := slices.Sorted(maps.Values(count))
		slices.Reverse(full)
		least := 0
		for k, n := range full {
			share := total / len(full)
			if k < total%len(full) {
				share++
			}
			least += max(0, n-share)
		}
		moves := 0
		for r := (Request{Group: "service:web", DefaultSpread: true}); moves <= total; moves++ {
			m, ok := Rebalance(w, r)
			if !ok {
				break
			}
			if count[m.From]-count[m.To] < 2 {
				t.Fatalf("%+v with %v", m, count)
			}
			count[m.From]--
			count[m.To]++
			w.Instances[index(w, m.InstanceARN)].TaskGroups["service:web"]++
			from := slices.IndexFunc(w.Instances,
				func(i *Instance) bool { return i.Zone == m.From && i.TaskGroups["service:web"] > 0 })
			w.Instances[from].TaskGroups["service:web"]--
		}
		if moves != least {
			t.Fatalf("%d moves, but %d are enough: %v", moves, least, count)
		}
	})
}

// TestRebalanceMovesIntoRoom: in any cluster, a task moves if and only if the fullest zone has at least two
// tasks more than the emptiest zone with room. It moves from the former to the latter, to an instance that it
// fits on.
func TestRebalanceMovesIntoRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(8).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		if rapid.Bool().Draw(t, "zones first") {
			r.Strategies = slices.Insert(r.Strategies, 0, Strategy{byAttribute, zoneAttribute})
		}
		now := naive{w: w}
		count, room := map[string]int{}, map[string]bool{}
		for k := range w.Instances {
			i := w.Instances[k]
			if slices.Contains(Eligible(w, r), i.ARN) {
				count[i.Zone] += 0
			}
			room[i.Zone] = room[i.Zone] || now.fits(i, r)
		}
		for _, i := range w.Instances {
			if _, ok := count[i.Zone]; ok && i.Status == "ACTIVE" {
				count[i.Zone] += i.TaskGroups[r.Group]
			}
		}
		most, least := 0, -1 // the fullest zone, and the emptiest zone with room
		for zone, n := range count {
			most = max(most, n)
			if room[zone] && (least < 0 || n < least) {
				least = n
			}
		}
		m, ok := Rebalance(World{rapid.Permutation(w.Instances).Draw(t, "order")}, r)
		if want := SpreadsZones(r.Strategies, r.DefaultSpread) && least >= 0 && most-least >= 2; ok != want {
			t.Fatalf("moves %v, want %v: %v, room in %v", ok, want, count, room)
		}
		if !ok {
			return
		}
		i := w.Instances[index(w, m.InstanceARN)]
		if count[m.From] != most || count[m.To] != least || i.Zone != m.To || !now.fits(i, r) {
			t.Fatalf("%+v: %v, room in %v", m, count, room)
		}
	})
}
