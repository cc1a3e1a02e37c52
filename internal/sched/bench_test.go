package sched

import (
	"fmt"
	"testing"
)

// cluster returns n ACTIVE instances with room for 16 tasks of 256 CPU units and 512 MiB each.
func cluster(n int) World {
	var w World
	for k := range n {
		w.Instances = append(w.Instances, &Instance{
			ARN:  fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:container-instance/c/%032d", k),
			Zone: zones[k%3], Status: StatusActive, AgentConnected: true, AgentVersion: "1.98.0",
			Attributes: map[string]string{
				zoneAttribute: zones[k%3], "rack": fmt.Sprint("r", k%40), "ecs.instance-type": "m5.xlarge",
				"ecs.os-type": "linux",
			},
			Free:     Resources{CPU: 4096 + k%7, Memory: 8192 + k%5, ENI: 3},
			PortsTCP: Ports{22: "", 2375: "", 2376: "", 51678: "", 51679: ""},
		})
	}
	return w
}

// BenchmarkPlan10kOnto1k plans 10,000 tasks on 1,000 instances. The limit is 250 ms; used/limit is the share
// of it that was used.
func BenchmarkPlan10kOnto1k(b *testing.B) {
	for _, c := range []struct {
		name  string
		chain []Strategy
	}{
		{"default", nil},
		{"spread-zone-binpack-memory", []Strategy{{byAttribute, zoneAttribute}, {kind: byFreeMemory}}},
		{"spread-zone-rack-instance", []Strategy{
			{byAttribute, zoneAttribute}, {byAttribute, "rack"}, {kind: byInstance},
		}},
		{"binpack-cpu", []Strategy{{kind: byFreeCPU}}},
		{"random", []Strategy{{kind: byChance}}},
		{"binpack-then-spread-zone", []Strategy{{kind: byFreeCPU}, {byAttribute, zoneAttribute}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := cluster(1000)
			r := Request{
				Group: "service:web", Count: 10_000, Needs: Resources{CPU: 256, Memory: 512},
				Strategies: c.chain, DefaultSpread: true,
				RequiredAttributes: []Attribute{{Name: "ecs.os-type", Value: "linux"}},
				Constraints: []Constraint{
					memberOf("attribute:ecs.instance-type =~ m5.* and runningTasksCount < 100"),
				},
			}
			b.ReportAllocs()
			for b.Loop() {
				if out := Plan(w, []Request{r}); len(out.Placements) != 10_000 {
					b.Fatalf("%d placements, first failure %+v", len(out.Placements), out.Failures[0])
				}
			}
			ms := float64(b.Elapsed().Microseconds()) / 1000 / float64(b.N)
			b.ReportMetric(ms, "ms/plan")
			b.ReportMetric(ms/250, "used/limit")
		})
	}
}
