package ecs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// After Stop and Ended in any order, a task has the first reason, and its status never moves back. A task
// with targets is DEACTIVATING first. The methods return a changed copy and do not change their receiver.
func TestTheFirstReasonStands(t *testing.T) {
	type reason struct{ code, reason string }
	rapid.Check(t, func(t *rapid.T) {
		task := &Task{DesiredStatus: Running, Containers: []Container{{Name: "a", LastStatus: Running}},
			LastStatus: rapid.SampledFrom([]TaskStatus{Pending, Activating, Running}).Draw(t, "status")}
		if rapid.Bool().Draw(t, "registered") {
			task.Targets = []TaskTarget{{TargetGroupARN: "g", ID: "i", Port: 80}}
		}
		var first *reason
		for i := range rapid.IntRange(1, 5).Draw(t, "steps") {
			before, say, now := *task, reason{fmt.Sprint("code", i), fmt.Sprint("reason", i)}, at(i)
			ended := rapid.Bool().Draw(t, "ended")
			change := task.Stop
			if ended {
				change = task.Ended
			}
			next := change(say.code, say.reason, now)
			if first == nil {
				first = &say
			}
			switch {
			case next.StopCode != first.code || next.StoppedReason != first.reason || next.DesiredStatus != Stopped:
				t.Fatalf("%+v, want the first reason, %+v", next, first)
			case next.LastStatus.Before(before.LastStatus):
				t.Fatalf("the task has gone from %s back to %s", before.LastStatus, next.LastStatus)
			case ended && (next.LastStatus != Stopped || next.Containers[0].LastStatus != Stopped ||
				next.StoppedAt.IsZero()):
				t.Fatalf("the task has ended but is %+v", next)
			case !ended && before.DesiredStatus == Running &&
				next.LastStatus == Deactivating != (len(task.Targets) > 0):
				t.Fatalf("a task with %d targets is %s", len(task.Targets), next.LastStatus)
			case next != task && next.Version == before.Version:
				t.Fatal("the task has changed but its version has not")
			case task.LastStatus != before.LastStatus ||
				task.Containers[0].LastStatus != before.Containers[0].LastStatus:
				t.Fatal("the receiver has changed")
			}
			task = next
		}
	})
}

// ecs.md 1.4.15: a task is UNHEALTHY if one essential container is, and HEALTHY if all of them are.
func TestHealthIsThatOfEssentialContainers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &TaskDefinition{}
		var containers []Container
		counts := map[string]int{}
		for i := range rapid.IntRange(0, 5).Draw(t, "containers") {
			c := ContainerDefinition{Name: fmt.Sprint("c", i), Essential: rapid.Bool().Draw(t, "essential")}
			status := rapid.SampledFrom([]string{Healthy, Unhealthy, UnknownHealth, ""}).Draw(t, "health")
			d.ContainerDefinitions = append(d.ContainerDefinitions, c)
			containers = append(containers, Container{Name: c.Name, HealthStatus: status})
			if c.Essential {
				counts[status]++
			}
		}
		want := Healthy
		if counts[UnknownHealth]+counts[""] > 0 {
			want = UnknownHealth
		}
		if counts[Unhealthy] > 0 {
			want = Unhealthy
		}
		if got := TaskHealth(d, rapid.Permutation(containers).Draw(t, "reason")); got != want {
			t.Fatalf("%s, want %s, of %v", got, want, containers)
		}
	})
}

// A new deployment is the PRIMARY one and comes first. The others follow in their order until they are
// INACTIVE.
func TestDeploymentsOfAService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &ServiceProgress{}
		var want []string // by age, the newest first
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			if len(want) > 1 && rapid.Bool().Draw(t, "one ends") {
				gone := rapid.IntRange(1, len(want)-1).Draw(t, "which")
				all := slices.Clone(p.Deployments)
				all[gone].Status = DeploymentInactive
				p.SetDeployments(rapid.Permutation(all).Draw(t, "order"))
				want = slices.Delete(want, gone, gone+1)
			} else {
				name := fmt.Sprint("r", i)
				p.Begin(Deployment{Revision: ServiceRevision{ServiceRevisionARN: name}, CreatedAt: at(i)})
				want = slices.Insert(want, 0, name)
			}
			var got []string
			for n, d := range p.Deployments {
				got = append(got, d.Revision.ServiceRevisionARN)
				if (d.Status == DeploymentPrimary) != (n == 0) {
					t.Fatalf("deployment %d of %v is %s", n, got, d.Status)
				}
				if found := p.DeploymentOf(d.Revision.ServiceRevisionARN); found != &p.Deployments[n] {
					t.Fatalf("revision %s is of %+v", d.Revision.ServiceRevisionARN, found)
				}
			}
			if !slices.Equal(got, want) || p.Current().ServiceRevisionARN != want[0] ||
				p.DeploymentOf("none") != nil {
				t.Fatalf("deployments %v, want %v", got, want)
			}
		}
	})
}

// The events of a service have consecutive numbers and sort by age. Only the newest are stored.
func TestEventsOfAService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var last *Event
		var keys []string
		ids := map[string]bool{}
		for i := range rapid.IntRange(1, 2*KeptEvents).Draw(t, "events") {
			last = NextEvent("s", last, "message", at(0).Add(time.Duration(i)*time.Second))
			keys, ids[last.ID] = append(keys, last.Key()), true
			if forgotten := last.Forgets(); i >= KeptEvents && forgotten != keys[i-KeptEvents] {
				t.Fatalf("event %d pushes %s out, want %s", i, forgotten, keys[i-KeptEvents])
			}
		}
		if last.Sequence != int64(len(keys)) || !slices.IsSorted(keys) || len(ids) != len(keys) {
			t.Fatalf("%d events, the last is %+v", len(keys), last)
		}
	})
}
