package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
)

// mishap is something that goes wrong for a service between two plans.
type mishap struct {
	name string
	do   func(t *rapid.T, s *sim)
}

func anyTask(t *rapid.T, s *sim) *sceneTask {
	if len(s.Tasks) == 0 {
		return &sceneTask{}
	}
	return &s.Tasks[rapid.IntRange(0, len(s.Tasks)-1).Draw(t, "task")]
}

func mishaps() []mishap {
	return []mishap{
		{"nothing", func(*rapid.T, *sim) {}},
		{"a task exits", func(t *rapid.T, s *sim) {
			x := anyTask(t, s)
			s.exit(x, ecs.EssentialContainerExited)
		}},
		{"a user stops a task", func(t *rapid.T, s *sim) {
			x := anyTask(t, s)
			x.DesiredStatus, x.StopCode = ecs.Stopped, ecs.UserInitiated
		}},
		{"a check fails", func(t *rapid.T, s *sim) {
			x := anyTask(t, s)
			x.HealthStatus = "UNHEALTHY"
			for k := range x.States {
				x.States[k].State = "unhealthy"
			}
		}},
		{"an instance drains", func(t *rapid.T, s *sim) { anyTask(t, s).Draining = true }},
		{"an instance is gone", func(t *rapid.T, s *sim) {
			for k := range s.Tasks {
				if rapid.IntRange(0, 2).Draw(t, "there") == 0 {
					s.exit(&s.Tasks[k], ecs.TerminationNotice)
				}
			}
		}},
		{"a task is protected", func(t *rapid.T, s *sim) { anyTask(t, s).ProtectedUntil = s.now.Add(3 * time.Minute) }},
		{"desired count",
			func(t *rapid.T, s *sim) { s.Service.DesiredCount = rapid.IntRange(0, 8).Draw(t, "desired") }},
		{"a deployment", func(t *rapid.T, s *sim) {
			id := fmt.Sprintf("ecs-svc/%d", s.now.Unix())
			s.deploy(id, rapid.SampledFrom([]func(*Deployment){withTargets, withChecks}).Draw(t, "flavour"))
			s.delay[id] = time.Duration(rapid.IntRange(0, 60).Draw(t, "delay")) * time.Second
			s.broken[id] = rapid.SampledFrom([]failing{
				works, works, neverStarts, failsChecks, exitsSoon,
			}).Draw(t, "failing")
		}},
		{"room runs out", func(t *rapid.T, s *sim) { s.capacity = rapid.IntRange(1, 9).Draw(t, "capacity") }},
	}
}

// TestChaos: in any order of mishaps, every plan stays within the bounds. When the mishaps end and the last
// deployment works, the service reaches its desired tasks by itself.
func TestChaos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := service(3, rapid.SampledFrom([]int{0, 50, 60}).Draw(t, "min"),
			rapid.SampledFrom([]int{100, 150, 200}).Draw(t, "max"))
		if rapid.Bool().Draw(t, "breaker") {
			sv = withBreaker(sv, breaker(true))
		}
		s := newSim(sv)
		s.MostStops = mostStops(t)
		s.deploy("ecs-svc/1", withTargets)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			rapid.SampledFrom(mishaps()).Draw(t, "mishap").do(t, s)
			s.checkedStep(t)
			s.pass(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
		}
		s.capacity = 0
		s.deploy("ecs-svc/last", withTargets)
		// The bounds then leave room to replace tasks, as at most half of at least two tasks are required.
		s.Service.DesiredCount = max(2, s.Service.DesiredCount)
		c := &s.Service.DeploymentConfiguration
		c.MinimumHealthyPercent = min(50, c.MinimumHealthyPercent)
		for range 400 {
			if p := s.checkedStep(t); !p.SteadyAt.IsZero() {
				break
			}
			s.pass(20 * time.Second)
		}
		last := s.deployment("ecs-svc/last")
		if last.RolloutState != ecs.RolloutCompleted || s.live() != s.Service.DesiredCount ||
			s.healthy() != s.Service.DesiredCount || len(s.Deployments) != 1 {
			t.Fatalf("%+v\n%+v\n%v", s.Deployments, s.Tasks, s.events)
		}
	})
}

// checkedStep carries out a plan and fails the test if it breaks a bound.
func (s *sim) checkedStep(t *rapid.T) Plan {
	lower, upper := within(s.Service)
	before, live := s.healthy(), s.live()
	p := s.next(s.now)
	s.apply(p)
	if after := s.healthy(); after < before && after < lower {
		t.Fatalf("%d of %d healthy tasks left, %d needed: %+v", after, before, lower, p)
	}
	if now := s.live(); now > upper && now > live {
		t.Fatalf("%d tasks, %d before, %d allowed: %+v", now, live, upper, p)
	}
	if slices.ContainsFunc(p.Start, func(x Start) bool {
		return s.deployment(x.DeploymentID).RolloutState == ecs.RolloutFailed
	}) {
		t.Fatalf("a failed deployment starts tasks: %+v", p)
	}
	return p
}
