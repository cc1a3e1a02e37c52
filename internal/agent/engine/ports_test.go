package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/acs"
)

// A host port belongs to one task from its admission, when no port is bound yet, to its end (ecs.md 1.3.7,
// ecs-agent.md 1.5).
func TestHostPortHasOneHolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(Resources{CPU: 1024, Memory: 1024, PortsTCP: []int{30000}})
		p := newPortPicker(30000, 30005, netip.Addr{}, l)
		p.free = func(netip.Addr, int, string) bool { return true } // nothing is bound yet
		holders := map[string]string{"30000/tcp": "the machine"}
		take := func(port int, protocol, task string) {
			key := portKey(port, protocol)
			if other := holders[key]; other != "" && other != task {
				t.Fatalf("%s has %s, which belongs to %s", task, key, other)
			}
			holders[key] = task
		}
		type run struct {
			record   Record
			bindings []Binding
		}
		var running []run
		for i := range rapid.IntRange(1, 30).Draw(t, "moves") {
			if len(running) > 0 && rapid.Bool().Draw(t, "one ends") {
				at := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				gone := running[at]
				running = append(running[:at:at], running[at+1:]...)
				p.release(gone.bindings)
				l.release(gone.record.Task.ARN)
				for key, task := range holders {
					if task == gone.record.Task.ARN {
						delete(holders, key)
					}
				}
				continue
			}
			task := acs.Task{ARN: fmt.Sprint("task", i), Containers: []acs.Container{
				{PortMappings: rapid.SliceOfN(anyMapping(), 1, 3).Draw(t, "mappings")},
			}}
			r := NewRecord(task, epoch, func() string { return "id" })
			if l.reserve(task.ARN, need(&r)) != "" {
				continue
			}
			for protocol, ports := range need(&r).ports {
				for _, port := range ports {
					take(port, protocol, task.ARN)
				}
			}
			bindings, err := p.assign(r.Containers[0].Def.PortMappings)
			if err != nil {
				l.release(task.ARN) // no port is free, so the task ends
				for key, holder := range holders {
					if holder == task.ARN {
						delete(holders, key)
					}
				}
				continue
			}
			for _, b := range bindings {
				take(b.HostPort, b.Protocol, task.ARN)
			}
			running = append(running, run{r, bindings})
		}
	})
}

func anyMapping() *rapid.Generator[acs.PortMapping] {
	return rapid.Custom(func(t *rapid.T) acs.PortMapping {
		m := acs.PortMapping{ContainerPort: 80, Protocol: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "protocol")}
		if rapid.Bool().Draw(t, "static") {
			m.HostPort = rapid.Int64Range(30000, 30005).Draw(t, "host port")
		}
		return m
	})
}
