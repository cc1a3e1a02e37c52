package rollout

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
)

// TestFirstStepOfAnUpdate: the bounds of ecs.md 3.2.1 and the examples of 3.2.2. All old tasks are healthy at
// the start of the update, and the first plan starts and stops as many tasks as the bounds allow.
func TestFirstStepOfAnUpdate(t *testing.T) {
	for _, c := range []struct {
		says                      string
		desired, minimum, maximum int
		starts, stops             int
		stuck                     bool
	}{
		{"desired 4, 50 %: two may stop first", 4, 50, 100, 2, 2, false},
		{"desired 2, 75 %: the lower bound is 2, nothing can stop", 2, 75, 100, 0, 0, true},
		{"desired 3, 125 %: the upper bound is 3, nothing can start", 3, 100, 125, 0, 0, true},
		{"desired 4, 200 %: four new ones at once", 4, 100, 200, 4, 0, false},
		{"the default of one task", 1, 100, 200, 1, 0, false},
		{"the upper bound is rounded down", 3, 100, 150, 1, 0, false},
		{"the lower bound is rounded up", 3, 50, 100, 1, 1, false},
		{"without a lower bound all may stop", 3, 0, 100, 3, 3, false},
		{"100 and 100 block", 5, 100, 100, 0, 0, true},
		{"one percent is one task", 5, 1, 100, 4, 4, false},
		{"99 percent of 5 are 5", 5, 99, 100, 0, 0, true},
	} {
		s := newSim(service(c.desired, c.minimum, c.maximum))
		s.deploy("ecs-svc/1")
		if !s.run(20, nil) {
			t.Fatalf("%s: not steady before the update", c.says)
		}
		s.pass(time.Minute)
		s.deploy("ecs-svc/2")
		p := s.next(s.now)
		starts := 0
		for _, x := range p.Start {
			if x.DeploymentID != "ecs-svc/2" {
				t.Errorf("%s: starts tasks of %s", c.says, x.DeploymentID)
			}
			starts += x.Count
		}
		stuck := strings.HasPrefix(p.Complaint, "(service web) was unable to stop or start tasks during a deployment")
		if starts != c.starts || len(p.Stop) != c.stops || stuck != c.stuck {
			t.Errorf("%s: starts %d, stops %d, stuck %v, want %d, %d, %v", c.says, starts, len(p.Stop), stuck, c.starts,
				c.stops, c.stuck)
		}
		for _, x := range p.Stop {
			if x.Cause != CauseDeployment || x.Reason != "Scaling activity initiated by (deployment ecs-svc/2)" {
				t.Errorf("%s: %+v", c.says, x)
			}
		}
	}
}

// TestWaitsBetweenFailures: after each round of tasks that never ran, the wait doubles, from 10 s to 15
// minutes. The third round has an event. A deployment of a new revision starts at once (ecs.md 3.4).
func TestWaitsBetweenFailures(t *testing.T) {
	s := newSim(service(2, 100, 200))
	s.broken["ecs-svc/1"] = neverStarts
	s.deploy("ecs-svc/1")
	s.step()
	for round, wait := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 900, 900, 900} {
		wait *= time.Second
		s.pass(time.Second)
		failed := s.step()
		d := s.deployment("ecs-svc/1")
		if len(failed.Start) != 0 || d.Attempts != round+1 || !d.RetryAt.Equal(s.now.Add(wait)) {
			t.Fatalf("after round %d: starts %v, %d attempts, the next at %v, want in %v", round+1, failed.Start,
				d.Attempts, d.RetryAt.Sub(s.now), wait)
		}
		told := failed.Complaint == "(service web) is unable to consistently start tasks successfully."
		if told != (round >= 2) {
			t.Errorf("after round %d: %q", round+1, failed.Complaint)
		}
		s.now = s.now.Add(wait - time.Nanosecond)
		if early := s.step(); len(early.Start) != 0 || !early.WakeAt.Equal(d.RetryAt) {
			t.Fatalf("after round %d: starts too early, wakes at %v", round+1, early.WakeAt)
		}
		s.now = s.now.Add(time.Nanosecond)
		if again := s.step(); len(again.Start) != 1 || again.Start[0].Count != 2 {
			t.Fatalf("after round %d and the wait: starts %+v", round+1, again.Start)
		}
	}
	s.deploy("ecs-svc/2")
	if p := s.step(); len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/2" {
		t.Errorf("a new revision starts %+v", p.Start)
	}
}

