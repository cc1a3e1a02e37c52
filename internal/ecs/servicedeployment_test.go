package ecs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	service     = "arn:aws:ecs:us-east-1:123456789012:service/web/shop"
	oldRevision = "arn:aws:ecs:us-east-1:123456789012:service-revision/web/shop/1111111111111111111"
	newRevision = "arn:aws:ecs:us-east-1:123456789012:service-revision/web/shop/2222222222222222222"
)

// at returns a time the given number of seconds after the start of the tests.
func at(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0).UTC() }

// primaryOf returns a primary deployment of a revision.
func primaryOf(revision, state, reason string) Deployment {
	return Deployment{
		Status: DeploymentPrimary, Revision: ServiceRevision{ServiceRevisionARN: revision},
		RolloutState: state, RolloutStateReason: reason,
	}
}

// begun returns a service deployment from the old revision to the new one, at its start.
func begun() *ServiceDeployment {
	return &ServiceDeployment{
		Status: ServiceDeploymentInProgress, CreatedAt: at(0), StartedAt: at(0), UpdatedAt: at(0),
		SourceServiceRevisions: []ServiceRevisionSummary{{ARN: oldRevision}},
		TargetServiceRevision:  ServiceRevisionSummary{ARN: newRevision},
	}
}

// Each case is a possible course of a service deployment (ecs.md 3.6), with the progress of the service step
// by step.
func TestServiceDeploymentFollows(t *testing.T) {
	failed := primaryOf(newRevision, RolloutFailed, "tasks failed to start.")
	failed.Status, failed.FailedTasks, failed.LastFailureReason = DeploymentActive, 3, "exit code 1"
	step := func(all ...Deployment) ServiceProgress { return ServiceProgress{Deployments: all} }
	for _, tt := range []struct {
		name     string
		steps    []ServiceProgress
		statuses []string
		reason   string
		rollback string // the reason of the rollback
		failed   int
		failure  string
	}{
		{name: "it succeeds", steps: []ServiceProgress{
			step(primaryOf(newRevision, RolloutInProgress, "in progress.")),
			step(primaryOf(newRevision, RolloutCompleted, "completed.")),
		}, statuses: []string{ServiceDeploymentInProgress, ServiceDeploymentSuccessful}, reason: "completed."},
		{name: "it fails and nothing is rolled back", steps: []ServiceProgress{
			step(primaryOf(newRevision, RolloutFailed, "tasks failed to start.")),
		}, statuses: []string{ServiceDeploymentStopped}, reason: "tasks failed to start."},
		{name: "it is rolled back", steps: []ServiceProgress{
			step(primaryOf(oldRevision, RolloutInProgress, "back."), failed),
			step(primaryOf(oldRevision, RolloutCompleted, "completed."), failed),
		}, statuses: []string{ServiceDeploymentRollbackInProgress, ServiceDeploymentRollbackSuccessful},
			reason: "tasks failed to start.", rollback: "tasks failed to start.", failed: 3, failure: "exit code 1"},
		{name: "the rollback fails too", steps: []ServiceProgress{
			step(primaryOf(oldRevision, RolloutInProgress, "back."), failed),
			step(primaryOf(oldRevision, RolloutFailed, "again."), failed),
		}, statuses: []string{ServiceDeploymentRollbackInProgress, ServiceDeploymentRollbackFailed},
			reason: "again.", rollback: "tasks failed to start.", failed: 3, failure: "exit code 1"},
		{name: "the failed deployment is forgotten before anybody looks", steps: []ServiceProgress{
			step(primaryOf(oldRevision, RolloutCompleted, "completed.")),
		}, statuses: []string{ServiceDeploymentRollbackSuccessful}, reason: "completed.", rollback: "completed."},
		{name: "the service has no deployment", steps: []ServiceProgress{step()},
			statuses: []string{ServiceDeploymentInProgress}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := begun()
			for i := range tt.steps {
				before := *d
				changed := d.Follow(&tt.steps[i], at(i+1))
				if d.Status != tt.statuses[i] || changed != (d.Status != before.Status) {
					t.Errorf("step %d: %s, changed %v, want %s", i, d.Status, changed, tt.statuses[i])
				}
				if changed && !d.UpdatedAt.Equal(at(i+1)) || !changed && !d.UpdatedAt.Equal(before.UpdatedAt) {
					t.Errorf("step %d: updated at %v", i, d.UpdatedAt)
				}
				if d.Follow(&tt.steps[i], at(100)) {
					t.Errorf("step %d: the same progress changes it twice", i)
				}
			}
			if d.StatusReason != tt.reason || d.FailedTasks != tt.failed || d.LastFailureReason != tt.failure {
				t.Errorf("it ends with %q, %d failed tasks, %q", d.StatusReason, d.FailedTasks, d.LastFailureReason)
			}
			if (d.Rollback != nil) != (tt.rollback != "") || d.Rollback != nil && (d.Rollback.Reason != tt.rollback ||
				d.Rollback.ServiceRevisionARN != oldRevision || !d.Rollback.StartedAt.Equal(at(1))) {
				t.Errorf("rollback %+v, want the reason %q", d.Rollback, tt.rollback)
			}
		})
	}
}

