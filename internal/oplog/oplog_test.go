package oplog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/golden"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/topic"
)

const prefix = "arn:aws:ecs:us-east-1:123456789012:"

// The log of a deployment that fails and is rolled back, and of an instance that is lost, as an operator reads it.
func TestLogTellsWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := New(store, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})))
		put := func(edit func(tx *state.Tx)) {
			t.Helper()
			if err := store.Update(t.Context(), func(tx *state.Tx) error { edit(tx); return nil }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		svc := ecs.Service{ServiceARN: prefix + "service/c/web", ServiceName: "web",
			ClusterARN: prefix + "cluster/c", Status: ecs.ServiceActive, DesiredCount: 2}
		came := ecs.ServiceProgress{ServiceARN: svc.ServiceARN,
			Deployments: []ecs.Deployment{{ID: "ecs-svc/1", Status: ecs.DeploymentPrimary,
				Revision:     ecs.ServiceRevision{TaskDefinition: prefix + "task-definition/web:1"},
				RolloutState: ecs.RolloutInProgress}}}
		ci := ecs.ContainerInstance{
			ContainerInstanceARN: prefix + "container-instance/c/ci", ClusterARN: prefix + "cluster/c",
			Status: ecs.InstanceActive, EC2InstanceID: "i-1", Address: "127.0.1.2",
		}
		service := func(edit func(*ecs.ServiceProgress)) {
			edit(&came)
			put(func(tx *state.Tx) {
				s, p := svc, came
				p.Deployments = slices.Clone(came.Deployments)
				tx.Services.Put(&s)
				tx.ServiceProgress.Put(&p)
			})
		}
		instance := func(edit func(*ecs.ContainerInstance)) {
			edit(&ci)
			put(func(tx *state.Tx) { c := ci; tx.ContainerInstances.Put(&c) })
		}
		task := func(id string, edit func(*ecs.Task)) {
			x := ecs.Task{
				TaskARN: prefix + "task/c/" + id, ClusterARN: prefix + "cluster/c", Group: "service:web",
				TaskDefinitionARN: prefix + "task-definition/web:2", LastStatus: ecs.Stopped,
			}
			edit(&x)
			put(func(tx *state.Tx) { tx.Tasks.Put(&x) })
		}
		task("old", func(*ecs.Task) {}) // it is there before the log begins

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- log.Run(ctx) }()
		synctest.Wait()

		instance(func(*ecs.ContainerInstance) {})
		instance(func(x *ecs.ContainerInstance) { x.AgentConnected = true })
		service(func(*ecs.ServiceProgress) {})
		service(func(x *ecs.ServiceProgress) { x.Unplaced = 1 })
		service(func(x *ecs.ServiceProgress) { x.Unplaced = 0 })
		service(func(x *ecs.ServiceProgress) { x.Deployments[0].RolloutState = ecs.RolloutCompleted })
		service(func(x *ecs.ServiceProgress) {
			x.Deployments[0].Status = ecs.DeploymentActive
			x.Deployments = append(x.Deployments,
				ecs.Deployment{ID: "ecs-svc/2", Status: ecs.DeploymentPrimary, Revision: ecs.ServiceRevision{
					TaskDefinition: prefix + "task-definition/web:2",
				}, RolloutState: ecs.RolloutInProgress})
		})
		task("a", func(x *ecs.Task) { x.LastStatus = ecs.Running })
		task("a", func(x *ecs.Task) {
			x.StopCode, x.StoppedReason, x.Containers = ecs.EssentialContainerExited,
				"Essential container in task exited", []ecs.Container{{Name: "app", ExitCode: new(1)}}
		})
		task("a", func(x *ecs.Task) { x.EndCounted = true }) // no news
		task("b", func(x *ecs.Task) {
			x.StopCode, x.StoppedReason = ecs.UserInitiated, "forged\nlevel=ERROR msg=\"x\" \x1b[2J"
		})
		service(func(x *ecs.ServiceProgress) {
			x.Deployments[1].RolloutState, x.Deployments[1].Status, x.Deployments[1].FailedTasks = ecs.RolloutFailed,
				ecs.DeploymentActive, 3
			x.Deployments[1].RolloutStateReason = "ECS deployment circuit breaker: rolling back to " +
				"deploymentId ecs-svc/1."
			x.Deployments[0].Status, x.Deployments[0].RolloutState = ecs.DeploymentPrimary, ecs.RolloutInProgress
			x.Deployments[0].RolloutStateReason = x.Deployments[1].RolloutStateReason
		})
		instance(func(x *ecs.ContainerInstance) { x.RuntimeStatus, x.RuntimeReason = "IMPAIRED", "permission denied" })
		instance(func(x *ecs.ContainerInstance) { x.RuntimeStatus, x.RuntimeReason = "OK", "" })
		instance(func(x *ecs.ContainerInstance) { x.AgentConnected = false })
		instance(func(x *ecs.ContainerInstance) { x.AgentConnected = true })
		instance(func(x *ecs.ContainerInstance) { x.Status, x.AgentConnected = ecs.InstanceInactive, false })
		service(func(x *ecs.ServiceProgress) { svc.Status, x.Deployments = ecs.ServiceInactive, nil })
		log.Refused("ecs", "RunTask", "ClusterNotFoundException", 400, "arn:aws:iam::123456789012:root", "r-1")
		// no news
		log.Refused("logs", "CreateLogGroup", "ResourceAlreadyExistsException", 400,
			"arn:aws:iam::123456789012:root", "r-2")
		golden.Compare(t, "log.txt", out.String())

		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		store.Close()
	})
}

