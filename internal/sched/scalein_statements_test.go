package sched

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tasksOf reads tasks from text: id@instance, and then any of these signs: "-" not running, "!" unhealthy,
// "+" protected, "*" of the new deployment. Each task needs 100 CPU units and 200 MiB unless it ends with
// "=CPU/MEMORY".
func tasksOf(t *testing.T, text string) []Task {
	t.Helper()
	var list []Task
	for word := range strings.FieldsSeq(text) {
		word, size, sized := strings.Cut(word, "=")
		x := Task{Running: true, Healthy: true, Needs: Resources{CPU: 100, Memory: 200}}
		if sized {
			cpu, memory, _ := strings.Cut(size, "/")
			x.Needs = Resources{CPU: number(t, cpu), Memory: number(t, memory)}
		}
		id, on, _ := strings.Cut(word, "@")
		signs := strings.TrimLeft(on, "abcdefghijklmnopqrstuvwxyz0123456789")
		for _, sign := range signs {
			switch sign {
			case '-':
				x.Running = false
			case '!':
				x.Healthy = false
			case '+':
				x.Protected = true
			case '*':
				x.Deployment = 1
			default:
				t.Fatalf("unknown sign %q", sign)
			}
		}
		x.ID = id
		if on = strings.TrimSuffix(on, signs); on != "" {
			x.InstanceARN = inst(on, "a", 0, 0).ARN
		}
		list = append(list, x)
	}
	return list
}

