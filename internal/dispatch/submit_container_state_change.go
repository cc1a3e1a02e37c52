package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
)

// submitContainerStateChange records a report about single containers, as older agents send them
// (ecs-agent.md 3).
func (d *Dispatcher) submitContainerStateChange(
	ctx context.Context, call *awswire.Call, in *shape.SubmitContainerStateChangeInput,
) (*shape.SubmitContainerStateChangeOutput, error) {
	r := Report{Containers: []ContainerReport{{
		Name: request.Value(in.ContainerName), Status: ecs.TaskStatus(request.Value(in.Status)),
		RuntimeID: request.Value(in.RuntimeId),
		ExitCode:  exitCode(in.ExitCode), Reason: request.Value(in.Reason), Bindings: bindings(in.NetworkBindings),
	}}}
	return &shape.SubmitContainerStateChangeOutput{Acknowledgment: new(acknowledgment)}, d.report(ctx, call, in.Task, r)
}