// At any step, Ended is true if and only if the status is a final one, and the times agree with the status.
func TestServiceDeploymentEnds(t *testing.T) {
	ends := []string{
		ServiceDeploymentSuccessful, ServiceDeploymentStopped, ServiceDeploymentRollbackSuccessful,
		ServiceDeploymentRollbackFailed,
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := begun()
		for i := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			p := ServiceProgress{Deployments: []Deployment{primaryOf(
				rapid.SampledFrom([]string{oldRevision, newRevision}).Draw(rt, "revision"),
				rapid.SampledFrom([]string{RolloutInProgress, RolloutCompleted, RolloutFailed}).Draw(rt, "state"),
				"r")}}
			switch what := rapid.IntRange(0, 5).Draw(rt, "what"); {
			case what == 0 && !d.Ended():
				d.Stop(&p, "another was asked for", at(i))
			case what == 1 && d.Status == ServiceDeploymentInProgress:
				d.RequestRollback(at(i))
			default:
				requested := d.Status == ServiceDeploymentRollbackRequested
				if d.Follow(&p, at(i)); requested && d.Status == ServiceDeploymentInProgress {
					rt.Fatal("the request for a rollback is lost")
				}
			}
			if d.Ended() != slices.Contains(ends, d.Status) {
				rt.Fatalf("%s has ended: %v", d.Status, d.Ended())
			}
			if !d.StoppedAt.IsZero() != (d.Status == ServiceDeploymentStopped) {
				rt.Fatalf("%s was stopped at %v", d.Status, d.StoppedAt)
			}
			good := d.Status == ServiceDeploymentInProgress || d.Status == ServiceDeploymentSuccessful
			if d.Failed() == good {
				rt.Fatalf("%s counts as failed: %v", d.Status, d.Failed())
			}
			requested := d.Status == ServiceDeploymentRollbackRequested
			if strings.HasPrefix(d.Status, "ROLLBACK") && !requested && d.Rollback == nil {
				rt.Fatalf("%s without a rollback", d.Status)
			}
		}
	})
}

func TestServiceDeploymentStop(t *testing.T) {
	d := begun()
	d.Stop(&ServiceProgress{}, "the service was updated", at(5))
	if d.Status != ServiceDeploymentStopped || d.StatusReason != "the service was updated" || !d.Ended() ||
		!d.Failed() ||
		!d.StoppedAt.Equal(at(5)) || !d.FinishedAt.Equal(at(5)) || !d.UpdatedAt.Equal(at(5)) {
		t.Errorf("stopped: %+v", d)
	}
}

// Count replaces the counts of all revisions. It does not change rows that others may read.
func TestServiceDeploymentCount(t *testing.T) {
	d := begun()
	sources := d.SourceServiceRevisions
	d.Count(func(revision string) ServiceRevisionSummary {
		return ServiceRevisionSummary{ARN: revision, RunningTaskCount: len(revision), RequestedTaskCount: 2}
	})
	if n := len(newRevision); d.TargetServiceRevision.RunningTaskCount != n ||
		d.SourceServiceRevisions[0].RunningTaskCount != n || d.SourceServiceRevisions[0].RequestedTaskCount != 2 ||
		d.TargetServiceRevision.ARN != newRevision || d.SourceServiceRevisions[0].ARN != oldRevision {
		t.Errorf("counted: %+v", d)
	}
	if sources[0].RunningTaskCount != 0 {
		t.Error("Count changed the summaries of its receiver")
	}
}

// ecs.md 1.1.2 and 1.1.3: the ARN of a service's deployment or revision has the names of the cluster and the
// service.
func TestNamesWithinAService(t *testing.T) {
	revision := ServiceRevisionARN(service, "4404581299064857844")
	if want := "arn:aws:ecs:us-east-1:123456789012:service-revision/web/shop/4404581299064857844"; revision != want {
		t.Errorf("revision %s, want %s", revision, want)
	}
	if got, want := ServiceDeploymentARN(service, "Ab3"),
		"arn:aws:ecs:us-east-1:123456789012:service-deployment/web/shop/Ab3"; got != want {
		t.Errorf("deployment %s, want %s", got, want)
	}
	if got := (&ServiceRevision{ServiceRevisionARN: revision}).DeploymentID(); got != "ecs-svc/4404581299064857844" {
		t.Errorf("deployment's id %s", got)
	}
	// The cluster or the service may itself be called "service".
	odd := strings.Replace(service, "web/shop", "service/service", 1)
	if got := ServiceRevisionARN(odd, "1"); got !=
		"arn:aws:ecs:us-east-1:123456789012:service-revision/service/service/1" {
		t.Errorf("revision of an odd name: %s", got)
	}
}

