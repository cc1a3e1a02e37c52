package state_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// The numbers of instances, targets, services and activities that state maintains equal those counted from all rows.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, mem.New())
		defer s.Close()
		for range rapid.IntRange(1, 20).Draw(rt, "writes") {
			update(t, s, func(tx *state.Tx) { writeCounted(rt, tx) })
			compareCounts(rt, s.View())
		}
	})
}

func writeCounted(rt *rapid.T, tx *state.Tx) {
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id")
	ofInstances := []fleet.InstanceState{fleet.Pending, fleet.Running, fleet.Terminated}
	instance := &fleet.Instance{ID: id, Region: "r", Account: "1",
		State:   rapid.SampledFrom(ofInstances).Draw(rt, "state"),
		Address: rapid.SampledFrom([]netip.Addr{{}, first, first.Next(), other}).Draw(rt, "address")}
	target := &elb.Target{TargetGroupARN: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "group"), ID: id}
	if rapid.Bool().Draw(rt, "draining") {
		target = target.Deregister(time.Unix(1, 0), 0)
	}
	cluster := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "cluster")
	service := &ecs.Service{ServiceARN: id, ClusterARN: cluster, Status: rapid.SampledFrom([]string{
		ecs.ServiceActive, ecs.ServiceDraining, ecs.ServiceInactive}).Draw(rt, "service")}
	states := []string{ecs.InstanceActive, ecs.InstanceDraining, ecs.InstanceInactive}
	member := &ecs.ContainerInstance{ContainerInstanceARN: id, ClusterARN: cluster,
		Status: rapid.SampledFrom(states).Draw(rt, "container instance")}
	activity := &fleet.Activity{ID: id, Region: "r", Account: "1", Group: cluster}
	if rapid.IntRange(0, 3).Draw(rt, "deleted") == 0 {
		tx.Services.Delete(id)
		tx.ContainerInstances.Delete(id)
		tx.Activities.Delete(activity.Key())
		tx.Instances.Delete(instance.ARN())
		tx.Targets.Delete(target.Key())
		return
	}
	tx.Services.Put(service)
	tx.ContainerInstances.Put(member)
	tx.Activities.Put(activity)
	tx.Instances.Put(instance)
	tx.Targets.Put(target)
}

var first, other = netip.MustParseAddr("127.0.1.2"), netip.MustParseAddr("127.0.2.1")

func compareCounts(rt *rapid.T, now *state.Snapshot) {
	live, pending, registered := 0, 0, map[string]int{}
	taken, ranges := map[netip.Addr]bool{}, map[netip.Prefix]int{}
	for i := range now.Instances.All() {
		if i.Live() {
			live++
		}
		if i.State == fleet.Pending {
			pending++
		}
		if i.Address.IsValid() {
			taken[i.Address] = true
			ranges[fleet.AddressRange(i.Address)]++
		}
	}
	for tg := range now.Targets.All() {
		if !tg.IsDraining() {
			registered[tg.TargetGroupARN]++
		}
	}
	if got := now.LiveInstances("r", "1"); got != live || now.LiveInstances("r", "2") != 0 {
		rt.Fatalf("%d live instances, want %d", got, live)
	}
	if got := now.PendingInstances("r", "1"); got != pending || now.PendingInstances("r", "2") != 0 {
		rt.Fatalf("%d pending instances, want %d", got, pending)
	}
	compareClusters(rt, now)
	for _, arn := range []string{"x", "y"} {
		if got := now.RegisteredTargets(arn); got != registered[arn] {
			rt.Fatalf("%d registered targets in %s, want %d", got, arn, registered[arn])
		}
	}
	have := now.InstanceAddresses()
	for _, a := range []netip.Addr{first, first.Next(), other} {
		if r := fleet.AddressRange(a); have.Contains(a) != taken[a] || have.CountIn(r) != ranges[r] {
			rt.Fatalf("%s is in use: %t, want %t; %d in %s, want %d",
				a, have.Contains(a), taken[a], have.CountIn(r), r, ranges[r])
		}
	}
}

func compareClusters(rt *rapid.T, now *state.Snapshot) {
	for _, name := range []string{"x", "y"} {
		var active, draining, present, activities int
		for s := range now.Services.By(state.ServicesByCluster, name) {
			switch s.Status {
			case ecs.ServiceActive:
				active++
			case ecs.ServiceDraining:
				draining++
			}
		}
		for i := range now.ContainerInstances.By(state.ContainerInstancesByCluster, name) {
			if i.Present() {
				present++
			}
		}
		prefix := fleet.ActivityPrefix("r", "1", name)
		for range now.Activities.Prefix(prefix) {
			activities++
		}
		if a, d := now.ServicesIn(name); a != active || d != draining {
			rt.Fatalf("%d ACTIVE and %d DRAINING services in %s, want %d and %d", a, d, name, active, draining)
		}
		if got := now.PresentInstances(name); got != present {
			rt.Fatalf("%d container instances in %s, want %d", got, name, present)
		}
		if got := now.ActivitiesIn(prefix); got != activities {
			rt.Fatalf("%d activities of %s, want %d", got, name, activities)
		}
	}
}