// TestThresholds: the number of failed tasks that fails a deployment (ecs.md 3.5.1). It is half of the
// desired tasks, rounded up, but 3 to 200; or as configured.
func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		desired int
		is      *ecs.ThresholdConfiguration
		want    int
	}{
		{1, nil, 3}, {6, nil, 3}, {7, nil, 4}, {25, nil, 13}, {400, nil, 200}, {401, nil, 200}, {800, nil, 200},
		{10, &ecs.ThresholdConfiguration{Type: ecs.ThresholdBoundedPercent, Value: 100}, 10},
		{10, &ecs.ThresholdConfiguration{Type: ecs.ThresholdUnboundedPercent, Value: 11}, 2},
		{800, &ecs.ThresholdConfiguration{Type: ecs.ThresholdUnboundedPercent, Value: 50}, 400},
		{800, &ecs.ThresholdConfiguration{Type: ecs.ThresholdCount, Value: 1}, 1},
	} {
		for failed, trips := range map[int]bool{c.want - 1: false, c.want: true, c.want + 1: true} {
			b := breaker(false)
			b.ThresholdConfiguration = c.is
			s := newSim(withBreaker(service(c.desired, 100, 200), b))
			s.deploy("ecs-svc/1", func(d *Deployment) { d.FailedTasks = failed })
			s.step()
			if state := s.deployment("ecs-svc/1").RolloutState; (state == ecs.RolloutFailed) != trips {
				t.Errorf("desired %d, %+v, %d failed: the deployment is %s", c.desired, c.is, failed, state)
			}
		}
	}
}

// earlier returns the scene with every time moved back by the given duration.
func (s *scene) earlier(by time.Duration) *scene {
	c := s.clone()
	back := func(at *time.Time) {
		if !at.IsZero() {
			*at = at.Add(-by)
		}
	}
	back(&c.Progress.SteadyAt)
	for k := range c.Deployments {
		d := &c.Deployments[k]
		for _, at := range []*time.Time{
			&d.CreatedAt, &d.UpdatedAt, &d.CompletedAt, &d.LastFailure, &d.RetryAt, &d.BakeUntil,
		} {
			back(at)
		}
	}
	for k := range c.Tasks {
		x := &c.Tasks[k]
		for _, at := range []*time.Time{&x.CreatedAt, &x.StartedAt, &x.StoppingAt, &x.StoppedAt, &x.ProtectedUntil} {
			back(at)
		}
	}
	return c
}

// outline returns what a plan does as text, without times.
func outline(p Plan) string {
	var rows []string
	for _, d := range p.Update {
		rows = append(rows, fmt.Sprint(d.ID, d.Status, d.RolloutState, d.DesiredCount, d.FailedTasks, d.Attempts))
	}
	slices.Sort(rows)
	return fmt.Sprint(p.Start, p.Stop, rows, p.Healthy, p.Ended, p.Event, p.Complaint, p.Rebalancing)
}

// TestPlansMoveWithTime: a plan depends on durations and not on dates. When all times and the present are
// moved back by the same duration, the plan is the same, and its wake time is moved back too.
func TestPlansMoveWithTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sceneGen().Draw(t, "scene")
		by := time.Duration(rapid.IntRange(1, 1e6).Draw(t, "seconds")) * time.Second
		a, b := s.next(epoch), s.earlier(by).next(epoch.Add(-by))
		if outline(a) != outline(b) || a.WakeAt.IsZero() != b.WakeAt.IsZero() ||
			!a.WakeAt.IsZero() && !a.WakeAt.Equal(b.WakeAt.Add(by)) {
			t.Fatalf("%s, wakes at %v\nearlier: %s, wakes at %v", outline(a), a.WakeAt, outline(b), b.WakeAt)
		}
	})
}

// TestEndedTasksDoNotMatter: tasks that have stopped and were counted do not change a plan. Tasks that are
// being stopped do not change the starts in it.
func TestEndedTasksDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sceneGen().Draw(t, "scene")
		more := s.clone()
		for k := range rapid.IntRange(1, 4).Draw(t, "more") {
			x := taskGen(k).Draw(t, "ended")
			x.TaskARN += "-ended"
			x.DesiredStatus, x.LastStatus, x.EndCounted, x.Draining = ecs.Stopped, ecs.Stopped, true, false
			x.StoppingAt = epoch.Add(-time.Minute)
			x.register()
			more.Tasks = slices.Insert(more.Tasks, rapid.IntRange(0, len(more.Tasks)).Draw(t, "at"), x)
		}
		if a, b := s.next(epoch), more.clone().next(epoch); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\nwith ended tasks %+v", a, b)
		}
		stopping := more.clone()
		for k := range stopping.Tasks {
			if x := &stopping.Tasks[k]; strings.HasSuffix(x.TaskARN, "-ended") {
				x.LastStatus = ecs.Stopping
			}
		}
		if a, b := s.next(epoch), stopping.next(epoch); !reflect.DeepEqual(a.Start, b.Start) {
			t.Fatalf("starts %+v\nwith stopping tasks %+v", a.Start, b.Start)
		}
	})
}
