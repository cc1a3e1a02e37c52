package sched

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// Generators of random clusters, which are so small that every resource runs out in some of them.

var (
	zones  = []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	racks  = []string{"r1", "r2"}
	groups = []string{"service:web", "service:db", "family:job"}
	ports  = []uint16{80, 443, 3000}
)

func instanceGen(k int) *rapid.Generator[Instance] {
	return rapid.Custom(func(t *rapid.T) Instance {
		i := Instance{
			ARN:           fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:container-instance/c/%032d", k),
			EC2InstanceID: fmt.Sprintf("i-%d", k),
			Zone:          rapid.SampledFrom(zones).Draw(t, "zone"),
			Status: rapid.SampledFrom([]string{
				"ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "DRAINING",
			}).Draw(t, "status"),
			AgentConnected: rapid.IntRange(0, 9).Draw(t, "agent") > 0,
			AgentVersion:   rapid.SampledFrom([]string{"1.70.0", "1.98.0"}).Draw(t, "version"),
			Attributes:     map[string]string{},
			Free: Resources{
				CPU:    rapid.IntRange(0, 20).Draw(t, "cpu") * 64,
				Memory: rapid.IntRange(0, 20).Draw(t, "memory") * 64,
				GPU:    rapid.IntRange(0, 2).Draw(t, "gpu"),
				ENI:    rapid.IntRange(0, 3).Draw(t, "eni"),
			},
			PortsTCP: Ports{22: ""}, TaskGroups: map[string]int{},
		}
		if rapid.Bool().Draw(t, "hasRack") {
			i.Attributes["rack"] = rapid.SampledFrom(racks).Draw(t, "rack")
		}
		if rapid.Bool().Draw(t, "port80") {
			i.PortsTCP[80] = "service:db"
		}
		for _, g := range groups {
			if n := rapid.IntRange(0, 3).Draw(t, g); n > 1 {
				i.TaskGroups[g] = n - 1
				i.RunningTasksCount += n - 1
			}
		}
		return i
	})
}

func worldGen(most int) *rapid.Generator[World] {
	return rapid.Custom(func(t *rapid.T) World {
		var w World
		for k := range rapid.IntRange(0, most).Draw(t, "instances") {
			i := instanceGen(k).Draw(t, "instance")
			w.Instances = append(w.Instances, &i)
		}
		return w
	})
}

var strategySamples = []Strategy{
	{byAttribute, zoneAttribute}, {byAttribute, "rack"}, {kind: byInstance},
	{kind: byFreeCPU}, {kind: byFreeMemory}, {kind: byChance},
}

var constraintSamples = []string{
	"attribute:rack == r1", "not(task:group == service:db)", "runningTasksCount < 4", "agentVersion >= 1.80",
	"attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
}

func requestGen() *rapid.Generator[Request] {
	return rapid.Custom(func(t *rapid.T) Request {
		r := Request{
			Group: rapid.SampledFrom(groups).Draw(t, "group"),
			Count: rapid.IntRange(0, 12).Draw(t, "count"),
			Needs: Resources{
				CPU:    rapid.IntRange(0, 4).Draw(t, "cpu") * 64,
				Memory: rapid.IntRange(0, 4).Draw(t, "memory") * 64,
				GPU:    rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "gpu"),
				ENI:    rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "eni"),
			},
			DefaultSpread: rapid.Bool().Draw(t, "default"),
			Seed:          rapid.Uint64().Draw(t, "seed"),
			Strategies:    rapid.SliceOfN(rapid.SampledFrom(strategySamples), 0, 5).Draw(t, "strategies"),
		}
		if rapid.IntRange(0, 3).Draw(t, "static") == 0 {
			r.PortsTCP = []uint16{rapid.SampledFrom(ports).Draw(t, "port")}
		}
		if rapid.IntRange(0, 3).Draw(t, "udp") == 0 {
			r.PortsUDP = []uint16{rapid.SampledFrom(ports).Draw(t, "port")}
		}
		if rapid.IntRange(0, 5).Draw(t, "subnets") == 0 {
			r.Zones = zones[:2]
		}
		if rapid.IntRange(0, 5).Draw(t, "requires") == 0 {
			r.RequiredAttributes = []Attribute{
				{Name: "rack", Value: rapid.SampledFrom([]string{"", "r2"}).Draw(t, "value")},
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "distinct") == 0 {
			r.Constraints = append(r.Constraints, Constraint{distinct: true})
		}
		if rapid.IntRange(0, 2).Draw(t, "member") == 0 {
			r.Constraints = append(r.Constraints, memberOf(rapid.SampledFrom(constraintSamples).Draw(t, "expr")))
		}
		return r
	})
}

func memberOf(expr string) Constraint {
	c, err := ParseConstraint("memberOf", expr)
	if err != nil {
		panic(err)
	}
	return c
}

func planGen(t *rapid.T) (World, []Request) {
	w := worldGen(8).Draw(t, "world")
	return w, rapid.SliceOfN(requestGen(), 1, 3).Draw(t, "requests")
}

// index returns the position of an instance by its ARN.
func index(w World, arn string) int {
	return slices.IndexFunc(w.Instances, func(i *Instance) bool { return i.ARN == arn })
}
