package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/golden"
)

// groupMembers makes one member from each text, such as "1 a in service" or "2 b pending". The number is the end of
// its id, and the letter is its zone. Each number is an hour younger than the one before.
func groupMembers(words ...string) (members []*Instance) {
	for _, w := range words {
		var n int
		var zone string
		if _, err := fmt.Sscanf(w, "%d %s", &n, &zone); err != nil {
			panic(err)
		}
		i := &Instance{
			ID: fmt.Sprint("i-", n), Zone: "us-east-1" + zone, Desired: Running, State: Running,
			LaunchedAt: now.Add(time.Duration(n)*time.Hour - 100*time.Hour - 30*time.Minute),
			Scaling: Membership{Group: "web", Lifecycle: LifecycleInService, Health: Healthy,
				Source: LaunchSource{Configuration: "lc"}, SourceAt: now.Add(-200 * time.Hour)},
		}
		i.Scaling.InServiceAt = i.LaunchedAt.Add(time.Minute)
		for word, edit := range map[string]func(){
			"pending":     func() { i.State, i.Scaling.Lifecycle = Pending, LifecyclePending },
			"terminating": func() { i.Desired, i.Scaling.Lifecycle = Terminated, LifecycleTerminating },
			"balancing":   func() { i.Scaling.Lifecycle, i.Scaling.Rebalancing = LifecyclePending, true },
			"protected":   func() { i.Scaling.Protected = true },
			"unhealthy":   func() { i.Scaling.Health = Unhealthy },
			"by ELB":      func() { i.Scaling.Health, i.Scaling.HealthCause = Unhealthy, WhyELB },
			"stopped":     func() { i.State = Stopped },
			"impaired":    func() { i.Machine.Phase = PhaseFailed },
			"new":         func() { i.LaunchedAt, i.Scaling.InServiceAt = now, now },
			"template":    func() { i.Scaling.Source = LaunchSource{TemplateID: "lt-1", Version: "1"} },
			"old source":  func() { i.Scaling.SourceAt = now.Add(-300 * time.Hour) },
		} {
			if strings.Contains(w, word) {
				edit()
			}
		}
		members = append(members, i)
	}
	return members
}

// planText returns a plan as text.
func planText(p GroupPlan) string {
	var s strings.Builder
	for _, r := range p.Remove {
		fmt.Fprintf(&s, "  remove %s of %s: %s\n", r.Instance.ID, r.Instance.Zone, r.Cause)
	}
	for _, l := range p.Launch {
		what := "launch"
		if l.Rebalancing {
			what = "launch for balance"
		}
		fmt.Fprintf(&s, "  %s into %s: %s\n", what, l.Slot.Zone.Name, l.Cause)
	}
	if p.Blocked {
		s.WriteString("  blocked: all that are left are protected\n")
	}
	if !p.Again.IsZero() {
		fmt.Fprintf(&s, "  look again in %v\n", p.Again.Sub(now))
	}
	if s.Len() == 0 {
		return "  nothing\n"
	}
	return s.String()
}

