package why

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// A task in PROVISIONING says what is missing on the instances of its capacity provider, what the group does about it,
// and when it gives up (ecs.md 1.5.1, 4.11).
func TestProvisioning(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, g *fleet.AutoScalingGroup, p *ecs.CapacityProvider)
		want   []string
		failed bool
	}{
		{"a group that grows", func(*world, *fleet.AutoScalingGroup, *ecs.CapacityProvider) {}, []string{
			"It has waited 1m0s for room on an instance of capacity provider p, and is stopped at 2026-05-06 " +
				"07:22:09 UTC " +
				"if there is none: container-instance ci1: needs 512 CPU units, 100 are free",
			"Auto Scaling group g has 1 instance in service and 2 starting; it should have 2."}, false},
		{"a group at its maximum", func(_ *world, g *fleet.AutoScalingGroup, _ *ecs.CapacityProvider) { g.Max = 2 },
			[]string{"it should have 2. No more are launched: Auto Scaling group g has reached its maximum of 2 " +
				"instances.", "--max-size N"}, false},
		{"no managed scaling", func(_ *world, _ *fleet.AutoScalingGroup, p *ecs.CapacityProvider) {
			p.AutoScalingGroupProvider.ManagedScaling.Status = ecs.Disabled
		}, []string{"ECS does not scale it: managed scaling is disabled."}, false},
		{"no instances", func(w *world, _ *fleet.AutoScalingGroup, _ *ecs.CapacityProvider) {
			w.instance.CapacityProviderName = "other"
		}, []string{"the capacity provider p has no ACTIVE container instance."}, false},
		{"room", func(w *world, _ *fleet.AutoScalingGroup, _ *ecs.CapacityProvider) {
			w.instance.Registered.CPU = 2048
		}, []string{"There is room for it on an instance of capacity provider p; it is about to be placed."}, false},
		{"no group", func(_ *world, _ *fleet.AutoScalingGroup, p *ecs.CapacityProvider) {
			p.AutoScalingGroupProvider.AutoScalingGroupARN += "x"
		}, []string{"The Auto Scaling group of capacity provider p does not exist any more."}, false},
		{"no capacity provider", func(w *world, _ *fleet.AutoScalingGroup, p *ecs.CapacityProvider) {
			w.task.CapacityProviderName = "gone"
		}, []string{"The cluster does not have capacity provider gone any more."}, false},
		{"no task definition", func(w *world, _ *fleet.AutoScalingGroup, _ *ecs.CapacityProvider) { w.def = nil },
			[]string{"Its task definition or its cluster does not exist any more."}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			g := &fleet.AutoScalingGroup{Name: "g", ID: "1", Region: region, Account: account, Desired: 2, Max: 5}
			p := &ecs.CapacityProvider{CapacityProviderARN: ecs.ProviderARN(clusterARN, "p"), Name: "p",
				Status: ecs.CapacityProviderActive, AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{
					AutoScalingGroupARN: g.ARN(),
					ManagedScaling:      ecs.ManagedScaling{Status: ecs.Enabled, TargetCapacity: 100}}}
			w.instance.CapacityProviderName, w.instance.Registered.CPU = "p", 100
			w.task.LastStatus, w.task.Waiting = ecs.Provisioning, &ecs.Placement{}
			w.task.ContainerInstanceARN, w.task.ServiceARN, w.task.CapacityProviderName = "", "", "p"
			c.change(w, g, p)
			tables := provisioningTables(t, w, g, p)
			a := Task(tables, w.task, now)
			var text strings.Builder
			for _, r := range a.Reasons {
				text.WriteString(r.Text + " " + r.Advice + "\n")
			}
			for _, want := range c.want {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%q is not in\n%s", want, text.String())
				}
			}
			if a.Failed != c.failed || a.OK || a.Status != "PROVISIONING" {
				t.Errorf("failed %t, OK %t, status %s", a.Failed, a.OK, a.Status)
			}
		})
	}
}

func provisioningTables(
	t *testing.T, w *world, g *fleet.AutoScalingGroup, p *ecs.CapacityProvider,
) *state.Tables {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	err = store.Update(t.Context(), func(tx *state.Tx) error {
		cluster := &ecs.Cluster{ClusterARN: clusterARN, ClusterName: "shop", Status: ecs.ClusterActive,
			CapacityProviders: []string{"p"}}
		tx.Clusters.Put(cluster)
		putHigh(tx, cluster, p, g, scaling.InAlarm)
		tx.CapacityProviders.Put(p)
		tx.AutoScalingGroups.Put(g)
		for id, lifecycle := range map[string]fleet.Lifecycle{"i-1": fleet.LifecycleInService,
			"i-2": fleet.LifecyclePending,
			"i-3": fleet.LifecycleTerminating,
			"i-4": fleet.LifecyclePendingWait} {
			tx.Instances.Put(&fleet.Instance{ID: id, Region: region, Account: account, LaunchedAt: now.Add(-time.Hour),
				Scaling: fleet.Membership{Group: "g", Lifecycle: lifecycle}})
		}
		if w.def != nil {
			tx.TaskDefinitions.Put(w.def)
		}
		tx.ContainerInstances.Put(w.instance)
		tx.Tasks.Put(w.task)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &store.View().Tables
}
