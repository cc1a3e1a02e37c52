package ecs

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/fault"
)

// notBuilt returns the actions of what is not built yet. They are refused by name.
func (a *api) notBuilt() []awswire.Operation {
	return append(elsewhere(),
		awswire.Op("ListServicesByNamespace", a.listServicesByNamespace),

		refuse[shape.CreateTaskSetInput, shape.CreateTaskSetOutput]("CreateTaskSet", "task sets"),
		refuse[shape.UpdateTaskSetInput, shape.UpdateTaskSetOutput]("UpdateTaskSet", "task sets"),
		refuse[shape.DeleteTaskSetInput, shape.DeleteTaskSetOutput]("DeleteTaskSet", "task sets"),
		refuse[shape.DescribeTaskSetsInput, shape.DescribeTaskSetsOutput]("DescribeTaskSets", "task sets"),
		refuse[shape.UpdateServicePrimaryTaskSetInput, shape.UpdateServicePrimaryTaskSetOutput](
			"UpdateServicePrimaryTaskSet", "task sets"),

		refuse[shape.ContinueServiceDeploymentInput, shape.ContinueServiceDeploymentOutput](
			"ContinueServiceDeployment", "pausing a deployment"),

		refuse[shape.ExecuteCommandInput, shape.ExecuteCommandOutput]("ExecuteCommand", "ECS Exec"),
		refuse[shape.UpdateContainerAgentInput, shape.UpdateContainerAgentOutput]("UpdateContainerAgent",
			"updating the agent, which is part of Berth's own binary"),
	)
}

// refuse makes the operation of something that is not built. The code is one that every client of
// ECS knows and none repeats.
func refuse[I, O any](name, what string) awswire.Operation {
	return awswire.Op(name, func(context.Context, *awswire.Call, *I) (*O, error) {
		return nil, fault.New(shape.CodeUnsupportedFeatureException,
			"Berth does not support %s yet: %s is refused.", what, name)
	}).With(awswire.Refused)
}

// listServicesByNamespace knows no namespace: services that name one are refused.
func (a *api) listServicesByNamespace(
	_ context.Context, _ *awswire.Call, in *shape.ListServicesByNamespaceInput,
) (*shape.ListServicesByNamespaceOutput, error) {
	return nil, fault.New(shape.CodeNamespaceNotFoundException,
		"The namespace '%s' was not found: Berth has no service discovery yet.", request.Value(in.Namespace))
}
