package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// drawGroup draws a group and its members, in any of their states.
func drawGroup(t *rapid.T) (*AutoScalingGroup, []*Instance) {
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	g := &AutoScalingGroup{
		Name: "g", Region: "us-east-1", Account: "1", Max: 20, Desired: rapid.IntRange(0, 20).Draw(t, "desired"),
		Zones:       zones[:rapid.IntRange(1, 3).Draw(t, "zones")],
		Policies:    rapid.SliceOfN(rapid.SampledFrom(PolicyNames()), 0, 3).Draw(t, "policies"),
		GracePeriod: rapid.SampledFrom([]int{0, 300}).Draw(t, "grace"),
		MaxLifetime: rapid.SampledFrom([]int{0, 86400}).Draw(t, "lifetime"),
	}
	for _, p := range rapid.SliceOfN(rapid.SampledFrom(ProcessNames()), 0, 2).Draw(t, "suspended") {
		g.Suspended = append(g.Suspended, SuspendedProcess{Name: p})
	}
	if rapid.IntRange(0, 20).Draw(t, "deleting") == 0 {
		g.Status = DeleteInProgress
	}
	var members []*Instance
	for n := range rapid.IntRange(0, 25).Draw(t, "members") {
		members = append(members, drawMember(t, n, zones))
	}
	return g, members
}

func drawMember(t *rapid.T, n int, zones []string) *Instance {
	i := &Instance{
		ID: fmt.Sprintf("i-%03d", n), Zone: rapid.SampledFrom(zones).Draw(t, "zone"), Desired: Running, State: Running,
		LaunchedAt: now.Add(-time.Duration(rapid.IntRange(1, 100000).Draw(t, "age")) * time.Second),
		Scaling: Membership{Group: "g", Lifecycle: LifecycleInService, Health: Healthy,
			Protected: rapid.Bool().Draw(t, "protected"),
			SourceAt:  now.Add(-time.Duration(rapid.IntRange(1, 3).Draw(t, "source")) * time.Hour)},
	}
	i.Scaling.InServiceAt = i.LaunchedAt
	if rapid.Bool().Draw(t, "template") {
		i.Scaling.Source.TemplateID = "lt-1"
	} else {
		i.Scaling.Source.Configuration = "lc"
	}
	switch rapid.IntRange(0, 9).Draw(t, "condition") {
	case 0:
		i.Scaling.Health = Unhealthy
	case 1:
		i.State, i.Desired = ShuttingDown, Terminated
	case 2:
		i.Machine.Phase = PhaseFailed
	case 3:
		i.State, i.Scaling.Lifecycle = Pending, LifecyclePending
	case 6:
		i.Scaling.Lifecycle = rapid.SampledFrom([]Lifecycle{LifecyclePendingWait, LifecyclePendingProceed}).Draw(t,
			"wait")
	case 7:
		i.Scaling.Lifecycle = LifecycleTerminatingWait
	case 8:
		i.Scaling.Lifecycle = rapid.SampledFrom([]Lifecycle{LifecycleEnteringStandby, LifecycleStandby}).Draw(t, "rest")
		i.State = rapid.SampledFrom([]InstanceState{Running, Stopped, Terminated}).Draw(t, "state")
	case 4:
		i.State, i.Scaling.Lifecycle, i.Scaling.Rebalancing = Pending, LifecyclePending, true
	case 5:
		i.State, i.Desired, i.Scaling.Lifecycle = ShuttingDown, Terminated, LifecycleTerminating
	}
	return i
}

