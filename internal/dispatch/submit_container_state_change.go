package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
)

// submitContainerStateChange is how older agents report single containers
// (ecs-agent.md 3).
func (d *Dispatcher) submitContainerStateChange(ctx context.Context, call *awswire.Call, in *shape.SubmitContainerStateChangeInput) (*shape.SubmitContainerStateChangeOutput, error) {
	r := Report{Containers: []ContainerReport{{
		Name: deref(in.ContainerName), Status: ecs.TaskStatus(deref(in.Status)), RuntimeID: deref(in.RuntimeId), ExitCode: exitCode(in.ExitCode),
		Reason: deref(in.Reason), Bindings: bindings(in.NetworkBindings),
	}}}
	return &shape.SubmitContainerStateChangeOutput{Acknowledgment: new(acknowledgment)}, d.report(ctx, call, in.Task, r)
}
