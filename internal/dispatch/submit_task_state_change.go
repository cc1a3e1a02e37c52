package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// submitTaskStateChange records what happened to a task. It is answered when the change is on disk,
// because the agent does not repeat it (ecs-agent.md 3.3).
func (d *Dispatcher) submitTaskStateChange(
	ctx context.Context, call *awswire.Call, in *shape.SubmitTaskStateChangeInput,
) (*shape.SubmitTaskStateChangeOutput, error) {
	r := Report{
		Status: ecs.TaskStatus(request.Value(in.Status)), Reason: request.Value(in.Reason),
		PullStartedAt: request.Value(in.PullStartedAt), PullStoppedAt: request.Value(in.PullStoppedAt),
		ExecutionStoppedAt: request.Value(in.ExecutionStoppedAt),
	}
	for _, c := range in.Containers {
		r.Containers = append(r.Containers, ContainerReport{
			Name: request.Value(c.ContainerName), Status: ecs.TaskStatus(request.Value(c.Status)),
			RuntimeID: request.Value(c.RuntimeId), ExitCode: exitCode(c.ExitCode), Reason: request.Value(c.Reason),
			ImageDigest: request.Value(c.ImageDigest), Bindings: bindings(c.NetworkBindings),
		})
	}
	for _, a := range in.Attachments {
		if request.Value(a.Status) == attached {
			r.Attached = append(r.Attached, arn.LastID(request.Value(a.AttachmentArn)))
		}
	}
	return &shape.SubmitTaskStateChangeOutput{Acknowledgment: new(acknowledgment)}, d.report(ctx, call, in.Task, r)
}

// report applies a report to its task.
func (d *Dispatcher) report(ctx context.Context, call *awswire.Call, task *string, r Report) error {
	if !readable(&r) {
		return invalid("Status must be PENDING, RUNNING or STOPPED.")
	}
	t, ok := ownTask(&d.store.View().Tables, call, task)
	if ok && t.LastStatus == ecs.Stopped {
		return nil
	}
	return d.store.Update(ctx, func(tx *state.Tx) error {
		t, ok := ownTask(&tx.Tables, call, task)
		if !ok {
			return nil
		}
		def, _ := tx.TaskDefinitions.Get(t.TaskDefinitionARN)
		if n := Observe(t, def, r, call.Now); n != t {
			tx.Tasks.Put(n)
		}
		return nil
	})
}

// readable reports whether all statuses are ones that agents use.
func readable(r *Report) bool {
	if r.Status != "" && containerOrder(r.Status) < 0 {
		return false
	}
	for _, c := range r.Containers {
		if containerOrder(c.Status) < 0 {
			return false
		}
	}
	return true
}

func exitCode(code *int32) *int {
	if code == nil {
		return nil
	}
	return new(int(*code))
}

func bindings(in []shape.NetworkBinding) []ecs.NetworkBinding {
	var out []ecs.NetworkBinding
	for _, b := range in {
		protocol := b.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		out = append(out, ecs.NetworkBinding{
			BindIP: request.Value(b.BindIP), ContainerPort: int(request.Value(b.ContainerPort)),
			HostPort:           int(request.Value(b.HostPort)),
			ContainerPortRange: request.Value(b.ContainerPortRange), HostPortRange: request.Value(b.HostPortRange),
			Protocol: protocol,
		})
	}
	return out
}