// These rules hold for every plan, whatever the state of the group.
func TestPlanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, members := drawGroup(t)
		plan := PlanGroup(g, members, now)
		counted, removed := 0, map[string]bool{}
		for _, m := range members {
			if m.Scaling.Counts() {
				counted++
			}
		}
		for _, r := range plan.Remove {
			if removed[r.Instance.ID] {
				t.Fatalf("%s is removed twice", r.Instance.ID)
			}
			removed[r.Instance.ID] = true
			if l := r.Instance.Scaling.Lifecycle; !l.Launching() && l != LifecycleInService &&
				(g.Status == "" || !l.Resting()) {
				t.Fatalf("%s is removed although %s", r.Instance.ID, l)
			}
			if r.Why == "" && r.Instance.Scaling.Protected && g.Status == "" {
				t.Fatalf("scale-in removes %s, which is protected", r.Instance.ID)
			}
			if r.Instance.Scaling.Counts() {
				counted--
			}
		}
		if len(plan.Remove) > 0 && g.IsSuspended(ProcessTerminate) && g.Status == "" {
			t.Fatal("an instance is removed although Terminate is suspended")
		}
		if len(plan.Launch) > 0 && g.IsSuspended(ProcessLaunch) {
			t.Fatal("an instance is launched although Launch is suspended")
		}
		extra := 0
		for _, l := range plan.Launch {
			if !slices.Contains(g.Zones, l.Slot.Zone.Name) {
				t.Fatalf("it launches into %s", l.Slot.Zone.Name)
			}
			if l.Rebalancing {
				extra++
			}
		}
		launched := len(plan.Launch) - extra
		if launched > 0 && counted+launched != g.Desired {
			t.Fatalf("%d stay, %d are launched, %d are desired", counted, launched, g.Desired)
		}
		if extra > max(1, g.Desired/10) || extra > 0 && counted != g.Desired {
			t.Fatalf("%d launched in addition, for balance, with %d of %d", extra, counted, g.Desired)
		}
		if g.Status == "" && counted < min(g.Desired, len(members)) && launched == 0 && !g.IsSuspended(ProcessLaunch) {
			t.Fatalf("%d of %d instances, but nothing is launched", counted, g.Desired)
		}
	})
}

func TestPlanDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, members := drawGroup(t)
		shuffled := slices.Clone(members)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if a, b := PlanGroup(g, members, now), PlanGroup(g, shuffled, now); !reflect.DeepEqual(a, b) {
			t.Fatalf("plans differ:\n%+v\n%+v", a, b)
		}
	})
}

// carryOut applies a plan at once: removed instances are gone, and launched ones run.
func carryOut(members []*Instance, plan GroupPlan, born *int) []*Instance {
	for _, r := range plan.Remove {
		members = slices.DeleteFunc(members, func(m *Instance) bool { return m.ID == r.Instance.ID })
	}
	for _, l := range plan.Launch {
		*born++
		members = append(members, &Instance{ID: fmt.Sprintf("i-new-%03d", *born), Zone: l.Slot.Zone.Name,
			Desired: Running, State: Running, LaunchedAt: now,
			Scaling: Membership{Group: "g", Lifecycle: LifecycleInService, Health: Healthy}})
	}
	return slices.DeleteFunc(members, func(m *Instance) bool { return m.Scaling.Lifecycle.Leaving() })
}

// When plans are applied again and again, the group reaches its desired capacity, and then nothing changes.
// The instances are then spread evenly over the zones, unless protected ones prevent that.
func TestPlansComeToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, members := drawGroup(t)
		g.Suspended, g.Status, g.MaxLifetime, g.GracePeriod = nil, "", 0, 0
		for _, m := range members {
			m.Scaling.Protected = false
			if m.Scaling.Lifecycle.Launching() {
				m.State, m.Scaling.Lifecycle, m.Scaling.Rebalancing = Running, LifecycleInService, false
			}
		}
		born := 0
		for range 60 {
			plan := PlanGroup(g, members, now)
			if len(plan.Remove)+len(plan.Launch) == 0 {
				break
			}
			members = carryOut(members, plan, &born)
		}
		if plan := PlanGroup(g, members, now); len(plan.Remove)+len(plan.Launch) > 0 {
			t.Fatalf("plans never end: %+v", plan)
		}
		// The plan does not change instances that were leaving or in standby from the start.
		members = slices.DeleteFunc(members, func(m *Instance) bool {
			return m.Scaling.Lifecycle.Leaving() || m.Scaling.Lifecycle.Resting()
		})
		zones := map[string]int{}
		for _, m := range members {
			zones[m.Zone]++
		}
		if len(members) != g.Desired {
			t.Fatalf("plans have ended with %d of %d instances", len(members), g.Desired)
		}
		for _, a := range g.Zones {
			for _, b := range g.Zones {
				if zones[a]-zones[b] > 1 {
					t.Fatalf("zones are not even: %v", zones)
				}
			}
		}
		for z := range zones {
			if !slices.Contains(g.Zones, z) {
				t.Fatalf("instances stay in %s", z)
			}
		}
	})
}

