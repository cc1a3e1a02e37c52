package sched

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const zoneSpread = "spread=attribute:ecs.availability-zone"

// TestPlacementStatements: each row is a statement of ecs.md about placement, or a limit of one.
func TestPlacementStatements(t *testing.T) {
	many := "a1 a 9000/9000; b1 b 9000/9000; "
	ask := func(list ...Request) []Request { return list }
	for _, c := range []struct {
		statement, says string
		on              string
		ask             []Request
		want            string
	}{
		{"1.3.1", "only ACTIVE takes tasks", "a1 a 900/900 REGISTERING; a2 a 900/900 REGISTRATION_FAILED;" +
			"a3 a 900/900 DEREGISTERING; a4 a 900/900 INACTIVE; a5 a 900/900 DRAINING; a6 a 900/900",
			ask(web(1)), "a6"},
		{"1.3.1", "a connected agent is needed too", "a1 a 900/900 disconnected; a2 a 900/900", ask(web(2)),
			"a2 | 1 AGENT@a1"},
		{"1.3.2", "a disconnected agent stops placement", "a1 a 900/900 disconnected", ask(web(1)), "| 1 AGENT@a1"},
		{"1.3.2", "tasks on a disconnected instance are not declared dead: they count for spreads",
			"a1 a 900/900 disconnected service:web=1; a2 a 900/900; b1 b 900/900", ask(web(1)), "b1"},
		{"1.3.6", "a task of 0 CPU fits where none is free", "a1 a 0/900", ask(web(1, needs(0, 100))), "a1"},
		{"1.3.6", "host ports are per protocol", "a1 a 900/900 udp:53", ask(web(1, port(53)), web(1, udp(53))),
			"a1 | 1 RESOURCE:CPU@a1"},
		{"2.1", "exactly enough is enough", "a1 a 512/512", ask(web(1)), "a1"},
		{"2.1", "one CPU unit too few", "a1 a 511/512", ask(web(1)), "| 1 RESOURCE:CPU@a1"},
		{"2.1", "one MiB too few", "a1 a 512/511", ask(web(1)), "| 1 RESOURCE:MEMORY@a1"},
		{"2.1", "GPUs", "a1 a 2000/2000; b1 b 2000/2000 gpu:1", ask(web(2, gpus(1))), "b1 | 1 RESOURCE:GPU@a1"},
		{"2.1", "network interfaces", "a1 a 2000/2000 eni:2; b1 b 2000/2000 eni:0", ask(web(3, interfaces(1))),
			"a1 a1 | 1 RESOURCE:ENI@a1"},
		{"2.1", "ports", "a1 a 2000/2000 tcp:80; b1 b 2000/2000", ask(web(2, port(80))), "b1 | 1 RESOURCE:PORTS@a1"},
		{"2.1", "attributes", "a1 a 2000/2000; b1 b 2000/2000 ssd=yes", ask(web(2, requires("ssd", ""))), "b1 b1"},
		{"2.1", "a required value", "a1 a 2000/2000 disk=hdd; b1 b 2000/2000 disk=ssd",
			ask(web(1, requires("disk", "ssd"))), "b1"},
		{"2.1", "constraints bind", "a1 a 900/900; b1 b 9000/9000", ask(web(2, member("attribute:rack == r1"))),
			"| 2 MemberOf placement constraint unsatisfied.@a1"},
		{"2.1", "all constraints bind", many, ask(web(2, distinct,
			member("attribute:ecs.availability-zone == us-east-1b"))),
			"b1 | 1 DistinctInstance placement constraint unsatisfied.@b1"},
		{"2.1", "strategies never prevent a placement: one zone is full", "a1 a 1600/1600; b1 b 100/100",
			ask(web(3, by(zoneSpread))), "a1 a1 a1"},
		{"2.1", "nor does packing onto what is full", "a1 a 600/9000; b1 b 9000/9000", ask(web(3, by("binpack=cpu"))),
			"a1 b1 b1"},
		{"2.2", "in order: zones first, then the least memory",
			"a1 a 9000/9000; a2 a 9000/2000; b1 b 9000/3000", ask(web(4, by(zoneSpread, "binpack=memory"))),
			"a2 b1 a2 b1"},
		{"2.2", "in order: the least memory first, zones break ties only",
			"a1 a 9000/2000; b1 b 9000/2000; b2 b 9000/3000", ask(web(4, by("binpack=memory", zoneSpread))),
			"a1 a1 a1 b1"},
		{"2.2", "zones break the tie between equally full ones",
			"a1 a 9000/2000 service:web=2; b1 b 9000/2000", ask(web(1, by("binpack=memory", zoneSpread))), "b1"},
		{"2.2", "racks within zones, counted per zone and rack",
			"a1 a 9000/9000 rack=r1 service:web=2; a2 a 9000/9000 rack=r2; b1 b 9000/9000 rack=r1;" +
				"b2 b 9000/9000 rack=r2",
			ask(web(4, by(zoneSpread, "spread=attribute:rack", "spread=host"))), "b1 b2 a2 b1"},
		{"2.2", "five strategies", "a1 a 9000/9000; a2 a 8000/9000; b1 b 9000/9000 service:web=1",
			ask(web(2, by(zoneSpread, "spread=attribute:rack", "spread=host", "binpack=cpu", "binpack=memory"))),
			"a2 a1"},
		{"2.2", "each task counts those before it, over requests of one group too", many, ask(web(1), web(1), web(1)),
			"a1 b1 a1"},
		{"2.3", "instanceId is the instance", "a1 a 9000/9000 service:web=1; a2 a 9000/9000; b1 b 9000/9000",
			ask(web(3, by("spread=instanceId"))), "a2 b1 a1"},
		{"2.3", "host is the same", "a1 a 9000/9000 service:web=1; a2 a 9000/9000; b1 b 9000/9000",
			ask(web(3, by("spread=host"))), "a2 b1 a1"},
		{"2.3", "an attribute's value with fewest tasks", "a1 a 9000/9000 rack=r1 service:web=2;" +
			"b1 b 9000/9000 rack=r2 service:web=1", ask(web(1, by("spread=attribute:rack"))), "b1"},
		{"2.3", "instances without the attribute are one value together", "a1 a 9000/9000 service:web=1;" +
			"a2 a 9000/9000; b1 b 9000/9000 rack=r1", ask(web(1, by("spread=attribute:rack", "spread=host"))), "b1"},
		{"2.3", "a service counts its own tasks", "a1 a 9000/9000 service:db=7; b1 b 9000/9000 service:web=1",
			ask(web(1)), "a1"},
		{"2.3", "a standalone task counts its group", "a1 a 9000/9000 family:job=1; b1 b 9000/9000 service:job=5",
			ask(web(1, standalone("family:job"), by("spread=host"))), "b1"},
		{"2.3", "the least CPU that remains", "a1 a 3000/100; b1 b 2000/9000; c1 c 100/9000",
			ask(web(1, needs(500, 50), by("binpack=cpu"))), "b1"},
		{"2.3", "the least memory that remains", "a1 a 100/2000; b1 b 9000/3000; c1 c 9000/4000",
			ask(web(1, by("binpack=memory"))), "b1"},
		{"2.4", "zones, then the instance with fewest tasks of the service",
			"a1 a 9000/9000 service:web=1; a2 a 9000/9000 service:db=5; b1 b 9000/9000 service:web=2", ask(web(2)),
			"a2 a1"},
		{"2.4", "also if the zone's other instance is emptier of other tasks",
			"a1 a 100/100; a2 a 9000/9000 service:web=3; b1 b 9000/9000 service:web=4", ask(web(1)), "a2"},
		{"2.5", "one task of the group an instance", many, ask(web(3, distinct)),
			"a1 b1 | 1 DistinctInstance placement constraint unsatisfied.@a1"},
		{"2.5", "tasks of all deployments count", "a1 a 9000/9000 service:web=1; b1 b 9000/9000", ask(web(1, distinct)),
			"b1"},
		{"2.5", "those of other groups do not", "a1 a 9000/9000 service:db=1", ask(web(1, distinct)), "a1"},
		{"2.5", "distinct tasks of two groups share instances", many,
			ask(web(2, distinct), web(2, distinct, standalone("family:job"), by("spread=host"))), "a1 b1 a1 b1"},
		{"2.6", "runningTasksCount grows with the plan", "a1 a 9000/9000",
			ask(web(3, member("runningTasksCount < 2"))), "a1 a1 | 1 MemberOf placement constraint unsatisfied.@a1"},
		{"2.6", "agentVersion compares as a version", "a1 a 9000/9000 version:1.9.0; b1 b 9000/9000 version:1.70.0",
			ask(web(1, member("agentVersion >= 1.10.0"))), "b1"},
		{"2.6", "registeredAt", "a1 a 9000/9000 since:2024-01-01; b1 b 9000/9000 since:2025-01-01",
			ask(web(1, member("registeredAt > 2024-06-30"))), "b1"},
		{"2.6", "ec2InstanceId", "a1 a 9000/9000 ec2:i-1; b1 b 9000/9000 ec2:i-2",
			ask(web(1, member("ec2InstanceId in [i-2, i-3]"))), "b1"},
		{"2.6", "task:group keeps away from a group", "a1 a 9000/9000 service:db=1; b1 b 9000/9000",
			ask(web(2, member("not(task:group == service:db)"))), "b1 b1"},
		{"1.6", "the zone does not match the subnets", many, ask(web(1, within("us-east-1c"))), "| 1 LOCATION@a1"},
		{"1.6", "subnets of two zones", many + "c1 c 9000/9000", ask(web(3, within("us-east-1b", "us-east-1c"))),
			"b1 c1 b1"},
		{"1.6", "a required attribute is missing", many, ask(web(1, requires("ssd", ""))), "| 1 ATTRIBUTE@a1"},
		{"1.6.1", "partial success is normal, one failure a task", "a1 a 1100/9000", ask(web(5)),
			"a1 a1 | 3 RESOURCE:CPU@a1"},
		{"1.6.2", "no instance", "", ask(web(1)), "| 1 No Container Instances were found in your cluster.@"},
	} {
		t.Run(c.statement+" "+c.says, func(t *testing.T) {
			if got := outcome(Plan(scene(t, c.on), c.ask)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestHundredPorts: an instance has at most 100 reserved ports. Both protocols count together, and so do the
// ports of the agent and of SSH. Dynamic ports do not count (ecs.md 1.3.5).
func TestHundredPorts(t *testing.T) {
	for _, c := range []struct {
		tcp, udp int // in use, in addition to the five of the agent and of SSH
		ask      Request
		want     string
	}{
		{94, 0, web(1, port(80)), "a1"},
		{95, 0, web(1, port(80)), "| 1 RESOURCE:PORTS@a1"},
		{0, 94, web(1, port(80)), "a1"},
		{0, 95, web(1, udp(80)), "| 1 RESOURCE:PORTS@a1"},
		{50, 44, web(1, udp(80)), "a1"},
		{50, 44, web(1, port(80), udp(80)), "| 1 RESOURCE:PORTS@a1"},
		{50, 43, web(2, port(80), udp(80)), "a1 | 1 RESOURCE:PORTS@a1"},
		{95, 0, web(3), "a1 a1 a1"},
		{200, 0, web(1), "a1"},
	} {
		w := scene(t, "a1 a 9000/9000")
		for p := range uint16(c.tcp) {
			w.Instances[0].PortsTCP[8000+p] = "service:many"
		}
		for p := range uint16(c.udp) {
			w.Instances[0].PortsUDP[8000+p] = "service:many"
		}
		if got := outcome(Plan(w, []Request{c.ask})); got != c.want {
			t.Errorf("%d TCP and %d UDP ports in use, needs %v and %v: got %q, want %q",
				c.tcp, c.udp, c.ask.PortsTCP, c.ask.PortsUDP, got, c.want)
		}
	}
}

// TestStandaloneTasksHaveNoDefault: without strategies, a task of RunTask is placed on any instance that it
// fits on, and only the seed decides (ecs.md 2.4). So over many seeds every instance is chosen, even the
// fullest.
func TestStandaloneTasksHaveNoDefault(t *testing.T) {
	w := scene(t, "a1 a 9000/9000 family:job=9; a2 a 900/900; b1 b 600/600 family:job=1; c1 c 100/100")
	seen := map[string]int{}
	for seed := range uint64(300) {
		r := web(1, standalone("family:job"))
		r.Seed = seed
		seen[outcome(Plan(w, []Request{r}))]++
	}
	for _, id := range []string{"a1", "a2", "b1"} {
		if seen[id] < 60 {
			t.Errorf("%s was chosen %d times of 300", id, seen[id])
		}
	}
	if len(seen) != 3 {
		t.Errorf("chosen were %v", seen)
	}
}

// TestServiceEvents: the text of a placement failure for each reason (ecs.md 1.7.4).
func TestServiceEvents(t *testing.T) {
	const none = "(service web) was unable to place a task because no container instance met all of its requirements."
	closest := none + " The closest matching (container-instance a1) "
	for _, c := range []struct {
		on   string
		ask  Request
		want string
	}{
		{"a1 a 100/900", web(1), closest + "has insufficient CPU units available."},
		{"a1 a 900/100", web(1), closest + "has insufficient memory available."},
		{"a1 a 900/900 tcp:80", web(1, port(80)), closest + "is already using a port required by your task."},
		{"a1 a 900/900 udp:80", web(1, udp(80)), closest + "is already using a port required by your task."},
		{"a1 a 900/900 disconnected", web(1), closest + `encountered error "AGENT".`},
		{"a1 a 900/900", web(1, requires("ssd", "")), closest + "is missing an attribute required by your task."},
		{"a1 a 900/900", web(1, within("us-east-1b")), closest + `encountered error "LOCATION".`},
		{"a1 a 900/900", web(1, gpus(1)), closest + `encountered error "RESOURCE:GPU".`},
		{"a1 a 900/900 eni:0", web(1, interfaces(1)), closest + `encountered error "RESOURCE:ENI".`},
		{"a1 a 900/900", web(1, member("attribute:rack exists")),
			closest + `encountered error "MemberOf placement constraint unsatisfied.".`},
		{"", web(1), none + " Reason: No Container Instances were found in your cluster."},
		{"a1 a 900/900 DRAINING", web(1), none + " Reason: No Container Instances were found in your cluster."},
	} {
		out := Plan(scene(t, c.on), []Request{c.ask})
		if len(out.Failures) != 1 || out.Failures[0].Event("web") != c.want {
			t.Errorf("on %q: %+v, want %q", c.on, out.Failures, c.want)
		}
	}
}

// TestSpreadsZones: tasks are spread over zones first if the first strategy is that, or if there is no
// strategy and the default is that (ecs.md 2.4, 2.8).
func TestSpreadsZones(t *testing.T) {
	for _, c := range []struct {
		texts []string
		deflt bool
		want  bool
	}{
		{[]string{zoneSpread}, false, true},
		{[]string{zoneSpread, "binpack=cpu"}, false, true},
		{[]string{"binpack=cpu", zoneSpread}, true, false},
		{[]string{"spread=host"}, true, false},
		{[]string{"spread=attribute:rack", zoneSpread}, true, false},
		{[]string{"random"}, true, false},
		{nil, true, true},
		{nil, false, false},
	} {
		r := web(0, by(c.texts...))
		if got := SpreadsZones(r.Strategies, c.deflt); got != c.want {
			t.Errorf("strategies %v, default spread %v: spreads zones %v, want %v", c.texts, c.deflt, got, c.want)
		}
	}
}

// TestStartStatements: StartTask uses the named instances in order and reports for each its own reason. The
// count and the strategies have no effect (ecs.md 1.6).
func TestStartStatements(t *testing.T) {
	w := scene(t, "a1 a 1100/9000; b1 b 9000/100; c1 c 9000/9000 INACTIVE; d1 d 9000/9000 disconnected tcp:80;"+
		"e1 e 9000/9000 tcp:80; f1 f 9000/9000 eni:0")
	for _, c := range []struct {
		ask  Request
		ids  string
		want string
	}{
		{web(0), "a1", "a1"},
		{web(5, by("binpack=cpu")), "e1 a1", "e1 a1"},
		{web(1), "a1 a1 a1", "a1 a1 | 1 RESOURCE:CPU@a1"},
		{web(1), "b1 c1 zz", "| 1 RESOURCE:MEMORY@b1 | 1 INACTIVE@c1 | 1 MISSING@zz"},
		{web(99), "a1 zz a1 c1 a1", "a1 a1 | 1 MISSING@zz | 1 INACTIVE@c1 | 1 RESOURCE:CPU@a1"},
		{web(1, port(80)), "a1 d1 e1", "a1 | 1 AGENT@d1 | 1 RESOURCE:PORTS@e1"},
		{web(1, port(81)), "e1 e1", "e1 | 1 RESOURCE:PORTS@e1"},
		{web(1, interfaces(1)), "f1 e1", "e1 | 1 RESOURCE:ENI@f1"},
		{web(1, within("us-east-1e")), "a1 e1", "e1 | 1 LOCATION@a1"},
		{web(1, distinct), "e1 e1", "e1 | 1 DistinctInstance placement constraint unsatisfied.@e1"},
		{web(1, member("attribute:ecs.availability-zone == us-east-1e")), "a1 e1",
			"e1 | 1 MemberOf placement constraint unsatisfied.@a1"},
		{web(1), "", ""},
	} {
		var arns []string
		for id := range strings.FieldsSeq(c.ids) {
			arns = append(arns, inst(id, "a", 0, 0).ARN)
		}
		if got := outcome(Start(w, c.ask, arns)); got != c.want {
			t.Errorf("on %s: got %q, want %q", c.ids, got, c.want)
		}
	}
}

// TestDaemonStatements: a daemon needs a task on every ACTIVE instance that meets its constraints, even if it
// is full or disconnected, and on no DRAINING one (ecs.md 3.3). The instances are in the order of their ARNs.
func TestDaemonStatements(t *testing.T) {
	w := scene(t,
		"c1 c 900/900 service:web=1; a3 a 900/900 disconnected; a2 a 900/900 DRAINING; a1 a 0/0; b1 b 900/900 tcp:80;"+
			"b2 b 900/900 rack=r1; c2 c 900/900 REGISTERING")
	for _, c := range []struct {
		change func(*Request)
		want   string
	}{
		{func(*Request) {}, "a1 a3 b1 b2 c1"},
		{port(80), "a1 a3 b1 b2 c1"},
		{distinct, "a1 a3 b1 b2 c1"},
		{gpus(4), "a1 a3 b1 b2 c1"},
		{member("attribute:rack exists"), "b2"},
		{member("attribute:ecs.availability-zone != us-east-1a"), "b1 b2 c1"},
		{requires("rack", "r1"), "b2"},
		{requires("rack", "r2"), ""},
		{within("us-east-1a", "us-east-1c"), "a1 a3 c1"},
	} {
		var ids []string
		r := web(0, c.change)
		for _, arn := range Eligible(w, r) {
			ids = append(ids, shortID(arn))
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%+v: got %q, want %q", r, got, c.want)
		}
	}
}

// TestReasonsOfAnInstance: when everything is missing, all reasons are reported, the most fundamental first,
// with the numbers.
func TestReasonsOfAnInstance(t *testing.T) {
	w := scene(t, "a1 a 100/200 DRAINING disconnected service:web=2 tcp:80 udp:53 disk=hdd eni:0")
	r := web(1, distinct, port(80, 81, 81), udp(53), gpus(2), interfaces(1), within("us-east-1b", "us-east-1c"),
		requires("disk", "ssd"), requires("fast", ""), member("attribute:rack == r1"), member("runningTasksCount < 1"))
	var got []string
	for _, why := range Explain(w.Instances[0], &r) {
		got = append(got, fmt.Sprintf("%s: %s", why.Code, why.Detail))
	}
	want := []string{
		"INACTIVE: the instance is DRAINING, only ACTIVE ones take tasks",
		"AGENT: the agent is not connected",
		"LOCATION: needs zone us-east-1b or us-east-1c of the task's subnets, the instance is in us-east-1a",
		`ATTRIBUTE: lacks required attribute disk=ssd (it has "hdd"), fast`,
		"MemberOf placement constraint unsatisfied.: does not satisfy memberOf(attribute:rack == r1) and " +
			"memberOf(runningTasksCount < 1)",
		"DistinctInstance placement constraint unsatisfied.: needs an instance without tasks of service:web, " +
			"this one has 2",
		"RESOURCE:GPU: needs 2 of the GPUs, 0 are free",
		"RESOURCE:ENI: needs 1 of the network interfaces, 0 are free",
		"RESOURCE:CPU: needs 512 CPU units, 100 are free",
		"RESOURCE:MEMORY: needs 512 MiB of memory, 200 are free",
		"RESOURCE:PORTS: needs host port 80/tcp, which is in use or reserved, host port 81/tcp twice, " +
			"host port 53/udp, which is in use or reserved",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
