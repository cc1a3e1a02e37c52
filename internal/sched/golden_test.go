package sched

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/golden"
)

// inst returns an instance for the stories: its id, zone, free CPU and free memory.
func inst(id, zone string, cpu, memory int, change ...func(*Instance)) *Instance {
	i := &Instance{ARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/demo/" + id,
		Zone: "us-east-1" + zone, Status: StatusActive,
		AgentConnected: true, Free: Resources{CPU: cpu, Memory: memory, ENI: 1},
		Attributes: map[string]string{
			zoneAttribute: "us-east-1" + zone, "ecs.instance-type": "t3.medium", "ecs.os-type": "linux",
		},
		PortsTCP: Ports{22: "", 2375: "", 2376: "", 51678: "", 51679: ""}, PortsUDP: Ports{},
		TaskGroups: map[string]int{}}
	for _, c := range change {
		c(i)
	}
	return i
}

func runs(group string, n int, ports ...uint16) func(*Instance) {
	return func(i *Instance) {
		i.TaskGroups[group] += n
		i.RunningTasksCount += n
		for _, p := range ports {
			i.PortsTCP[p] = group
		}
	}
}

func disconnected(i *Instance) { i.AgentConnected = false }
func leavingNow(i *Instance)   { i.Status = "DRAINING" }

type story struct {
	title     string
	instances []*Instance
	requests  []Request
}

func web(count int, change ...func(*Request)) Request {
	r := Request{Group: "service:web", Count: count, Needs: Resources{CPU: 512, Memory: 512}, DefaultSpread: true}
	for _, c := range change {
		c(&r)
	}
	return r
}

func port(p ...uint16) func(*Request) { return func(r *Request) { r.PortsTCP = p } }

func stories() []story {
	two := []*Instance{inst("a1", "a", 2048, 3900), inst("b1", "b", 2048, 3900)}
	return []story{
		{"four tasks with dynamic ports on two instances in two zones (ecs.md 2.4)", two, []Request{web(4)}},
		{"uneven zones: tasks go where fewest are", []*Instance{inst("a1", "a", 4096, 4096, runs("service:web", 3)),
			inst("b1", "b", 4096, 4096), inst("b2", "b", 4096, 4096, runs("service:web", 1))}, []Request{web(3)}},
		{"a static host port: one task per instance, the third says who holds the port (ecs.md 1.6)", two,
			[]Request{web(3, port(3000))}},
		{"the port belongs to another service", []*Instance{
			inst("a1", "a", 2048, 3900, runs("service:legacy", 1, 3000)),
		}, []Request{web(1, port(3000))}},
		{"the port belongs to the agent", []*Instance{inst("a1", "a", 2048, 3900)}, []Request{web(1, port(51678))}},
		{"one task that asks for a port twice fits nowhere", two[:1], []Request{web(1, port(80, 80))}},
		{"CPU: the closest lacks least (ecs.md 1.7.4)",
			[]*Instance{inst("a1", "a", 128, 3900), inst("b1", "b", 256, 3900)}, []Request{web(1)}},
		{"a little CPU is less than a lot of memory",
			[]*Instance{inst("a1", "a", 500, 3900), inst("b1", "b", 2048, 10)}, []Request{web(1)}},
		{"tasks on a draining instance do not count for spreading",
			[]*Instance{inst("a1", "a", 4096, 4096), inst("a2", "a", 0, 0, leavingNow, runs("service:web", 5)),
				inst("b1", "b", 4096, 4096, runs("service:web", 1))}, []Request{web(1)}},
		{"a task without needs fits on an overcommitted instance", []*Instance{inst("a1", "a", -256, -10)},
			[]Request{{Group: "family:tiny", Count: 1}}},
		{"memory, after five tasks fit",
			[]*Instance{inst("a1", "a", 4096, 1100), inst("b1", "b", 4096, 1600)}, []Request{web(6)}},
		{"CPU and memory: fewer reasons are closer",
			[]*Instance{inst("a1", "a", 500, 500), inst("b1", "b", 0, 3900)}, []Request{web(1)}},
		{"agents gone, one instance draining", []*Instance{
			inst("a1", "a", 2048, 3900, disconnected), inst("b1", "b", 2048, 3900, leavingNow),
		}, []Request{web(1)}},
		{"no ACTIVE instance", []*Instance{inst("b1", "b", 2048, 3900, leavingNow)}, []Request{web(2)}},
		{"no instance at all", nil, []Request{web(1)}},
		{"a required attribute", two, []Request{web(1, func(r *Request) {
			r.RequiredAttributes = []Attribute{{Name: "com.amazonaws.ecs.capability.logging-driver.awslogs"},
				{Name: "ecs.os-type", Value: "windows"}}
		})}},
		{"subnets of one zone (LOCATION) and network interfaces", two, []Request{web(2, func(r *Request) {
			r.Zones, r.Needs.ENI = []string{"us-east-1b"}, 1
		})}},
		{"memberOf and distinctInstance", two, []Request{web(2, func(r *Request) {
			r.Constraints = []Constraint{memberOf("attribute:ecs.availability-zone == us-east-1a"), {distinct: true}}
		})}},
		{"task:group affinity follows tasks placed in the same plan", two, []Request{
			{Group: "family:cache", Count: 1,
				Constraints: []Constraint{memberOf("attribute:ecs.availability-zone == us-east-1b")}},
			web(2, func(r *Request) { r.Constraints = []Constraint{memberOf("task:group == family:cache")} }),
		}},
		{"binpack on memory fills the fuller instance first",
			[]*Instance{inst("a1", "a", 4096, 4096), inst("b1", "b", 4096, 1024)},
			[]Request{web(3, func(r *Request) { r.Strategies = []Strategy{{kind: byFreeMemory}} })}},
		{"spread over zones, then binpack on memory",
			[]*Instance{inst("a1", "a", 4096, 4096), inst("a2", "a", 4096, 2048), inst("b1", "b", 4096, 4096)},
			[]Request{web(4, func(r *Request) {
				r.Strategies = []Strategy{{byAttribute, zoneAttribute}, {kind: byFreeMemory}}
			})}},
		{"GPUs", two[:1], []Request{web(1, func(r *Request) { r.Needs.GPU = 2 })}},
		{"a hundred reserved ports are the limit (ecs.md 1.3.5)",
			[]*Instance{inst("a1", "a", 2048, 3900, func(i *Instance) {
				for p := range uint16(94) {
					i.PortsTCP[8000+p] = "service:many"
				}
			})}, []Request{web(2, port(3000)), web(1, port(3001))}},
	}
}