// ecs.md 5.7: each policy, within one zone.
func TestTerminationPolicies(t *testing.T) {
	member := func(id string, age time.Duration, source string, sourceAge time.Duration) *Instance {
		i := &Instance{ID: id, Zone: "us-east-1a", LaunchedAt: now.Add(-age),
			Scaling: Membership{Lifecycle: LifecycleInService, SourceAt: now.Add(-sourceAge)}}
		if source == "lc" {
			i.Scaling.Source.Configuration = "lc"
		} else {
			i.Scaling.Source.TemplateID = "lt"
		}
		return i
	}
	members := []*Instance{
		member("i-a", 90*time.Minute, "lt", 5*time.Hour),
		member("i-b", 179*time.Minute, "lc", 2*time.Hour),
		member("i-c", 10*time.Minute, "lc", 3*time.Hour),
		member("i-d", 59*time.Minute, "lc", 3*time.Hour),
	}
	for _, c := range []struct {
		policies []string
		want     string
	}{
		{nil, "i-d i-c i-b i-a"}, // configurations first, the oldest first, then the closest to its next hour
		{[]string{PolicyDefault}, "i-d i-c i-b i-a"},
		{[]string{PolicyOldestInstance}, "i-b i-a i-d i-c"},
		{[]string{PolicyNewestInstance}, "i-c i-d i-a i-b"},
		{[]string{PolicyClosestToInstanceHour}, "i-d i-b i-a i-c"}, // with equal minutes the next policy decides
		{[]string{PolicyOldestConfiguration, PolicyNewestInstance}, "i-c i-d i-b i-a"},
		{[]string{PolicyAllocationStrategy, PolicyOldestInstance}, "i-b i-a i-d i-c"},
	} {
		g := &AutoScalingGroup{Region: "us-east-1", Account: "1", Zones: []string{"us-east-1a"}, Policies: c.policies}
		var got []string
		for _, v := range Victims(g, members, 9, now) {
			got = append(got, v.ID)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v: %s, want %s", c.policies, s, c.want)
		}
	}
}

// ecs.md 5.7: scale-in chooses the zone with the most instances before it applies any policy, if that zone
// has an instance that is not protected.
func TestScaleInTakesFromTheFullestZone(t *testing.T) {
	member := func(id, zone string, protected bool) *Instance {
		return &Instance{ID: id, Zone: zone, LaunchedAt: now,
			Scaling: Membership{Lifecycle: LifecycleInService, Protected: protected}}
	}
	g := &AutoScalingGroup{Region: "us-east-1", Account: "1", Zones: []string{"us-east-1a", "us-east-1b", "us-east-1c"}}
	members := []*Instance{member("i-1", "us-east-1a", false), member("i-2", "us-east-1b", false),
		member("i-3", "us-east-1b", true),
		member("i-4", "us-east-1c", true), member("i-5", "us-east-1c", true), member("i-6", "us-east-1c", true)}
	var got []string
	for _, v := range Victims(g, members, 9, now) {
		got = append(got, v.ID)
	}
	if s := strings.Join(got, " "); s != "i-2 i-1" {
		t.Errorf("victims %s, want i-2 i-1", s)
	}
}

func BenchmarkPlanGroup(b *testing.B) {
	g := &AutoScalingGroup{Region: "us-east-1", Account: "1", Desired: 900, Max: 1000,
		Zones: []string{"us-east-1a", "us-east-1b", "us-east-1c"}}
	var members []*Instance
	for n := range 1000 {
		members = append(members, &Instance{ID: fmt.Sprint("i-", n), Zone: g.Zones[n%3], State: Running,
			Desired: Running, LaunchedAt: now,
			Address: netip.MustParseAddr("127.0.1.2"),
			Scaling: Membership{Group: "g", Lifecycle: LifecycleInService, Health: Healthy}})
	}
	for b.Loop() {
		if plan := PlanGroup(g, members, now); len(plan.Remove) != 100 {
			b.Fatal(len(plan.Remove))
		}
	}
}