// The next plan of a group in many situations, with the text of the cause (ecs.md 5.5 to 5.8).
// testdata/plans.txt is written for people to read.
func TestPlansTellTheirStory(t *testing.T) {
	var all strings.Builder
	for _, story := range []struct {
		title   string
		edit    func(*AutoScalingGroup)
		members []string
	}{
		{"a new group of two", func(g *AutoScalingGroup) { g.Note = NoteCreated(now, 2) }, nil},
		{"nothing to do", nil, []string{"1 a", "2 b"}},
		{"one is still pending", nil, []string{"1 a", "2 b pending"}},
		{"one more is wanted", func(g *AutoScalingGroup) { g.Desired, g.Note = 3, NoteExplicit(now, 2, 3) },
			[]string{"1 a", "2 b"}},
		{"three more go where fewest are", func(g *AutoScalingGroup) { g.Desired = 5 }, []string{"1 a", "2 a"}},
		{"one less is wanted: the zones are even, the oldest configuration decides",
			func(g *AutoScalingGroup) { g.Desired = 1 }, []string{"1 a", "2 b old source"}},
		{"one less is wanted: the fuller zone loses", func(g *AutoScalingGroup) { g.Desired = 2 },
			[]string{"1 a", "2 b", "3 b"}},
		{"one less is wanted: the policy says the newest",
			func(g *AutoScalingGroup) { g.Desired, g.Policies = 1, []string{PolicyNewestInstance} },
			[]string{"1 a", "2 a"}},
		{"one less is wanted: configurations go before templates", func(g *AutoScalingGroup) { g.Desired = 1 },
			[]string{"1 a template", "2 a"}},
		{"two less are wanted and one is protected", func(g *AutoScalingGroup) { g.Desired = 0 },
			[]string{"1 a protected", "2 b"}},
		{"less are wanted and all are protected", func(g *AutoScalingGroup) { g.Desired = 1 },
			[]string{"1 a protected", "2 b protected"}},
		{"a user finds one unhealthy", nil, []string{"1 a unhealthy", "2 b"}},
		{"a load balancer finds one unhealthy", nil, []string{"1 a by ELB", "2 b"}},
		{"one was stopped by somebody", nil, []string{"1 a stopped", "2 b"}},
		{"one's agent is down for good", nil, []string{"1 a impaired", "2 b"}},
		{"one's agent is down, within the grace period", func(g *AutoScalingGroup) { g.GracePeriod = 300 },
			[]string{"1 a impaired new", "2 b"}},
		{"one is as old as any may be", func(g *AutoScalingGroup) { g.MaxLifetime = 99 * 3600 },
			[]string{"1 a", "60 b"}},
		{"two are as old as any may be: one after the other", func(g *AutoScalingGroup) { g.MaxLifetime = 24 * 3600 },
			[]string{"1 a", "2 b"}},
		{"one will be as old as any may be", func(g *AutoScalingGroup) { g.MaxLifetime = 100 * 3600 },
			[]string{"1 a", "60 b"}},
		{"one less is wanted: the unhealthy one goes", func(g *AutoScalingGroup) { g.Desired = 1 },
			[]string{"1 a unhealthy", "2 b"}},
		{"both are in one zone", nil, []string{"1 a", "2 a"}},
		{"both are in one zone and one is pending", nil, []string{"1 a", "2 a pending"}},
		{"the one for balance is in service", nil, []string{"1 a", "2 a", "3 b"}},
		{"the one for balance is pending", nil, []string{"1 a", "2 a", "3 b balancing"}},
		{"a zone was taken from the group", func(g *AutoScalingGroup) { g.Zones = []string{"us-east-1a"} },
			[]string{"1 a", "2 b"}},
		{"launches have failed and wait", func(g *AutoScalingGroup) { g.NextLaunch = now.Add(20 * time.Second) },
			[]string{"1 a"}},
		{"Launch is suspended", func(g *AutoScalingGroup) { g.Suspended = []SuspendedProcess{{Name: ProcessLaunch}} },
			[]string{"1 a unhealthy"}},
		{"Terminate is suspended",
			func(g *AutoScalingGroup) { g.Desired, g.Suspended = 1, []SuspendedProcess{{Name: ProcessTerminate}} },
			[]string{"1 a unhealthy", "2 b"}},
		{"ReplaceUnhealthy is suspended",
			func(g *AutoScalingGroup) { g.Suspended = []SuspendedProcess{{Name: ProcessReplaceUnhealthy}} },
			[]string{"1 a unhealthy", "2 b"}},
		{"HealthCheck is suspended: only a user's word counts",
			func(g *AutoScalingGroup) { g.Suspended = []SuspendedProcess{{Name: ProcessHealthCheck}} },
			[]string{"1 a impaired", "2 b unhealthy"}},
		{"AZRebalance is suspended",
			func(g *AutoScalingGroup) { g.Suspended = []SuspendedProcess{{Name: ProcessRebalance}} },
			[]string{"1 a", "2 a"}},
		{"those on their way out do not count", nil, []string{"1 a terminating", "2 b"}},
		{"the group is being deleted", func(g *AutoScalingGroup) { g.Status = DeleteInProgress },
			[]string{"1 a protected", "2 b", "3 b terminating"}},
		{"both of one zone are unhealthy: the zones stay even", func(g *AutoScalingGroup) { g.Desired = 4 },
			[]string{"1 a unhealthy", "2 a by ELB", "3 b", "4 b"}},
		{"no zone is left", func(g *AutoScalingGroup) { g.Zones = nil }, []string{"1 a"}},
	} {
		g := group()
		if story.edit != nil {
			story.edit(g)
		}
		fmt.Fprintf(&all, "%s\n  %d wanted, there are: %s\n%s", story.title, g.Desired, strings.Join(story.members,
			", "),
			planText(PlanGroup(g, groupMembers(story.members...), now)))
	}
	golden.Compare(t, "plans.txt", strings.ReplaceAll(all.String(), "At 2026-01-02T03:04:05Z", "At …"))
}
