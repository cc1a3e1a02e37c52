package sched

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sharedGen puts the instances of a world on one or two machines. On each machine some port is in use by a
// task in network mode host, which is not shown in any other way.
func sharedGen(t *rapid.T, w World) World {
	machines := []*Machine{nil, {HostTCP: Ports{443: "service:db"}}, {HostUDP: Ports{80: ""}}}
	for k := range w.Instances {
		w.Instances[k].Machine = rapid.SampledFrom(machines).Draw(t, "machine")
	}
	return w
}

// TestPortsOfAMachine: some tasks are in network mode host. Each task fits where it is placed: its ports are
// free on the instance and, in mode host, on the whole machine. When a task is not placed, no instance has
// room for it.
func TestPortsOfAMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		w = sharedGen(t, w)
		for k := range requests {
			requests[k].HostNetwork = rapid.Bool().Draw(t, "host")
		}
		host := map[*Machine]map[string]bool{}
		for _, i := range w.Instances {
			if m := i.Machine; m != nil && host[m] == nil {
				host[m] = map[string]bool{}
				for p := range m.HostTCP {
					host[m][fmt.Sprint("tcp", p)] = true
				}
				for p := range m.HostUDP {
					host[m][fmt.Sprint("udp", p)] = true
				}
			}
		}
		names := func(r Request) (list []string) {
			for _, p := range r.PortsTCP {
				list = append(list, fmt.Sprint("tcp", p))
			}
			for _, p := range r.PortsUDP {
				list = append(list, fmt.Sprint("udp", p))
			}
			return list
		}
		now := naive{w: copyWorld(w), placed: map[string]int{}}
		fits := func(i *Instance, r Request) bool {
			taken := func(name string) bool { return r.HostNetwork && host[i.Machine][name] }
			return now.fits(i, r) && !slices.ContainsFunc(names(r), taken)
		}
		out := Plan(w, requests)
		for k, r := range requests {
			for _, p := range out.Placements {
				if p.Request != k {
					continue
				}
				i := now.w.Instances[index(now.w, p.InstanceARN)]
				if !fits(i, r) {
					t.Fatalf("a task of %+v does not fit on %+v", r, *i)
				}
				now.put(i, r)
				if r.HostNetwork && i.Machine != nil {
					for _, name := range names(r) {
						host[i.Machine][name] = true
					}
				}
			}
			failed := slices.ContainsFunc(out.Failures, func(f Failure) bool { return f.Request == k })
			for n := range now.w.Instances {
				if i := now.w.Instances[n]; failed && fits(i, r) {
					t.Fatalf("tasks of %+v failed, but %+v has room", r, *i)
				}
			}
		}
	})
}

// TestMachineOfItsOwn: a plan does not change when each instance gets a machine of its own. A plan of tasks
// that are not in network mode host does not change when instances share machines.
func TestMachineOfItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		own := copyWorld(w)
		for k := range own.Instances {
			own.Instances[k].Machine = &Machine{}
		}
		shared := sharedGen(t, copyWorld(w))
		samePlan(t, w, requests, shared, requests)
		for k := range requests {
			requests[k].HostNetwork = true
		}
		samePlan(t, w, requests, own, requests)
	})
}

// TestMachineIsNotChanged: Plan and Start do not change the machines that they are given.
func TestMachineIsNotChanged(t *testing.T) {
	m := &Machine{HostTCP: Ports{443: ""}}
	w := scene(t, "a1 a 9000/9000; a2 a 9000/9000")
	w.Instances[0].Machine, w.Instances[1].Machine = m, m
	r := web(2, port(80), udp(53), func(r *Request) { r.HostNetwork = true })
	for range 2 {
		if got := outcome(Plan(w, []Request{r})); got != "a1 | 1 RESOURCE:PORTS@a1" {
			t.Fatalf("got %q, but port 80 of a machine can be used once only", got)
		}
		if got := outcome(Start(w, r, []string{w.Instances[1].ARN, w.Instances[0].ARN})); got !=
			"a2 | 1 RESOURCE:PORTS@a1" {
			t.Fatalf("got %q, but port 80 of a machine can be used once only", got)
		}
	}
	if len(m.HostTCP) != 1 || len(m.HostUDP) != 0 {
		t.Errorf("the machine is %+v", m)
	}
	why := Plan(w, []Request{r}).Refusals[0][1].Reasons
	want := "needs host port 80/tcp, which service:web uses on another instance of the same machine " +
		"(networkMode host), host port 53/udp, which service:web uses on another instance of the same machine " +
		"(networkMode host)"
	if len(why) != 1 || why[0].Detail != want {
		t.Errorf("the other instance says %+v, want %q", why, want)
	}
}

// TestAPlanCopiesFewInstances: a plan copies the instances that get tasks. It copies those that share a machine only if
// a task of the plan uses the machine's own network. With twice as many instances it makes as many allocations.
func TestAPlanCopiesFewInstances(t *testing.T) {
	allocations := func(instances int, host bool) float64 {
		w := cluster(instances)
		m := &Machine{HostTCP: Ports{443: ""}}
		for _, i := range w.Instances {
			i.Machine, i.TaskGroups = m, map[string]int{"service:web": 1}
		}
		r := web(3, port(80), func(r *Request) { r.HostNetwork = host })
		return testing.AllocsPerRun(10, func() {
			if out := Plan(w, []Request{r}); len(out.Placements) == 0 {
				t.Errorf("%+v", out)
			}
		})
	}
	if few, many := allocations(100, false), allocations(200, false); many > few+5 { // some slices grow
		t.Errorf("%v allocations with 100 instances, %v with 200", few, many)
	}
	if few, many := allocations(100, true), allocations(200, true); many < few+100 {
		t.Errorf("%v allocations with 100 instances of one machine, %v with 200, so not all are copied", few, many)
	}
}
