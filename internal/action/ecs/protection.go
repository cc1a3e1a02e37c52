package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) getTaskProtection(
	_ context.Context, call *awswire.Call, in *shape.GetTaskProtectionInput,
) (*shape.GetTaskProtectionOutput, error) {
	if err := batch("Tasks", len(in.Tasks), 100); err != nil {
		return nil, err
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.GetTaskProtectionOutput{}
	for _, ref := range in.Tasks {
		if t, f := protectable(&snap.Tables, c, ref); f != nil {
			out.Failures = append(out.Failures, *f)
		} else {
			out.ProtectedTasks = append(out.ProtectedTasks, answerProtection(t, call.Now))
		}
	}
	return out, nil
}

func (a *api) updateTaskProtection(
	ctx context.Context, call *awswire.Call, in *shape.UpdateTaskProtectionInput,
) (*shape.UpdateTaskProtectionOutput, error) {
	minutes := 120 // ecs.md 3.10
	if in.ExpiresInMinutes != nil {
		if minutes = int(*in.ExpiresInMinutes); minutes < 1 || minutes > 2880 {
			return nil, invalid("expiresInMinutes must be between 1 and 2880, not %d.", minutes)
		}
	}
	if err := batch("Tasks", len(in.Tasks), 10); err != nil {
		return nil, err
	}
	var until time.Time
	if request.Value(in.ProtectionEnabled) {
		until = call.Now.Add(time.Duration(minutes) * time.Minute)
	}
	out := &shape.UpdateTaskProtectionOutput{}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.Tasks {
			t, f := protectable(&tx.Tables, c, ref)
			if f == nil && !until.IsZero() {
				f = blocked(&tx.Tables, t, call.Now)
			}
			if f != nil {
				out.Failures = append(out.Failures, *f)
				continue
			}
			n := *t
			n.ProtectedUntil = until
			tx.Tasks.Put(&n)
			out.ProtectedTasks = append(out.ProtectedTasks, answerProtection(&n, call.Now))
		}
		return nil
	})
	return out, err
}

// protectable finds a task of a service (ecs.md 1.6.6).
func protectable(t *state.Tables, c *ecs.Cluster, ref string) (*ecs.Task, *shape.Failure) {
	task, key, ok := taskIn(t, c, ref)
	switch {
	case !ok:
		return nil, new(missing(key))
	case task.ServiceARN == "" || task.DesiredStatus != ecs.Running:
		return nil, &shape.Failure{Arn: &key, Reason: new("TASK_NOT_VALID"),
			Detail: new("Only running tasks of a service can be protected.")}
	}
	return task, nil
}

// blocked refuses a protection that would leave the service more protected tasks than it is to have (ecs.md 1.6.6).
func blocked(t *state.Tables, task *ecs.Task, now time.Time) *shape.Failure {
	s, ok := t.Services.Get(task.ServiceARN)
	if !ok || s.SchedulingStrategy == ecs.Daemon {
		return nil
	}
	protected := 1
	for other := range t.Tasks.By(state.TasksByService, task.ServiceARN) {
		if other.TaskARN != task.TaskARN && other.Live() && other.ProtectedUntil.After(now) {
			protected++
		}
	}
	if protected <= s.DesiredCount {
		return nil
	}
	return &shape.Failure{Arn: &task.TaskARN, Reason: new("DEPLOYMENT_BLOCKED"),
		Detail: new(fmt.Sprintf("The service is to have %s, and %d would be protected.",
			tasks(s.DesiredCount), protected))}
}

func tasks(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

func answerProtection(t *ecs.Task, now time.Time) shape.ProtectedTask {
	on := t.ProtectedUntil.After(now)
	out := shape.ProtectedTask{TaskArn: &t.TaskARN, ProtectionEnabled: &on}
	if on {
		out.ExpirationDate = &t.ProtectedUntil
	}
	return out
}