// TestScaleInStatements: each row is a statement of ecs.md 2.7 or 3.10, or a limit of one. The world counts
// the tasks of the row and no others.
func TestScaleInStatements(t *testing.T) {
	const two, four = "a1 a 900/900; b1 b 900/900", "a1 a 900/900; a2 a 900/900; b1 b 900/900; b2 b 900/900"
	for _, c := range []struct {
		says   string
		on     string
		tasks  string
		change func(*Request)
		n      int
		want   string
	}{
		{"no strategy: the zone with most tasks", two, "t1@a1 t2@b1 t3@b1", by(), 1, "t2"},
		{"no strategy: then the instance with most tasks", four, "t1@a1 t2@a2 t3@a2 t4@b1 t5@b2", by(), 1, "t2"},
		{"each stop counts for the next", two, "t1@a1 t2@a1 t3@a1 t4@b1 t5@b1", by(), 3, "t1 t2 t4"},
		{"spread over instances: the fullest, wherever it is", four, "t1@a1 t2@a2 t3@a2 t4@b1 t5@b1 t6@b1",
			by("spread=host"), 2, "t4 t2"},
		{"spread over racks, then instances", "a1 a 900/900 rack=r1; a2 a 900/900 rack=r2; b1 b 900/900 rack=r2",
			"t1@a1 t2@a1 t3@a2 t4@b1 t5@b1", by("spread=attribute:rack", "spread=host"), 2, "t4 t1"},
		{"binpack: most CPU after the stop", "a1 a 500/900; b1 b 600/100", "t1@a1 t2@b1", by("binpack=cpu"), 1, "t2"},
		{"binpack: the size of the task counts", "a1 a 500/900; b1 b 600/100", "t1@a1=300/10 t2@b1",
			by("binpack=cpu"), 1,
			"t1"},
		{"binpack: most memory after the stop", "a1 a 900/500; b1 b 100/600", "t1@a1 t2@b1", by("binpack=memory"),
			1, "t2"},
		{"binpack: the one that is emptied goes on", "a1 a 500/900; b1 b 600/900", "t1@a1 t2@b1 t3@b1 t4@a1",
			by("binpack=cpu"), 3, "t2 t3 t1"},
		{"zones first, binpack within", four, "t1@a1=300/10 t2@a2 t3@b1=900/10", by(zoneSpread, "binpack=cpu"), 2,
			"t1 t3"},
		{"after a stop, what the next one would free counts", "a1 a 500/900; a2 a 550/900", "t1@a1 t2@a1 t3@a2",
			by("spread=host", "binpack=cpu"), 2, "t1 t2"},
		{"not yet running goes first", two, "t1@a1 t2@a1 t3@b1-", by(), 1, "t3"},
		{"then unhealthy", two, "t1@a1 t2@a1! t3@b1- t4@b1", by(), 2, "t3 t2"},
		{"then on an instance that drains", "a1 a 900/900; b1 b 900/900 DRAINING", "t1@a1 t2@a1! t3@b1 t4@a1", by(), 2,
			"t2 t3"},
		{"also on one that is not known", two, "t1@a1 t2@gone t3@b1 t4@b1", by(), 1, "t2"},
		{"a task that was never placed does not run", two, "t1@a1 t2@- t3@b1", by(), 1, "t2"},
		{"then older deployments", two, "t1@a1* t2@a1* t3@b1 t4@b1*", by(), 1, "t3"},
		{"health comes before age", two, "t1@a1 t2@a1*! t3@b1", by(), 1, "t2"},
		{"age decides among unhealthy ones", two, "t1@a1*! t2@a1*! t3@b1!", by(), 2, "t3 t1"},
		{"protected ones are skipped", two, "t1@b1+ t2@b1+ t3@b1 t4@a1", by(), 2, "t3 t4"},
		{"but count for the zone", two, "t1@b1+ t2@b1+ t3@b1 t4@a1 t5@a1", by(), 1, "t3"},
		{"protected, even unhealthy or not running", two, "t1@a1+! t2@a1-+ t3@b1", by(), 3, "t3"},
		{"all protected: none", two, "t1@a1+ t2@b1+", by(), 1, ""},
		{"none asked for", two, "t1@a1", by(), 0, ""},
		{"less than none", two, "t1@a1", by(), -1, ""},
		{"more than there are", two, "t2@a1 t1@b1", by(), 9, "t2 t1"},
		{"no task", two, "", by(), 3, ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			w, tasks := scene(t, c.on), tasksOf(t, c.tasks)
			for _, x := range tasks {
				if k := index(w, x.InstanceARN); k >= 0 {
					w.Instances[k].TaskGroups["service:web"]++
				}
			}
			var ids []string
			for _, v := range ScaleIn(w, "service:web", tasks, web(0, c.change).Strategies, c.n, 1) {
				ids = append(ids, v.TaskID)
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestScaleInDetails: the reason reported for each victim.
func TestScaleInDetails(t *testing.T) {
	w := scene(t, "a1 a 900/900 service:web=3; b1 b 900/900 DRAINING service:web=1; c1 c 900/900 service:web=1")
	delete(w.Instances[2].Attributes, zoneAttribute)
	w.Instances[2].Zone = ""
	got := ""
	for _, v := range ScaleIn(w, "service:web", tasksOf(t, "t1@a1- t2@a1! t3@a1 t4@b1 t5@c1"), nil, 5, 1) {
		got += v.TaskID + ": " + v.Detail + "\n"
	}
	want := "t1: it does not run yet\nt2: it is unhealthy\nt4: its container instance is not ACTIVE\n" +
		"t3: 1 tasks of the service are on its container instance in us-east-1a\n" +
		"t5: 1 tasks of the service are on its container instance in no zone\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestScaleInIsRandomInsideAZone: when the only strategy spreads over zones, any instance of the fullest zone
// may lose a task. Over many seeds, each loses one about equally often (ecs.md 2.7: random inside an AZ).
func TestScaleInIsRandomInsideAZone(t *testing.T) {
	w := scene(t, "a1 a 900/900 service:web=1; a2 a 900/900 service:web=1; a3 a 900/900 service:web=1;"+
		"b1 b 900/900 service:web=2")
	tasks := tasksOf(t, "t1@a1 t2@a2 t3@a3 t4@b1 t5@b1")
	lost := map[string]int{}
	for seed := range uint64(900) {
		lost[ScaleIn(w, "service:web", tasks, web(0, by(zoneSpread)).Strategies, 1, seed)[0].TaskID]++
	}
	for _, id := range []string{"t1", "t2", "t3"} {
		if lost[id] < 240 || lost[id] > 360 {
			t.Errorf("%s was stopped %d times of 900", id, lost[id])
		}
	}
	if len(lost) != 3 {
		t.Errorf("stopped were %v", lost)
	}
}

// TestScaleInUndoesPlan: tasks are placed by a spread, and any number of them is stopped. The numbers that
// are left differ by at most one, over zones and over the instances within each zone (ecs.md 2.4, 2.7).
func TestScaleInUndoesPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := cluster(rapid.IntRange(1, 9).Draw(t, "instances"))
		r := Request{Group: "g", Count: rapid.IntRange(0, 30).Draw(t, "count"), DefaultSpread: true}
		var tasks []Task
		for k, p := range Plan(w, []Request{r}).Placements {
			tasks = append(tasks, Task{ID: fmt.Sprintf("t%02d", k), InstanceARN: p.InstanceARN, Running: true,
				Healthy: true})
		}
		count(w, tasks)
		n := rapid.IntRange(0, len(tasks)).Draw(t, "n")
		for _, v := range ScaleIn(w, "g", tasks, nil, n, 1) {
			tasks = slices.DeleteFunc(tasks, func(x Task) bool { return x.ID == v.TaskID })
		}
		count(w, tasks)
		zone, most := map[string]int{}, 0
		per := map[string][]int{}
		for _, i := range w.Instances {
			zone[i.Zone] += i.TaskGroups["g"]
			per[i.Zone] = append(per[i.Zone], i.TaskGroups["g"])
		}
		for _, n := range zone {
			most = max(most, n)
		}
		for name, n := range zone {
			if most-n > 1 || slices.Max(per[name])-slices.Min(per[name]) > 1 {
				t.Fatalf("%d left: zones %v, instances %v", len(tasks), zone, per)
			}
		}
	})
}

// TestScaleInNeedsCountsOnly: protected tasks may be left out of the list without changing any choice, as
// long as the instances still count them. Agents, ports and other groups change no choice either.
func TestScaleInNeedsCountsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(5).Draw(t, "world")
		tasks := taskGen(w).Draw(t, "list")
		count(w, tasks)
		chain := rapid.SliceOfN(rapid.SampledFrom(strategySamples), 0, 3).Draw(t, "strategies")
		with := ScaleIn(w, "g", tasks, chain, len(tasks), 3)
		free := slices.DeleteFunc(slices.Clone(tasks), func(x Task) bool { return x.Protected })
		for k := range w.Instances { // none of this matters for a stop
			i := w.Instances[k]
			i.AgentConnected, i.PortsTCP, i.RunningTasksCount = !i.AgentConnected, Ports{1: ""}, 77
			i.TaskGroups["other"] = 5
		}
		if without := ScaleIn(w, "g", free, chain, len(tasks), 3); !slices.Equal(with, without) {
			t.Fatalf("with protected tasks %v\nwithout %v", with, without)
		}
	})
}
