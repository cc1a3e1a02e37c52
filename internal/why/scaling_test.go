package why

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// update returns the tables of a new store after a change.
func update(t *testing.T, change func(*state.Tx)) *state.Tables {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Update(t.Context(), func(tx *state.Tx) error { change(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	return &store.View().Tables
}

// The reason why policies change nothing is told while an alarm calls one, and not afterwards (ecs.md 6.7, 6.8).
func TestScaling(t *testing.T) {
	web := &ecs.Service{ServiceARN: serviceARN, ServiceName: "web", ClusterARN: clusterARN, CreatedAt: now,
		Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica, DesiredCount: 4}
	policy := &appscaling.Policy{ID: "p", Region: region, Account: account, ResourceID: "service/shop/web", Name: "cpu",
		Type: appscaling.TargetTracking, CreatedAt: now, Tracking: &appscaling.Tracking{HighID: "h", LowID: "l",
			Tracking: scaling.Tracking{Target: 60}, Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}}
	of := func(value scaling.State, p appscaling.Progress) string {
		return Scaling(update(t, func(tx *state.Tx) {
			tx.Services.Put(web)
			tx.ScalableTargets.Put(&appscaling.Target{ID: "t", Region: region, Account: account,
				ResourceID: policy.ResourceID, Bounds: scaling.Bounds{Min: 2, Max: 4}})
			tx.PutScalingPolicy(policy, now)
			high := alarm.NewStatus(policy.AlarmARNs()[0], now)
			high.Value = value
			tx.AlarmStatus.Put(high)
			p.Region, p.Account, p.ResourceID, p.HeldSince = region, account, policy.ResourceID, now
			tx.ScalingProgress.Put(&p)
		}), web, now)
	}
	const intro = "Scaling policies have changed nothing since 2026-05-06 07:08:09 UTC: "
	last := scaling.Activity{Direction: scaling.Out, From: 2, To: 4, Until: now.Add(time.Minute)}
	for reason, want := range map[scaling.Reason]string{
		scaling.AlreadyAtMax:        "the desired count is at its maximum, 4.",
		scaling.AlreadyAtMin:        "the desired count is at its minimum, 2.",
		scaling.AlreadyAtDesired:    "the policies propose the present desired count.",
		scaling.AnticipatedFlapping: "with fewer tasks, the metric of a policy would be above its target.",
		scaling.CoolingDown: "the cooldown of the last change, from 2 to 4 tasks, " +
			"ends at 2026-05-06 07:09:09 UTC.",
		scaling.Suspended:   "scaling in this direction is suspended.",
		scaling.UnderWay:    "a deployment is in progress, and until it ends no policy scales in.",
		scaling.NotAll:      "not all target tracking policies propose to scale in.",
		scaling.OutOfBounds: "the desired count is outside of its bounds, 2 to 4.",
	} {
		p := appscaling.Progress{Service: now, Held: reason, Last: last}
		if got := of(scaling.InAlarm, p); got != intro+want {
			t.Errorf("%s: %q\nwant %q", reason, got, intro+want)
		}
		if got := of(scaling.OK, p); got != "" {
			t.Errorf("%s, and no alarm calls: %q", reason, got)
		}
	}
	over := scaling.Activity{Until: now}
	for name, p := range map[string]appscaling.Progress{
		"the last call changed something": {Service: now},
		"of a deleted service":            {Service: now.Add(-time.Hour), Held: scaling.AlreadyAtMax},
		"the cooldown is over":            {Service: now, Held: scaling.CoolingDown, Last: over},
	} {
		if got := of(scaling.InAlarm, p); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A group at its maximum is told while tasks wait for its instances.
func TestCapacity(t *testing.T) {
	providerARN := ecs.ProviderARN(clusterARN, "machines")
	cluster := &ecs.Cluster{ClusterARN: clusterARN, ClusterName: "shop", Status: ecs.ClusterActive,
		CapacityProviders: []string{"machines"}}
	for _, waits := range []bool{true, false} {
		got := Capacity(update(t, func(tx *state.Tx) {
			tx.Clusters.Put(cluster)
			tx.CapacityProviders.Put(&ecs.CapacityProvider{CapacityProviderARN: providerARN, Name: "machines",
				Status: ecs.CapacityProviderActive})
			tx.ManagedScaling.Put(&ecs.ManagedScalingState{CapacityProviderARN: providerARN, Held: "it is full"})
			if waits {
				tx.Tasks.Put(&ecs.Task{TaskARN: taskARN, ClusterARN: clusterARN, LastStatus: ecs.Provisioning,
					DesiredStatus: ecs.Running, CapacityProviderName: "machines", Waiting: new(ecs.Placement)})
			}
		}), cluster, "machines")
		if waits != strings.Contains(got, "it is full") || !waits && got != "" {
			t.Errorf("tasks wait %v: %q", waits, got)
		}
	}
}