// deployments draws the deployments of a service, with the primary one at any position.
func deployments(rt *rapid.T) []Deployment {
	all := []Deployment{}
	for i := range rapid.IntRange(0, 5).Draw(rt, "deployments") {
		all = append(all, Deployment{
			ID:        fmt.Sprint("ecs-svc/", i),
			Status:    rapid.SampledFrom([]string{DeploymentActive, DeploymentInactive}).Draw(rt, "status"),
			Revision:  ServiceRevision{ServiceRevisionARN: fmt.Sprint("r", i)},
			CreatedAt: at(rapid.IntRange(0, 3).Draw(rt, "created")),
		})
	}
	if len(all) > 0 && rapid.IntRange(0, 3).Draw(rt, "without primary") > 0 {
		all[rapid.IntRange(0, len(all)-1).Draw(rt, "primary")].Status = DeploymentPrimary
	}
	return all
}

// SetDeployments puts the primary deployment first, then the others, the newest first. It drops only those
// that are INACTIVE.
func TestSetDeployments(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		given := deployments(rt)
		before := slices.Clone(given)
		var p ServiceProgress
		p.SetDeployments(given)
		if !slices.EqualFunc(given, before, func(a, b Deployment) bool {
			return a.ID == b.ID &&
				a.Status == b.Status
		}) {
			rt.Fatal("SetDeployments changed its argument")
		}
		kept := map[string]bool{}
		for i, d := range p.Deployments {
			kept[d.ID] = true
			if d.Status == DeploymentInactive || d.Status == DeploymentPrimary && i > 0 {
				rt.Fatalf("deployment %d is %s", i, d.Status)
			}
			if i > 0 && p.Deployments[i-1].Status == d.Status && d.CreatedAt.After(p.Deployments[i-1].CreatedAt) {
				rt.Fatalf("%s is newer than the one before", d.ID)
			}
		}
		for _, d := range given {
			if kept[d.ID] != (d.Status != DeploymentInactive) {
				rt.Fatalf("%s, which is %s, is still there: %v", d.ID, d.Status, kept[d.ID])
			}
			if of := p.DeploymentOf(d.Revision.ServiceRevisionARN); (of != nil) != kept[d.ID] || of != nil &&
				of.ID != d.ID {
				rt.Fatalf("DeploymentOf returns %+v for %s", of, d.ID)
			}
		}
		primary := p.Primary()
		if has := slices.ContainsFunc(given, func(d Deployment) bool { return d.Status == DeploymentPrimary }); has !=
			(primary != nil) || primary != nil &&
			p.Current().ServiceRevisionARN != primary.Revision.ServiceRevisionARN {
			rt.Fatalf("primary %+v, current %+v", primary, p.Current())
		}
	})
}

// After any number of deployments the latest one is PRIMARY, and the others are ACTIVE until they have no
// tasks (ecs.md 3.1.4).
func TestBegin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var p ServiceProgress
		n := rapid.IntRange(1, 5).Draw(rt, "deployments")
		for i := range n {
			p.Begin(Deployment{ID: fmt.Sprint(i), CreatedAt: at(i)})
		}
		if len(p.Deployments) != n {
			rt.Fatalf("%d deployments of %d", len(p.Deployments), n)
		}
		for i, d := range p.Deployments {
			want := DeploymentActive
			if i == 0 {
				want = DeploymentPrimary
			}
			if d.ID != fmt.Sprint(n-1-i) || d.Status != want {
				rt.Fatalf("deployment %d: %s %s", i, d.ID, d.Status)
			}
			if i > 0 && !d.UpdatedAt.Equal(at(n-i)) {
				rt.Fatalf("deployment %s became ACTIVE at %v, want the start of the next one", d.ID, d.UpdatedAt)
			}
		}
	})
}

func TestDesiredCount(t *testing.T) {
	onThree := ServiceProgress{Deployments: []Deployment{{Status: DeploymentPrimary, DesiredCount: 3}}}
	for _, tt := range []struct {
		name string
		s    Service
		p    ServiceProgress
		want int
	}{
		{"replicas are as many as was asked for",
			Service{SchedulingStrategy: Replica, Status: ServiceActive, DesiredCount: 7}, onThree, 7},
		{"a deleted service was asked for none", Service{SchedulingStrategy: Replica, Status: ServiceDraining},
			onThree, 0},
		{"a daemon's is on each of its instances",
			Service{SchedulingStrategy: Daemon, Status: ServiceActive, DesiredCount: 7}, onThree, 3},
		{"a deleted daemon is on none", Service{SchedulingStrategy: Daemon, Status: ServiceDraining}, onThree, 0},
		{"a daemon without a deployment", Service{SchedulingStrategy: Daemon, Status: ServiceActive},
			ServiceProgress{}, 0},
	} {
		if got := tt.p.DesiredCount(&tt.s); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if none := (&ServiceProgress{}); none.Primary() != nil || none.DeploymentOf("r") != nil ||
		none.Current().ServiceRevisionARN != "" {
		t.Error("a service without deployments has a primary one")
	}
}
