package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
)

// withProvider returns a sample whose tasks run on a capacity provider with managed scaling and draining, or not.
func withProvider(services, instances int, draining, protection string) *blueprint.Stack {
	s := sample(services, instances)
	c := s.Clusters[0]
	c.CapacityProviders = []string{"machines"}
	scaling := ecs.DefaultManagedScaling()
	scaling.Status, scaling.TargetCapacity = ecs.Enabled, 100
	s.Groups[0].NewProtected = protection == ecs.Enabled
	s.CapacityProviders = []*ecs.CapacityProvider{{Name: "machines", Status: ecs.CapacityProviderActive,
		CapacityProviderARN: ecs.ProviderARN(c.ClusterARN, "machines"), PolicyID: "p", HighID: "h", LowID: "l",
		AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{AutoScalingGroupARN: s.Groups[0].ARN(),
			ManagedScaling: scaling, ManagedDraining: draining, ManagedTerminationProtection: protection}}}
	strategy := []ecs.StrategyItem{{CapacityProvider: "machines", Weight: 1}}
	for i, v := range s.Services {
		v.LaunchType, v.CapacityProviderStrategy = "", strategy
		s.Revisions[i].LaunchType = ""
	}
	return s
}

// moved counts the tasks that the service has started and stopped since it last wanted only one.
func moved(r *Report) (started, stopped int) {
	for _, d := range r.Decisions {
		switch {
		case strings.Contains(d.Text, "Setting desired count to 1."):
			started, stopped = 0, 0
		case strings.Contains(d.Text, "has started 1 tasks"):
			started++
		case started > 0 && strings.Contains(d.Text, "has stopped 1 running tasks"):
			stopped++
		}
	}
	return started, stopped
}

// listedTwice returns a termination that a report lists more than once, or "".
func listedTwice(r *Report) string {
	seen := make(map[string]bool)
	for _, d := range r.Decisions {
		what, _, _ := strings.Cut(strings.TrimPrefix(d.Text, "Terminating EC2 instance: "), ": ")
		if d.Kind == "group" && what != d.Text && seen[what] {
			return d.Text
		}
		seen[what] = true
	}
	return ""
}

// When the load has fallen, one task is left, and the group terminates the oldest instance, which may have it. With
// managed draining the service starts another task and stops this one. With termination protection the instance without
// it leaves. Without both, the task ends with its instance, so the service stops none (ecs.md 4.9, 4.10).
func TestInstancesThatLeave(t *testing.T) {
	for name, c := range map[string]struct {
		draining, protection string
		want                 func(started, stopped int) bool
	}{
		"draining":   {ecs.Enabled, ecs.Disabled, func(a, b int) bool { return a > 0 && a == b }},
		"protection": {ecs.Disabled, ecs.Enabled, func(a, b int) bool { return a == 0 && b == 0 }},
		"neither":    {ecs.Disabled, ecs.Disabled, func(a, b int) bool { return a > 0 && b == 0 }},
	} {
		stack := withProvider(1, 1, c.draining, c.protection)
		stack.Groups[0].Policies = []string{fleet.PolicyOldestInstance}
		stack.Services[0].DesiredCount, stack.ScalableTargets[0].Bounds.Min = 1, 1
		loads := []Load{{Service: "web00", Cost: Cost{CPU: 10 * time.Millisecond, IdleMemory: 48},
			Curve: Ramp{From: 8, To: 160, Begin: 30 * time.Minute, Rise: 30 * time.Minute, Duration: time.Hour}}}
		started, stopped := 0, 0
		for seed := range uint64(4) {
			r := simulate(t, stack, loads, func(o *Options) { o.Span, o.Seed = 4*time.Hour, seed })
			a, b := moved(r)
			started, stopped = started+a, stopped+b
			text := transcript(r, "group", "service")
			if twice := listedTwice(r); twice != "" {
				t.Errorf("%s: the report lists %q twice", name, twice)
			}
			last := r.Groups[0].Points[len(r.Groups[0].Points)-1]
			if !strings.Contains(text, "Terminating EC2 instance") || last.Instances != 1 {
				t.Errorf("%s: %d instances are left\n%s", name, last.Instances, text)
			}
		}
		if !c.want(started, stopped) {
			t.Errorf("%s: at the end %d tasks were started and %d stopped", name, started, stopped)
		}
	}
}