// A flood of lines is cut, and a line says how many were left out.
func TestTooManyLines(t *testing.T) {
	var out bytes.Buffer
	log := New(nil, slog.New(slog.NewTextHandler(&out, nil)))
	for range linesAtOnce + 1000 {
		log.Refused("ecs", "RunTask", "x", 400, "p", "r")
	}
	if n := strings.Count(out.String(), "\n"); n < linesAtOnce || n > linesAtOnce+100 {
		t.Errorf("%d lines, want about %d", n, linesAtOnce)
	}
	log.refused.limit.SetBurst(1 << 20)
	log.refused.limit.SetLimit(1e9)
	log.Refused("ecs", "RunTask", "x", 400, "p", "r")
	if !strings.Contains(out.String(), "lines were left out") {
		t.Error("nothing says that lines were left out")
	}
}

// Each message that is published is a line; one that some subscriptions do not get is a warning.
func TestPublished(t *testing.T) {
	var out bytes.Buffer
	log := New(nil, slog.New(slog.NewTextHandler(&out, nil)))
	p := &topic.Publication{ID: "m-1", TopicARN: "arn:aws:sns:us-east-1:1:ops", Subject: "forged\nlevel=ERROR"}
	log.Published(p, 2, 0)
	log.Published(p, 1, 1)
	for _, line := range []string{
		`level=INFO msg="message published" topic=arn:aws:sns:us-east-1:1:ops message=m-1 ` +
			`subject="forged\nlevel=ERROR" subscriptions=2`, "level=WARN msg=\"message " +
			"published\"", "subscriptions=1 not_to=1",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, &out)
		}
	}
}

// Unknown callers cannot keep other lines out of the log.
func TestUnknownCallersSilenceNobody(t *testing.T) {
	var out bytes.Buffer
	log := New(nil, slog.New(slog.NewTextHandler(&out, nil)))
	for range 1000 {
		log.Refused("ecs", "RunTask", "MissingAuthenticationToken", 400, "", "r")
	}
	if n := strings.Count(out.String(), "\n"); n < unknownAtOnce || n > 2*unknownAtOnce {
		t.Errorf("%d lines of unknown callers, want about %d", n, unknownAtOnce)
	}
	log.Refused("ecs", "RunTask", "known", 400, "p", "r")
	log.out.line(slog.LevelInfo, "task stopped")
	for _, line := range []string{"code=known", "task stopped"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the log lacks %q", line)
		}
	}
}