// TestStories prints plans for the documented cases.
func TestStories(t *testing.T) {
	var b strings.Builder
	for _, s := range stories() {
		fmt.Fprintf(&b, "# %s\n", s.title)
		w := World{Instances: s.instances}
		out := Plan(w, s.requests)
		for _, p := range out.Placements {
			i := w.Instances[index(w, p.InstanceARN)]
			fmt.Fprintf(&b, "place  %s on %s in %s\n", s.requests[p.Request].Group, shortID(i.ARN), i.Zone)
		}
		for k, f := range out.Failures {
			fmt.Fprintf(&b, "fail   %s %q closest=%q: %s\n", s.requests[f.Request].Group, f.Reason,
				shortID(f.InstanceARN), f.Detail)
			if k == 0 || out.Failures[k-1] != f {
				fmt.Fprintf(&b, "event  %s\n", f.Event("web"))
			}
		}
		for _, k := range slices.Sorted(maps.Keys(out.Refusals)) {
			for _, x := range out.Refusals[k] {
				for _, why := range x.Reasons {
					fmt.Fprintf(&b, "why    %s: %s: %s\n", shortID(x.InstanceARN), why.Code, why.Detail)
				}
			}
		}
		b.WriteString("\n")
	}
	golden.Compare(t, "stories.txt", b.String())
}

// TestParse: placement constraints and strategies are read in the form of the API (ecs.md 2.3, 2.5).
func TestParse(t *testing.T) {
	for _, c := range []struct{ kind, field, err string }{
		{"spread", "instanceId", ""}, {"spread", "host", ""}, {"spread", "attribute:ecs.availability-zone", ""},
		{"binpack", "cpu", ""}, {"binpack", "MEMORY", ""}, {"random", "", ""},
		{"spread", "", "expected instanceId"}, {"spread", "attribute:", "expected instanceId"},
		{"spread", "attribute", "expected instanceId"}, {"spread", "hosts", "expected instanceId"},
		{"binpack", "gpu", "expected cpu or memory"}, {"binpack", "CPUs", "expected cpu or memory"},
		{"binpack", "", "expected cpu or memory"}, {"random", "cpu", "takes no field"},
		{"pile", "", "expected spread, binpack or random"}, {"", "", "expected spread, binpack or random"},
		{"Spread", "host", "expected spread, binpack or random"},
	} {
		_, err := ParseStrategy(c.kind, c.field)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("strategy %s(%s): %v", c.kind, c.field, err)
		}
	}
	for _, c := range []struct{ kind, expr, err string }{
		{"distinctInstance", "", ""}, {"memberOf", "attribute:a == b", ""},
		{"distinctInstance", "x", "takes no expression"}, {"memberOf", "", "at position 1"},
		{"near", "", "expected distinctInstance or memberOf"},
	} {
		_, err := ParseConstraint(c.kind, c.expr)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("constraint %s(%s): %v", c.kind, c.expr, err)
		}
	}
}
