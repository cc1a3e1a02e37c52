package fleet

import "testing"

// A member in standby runs and stays a member, but does not count. Its activities say who moved it, and how the
// capacity changed (ecs.md 5.3).
func TestRestAndReturn(t *testing.T) {
	g := &AutoScalingGroup{Name: "g", Region: "us-east-1", Account: "1", Desired: 1, Zones: []string{"us-east-1a"}}
	i := &Instance{ID: "i-1", State: Running, Desired: Running}
	g.Join(i, LaunchSource{Configuration: "lc"}, now)
	i.Scaling.Lifecycle = LifecycleInService

	c, a := g.Rest(i, "a-1", now, 2, 1)
	if c.Scaling.Counts() || !c.Scaling.Member() || !c.Scaling.Lifecycle.Resting() || !i.Scaling.Counts() {
		t.Errorf("entering standby: %+v", c.Scaling)
	}
	if a.Key() != c.Scaling.LaunchedBy || !a.Open() || a.Cause != "At 2026-01-02T03:04:05Z instance i-1 was moved to "+
		"standby in response to a user request, shrinking the capacity from 2 to 1." {
		t.Errorf("%+v", a)
	}
	if plan := PlanGroup(g, []*Instance{c}, now); len(plan.Launch) != 1 || len(plan.Remove) != 0 {
		t.Errorf("%+v", plan)
	}
	c.Scaling.Lifecycle = LifecycleStandby
	back, a := g.Return(c, "a-2", now, 1, 1)
	if !back.Scaling.Counts() || !back.Scaling.Returning || a.Status != ActivityPreInService ||
		a.Cause != "At 2026-01-02T03:04:05Z instance i-1 was moved out of standby in response to a user request." {
		t.Errorf("%+v, %+v", back.Scaling, a)
	}
}
