package ecs

import (
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
)

// parseService checks everything about a service that does not need the state, and fills in
// defaults. The revision lacks its task definition.
func parseService(
	call *awswire.Call, in *shape.CreateServiceInput,
) (*ecs.Service, *ecs.ServiceRevision, error) {
	s := &ecs.Service{
		ServiceName: request.Value(in.ServiceName), Status: ecs.ServiceActive,
		SchedulingStrategy:   in.SchedulingStrategy,
		DeploymentController: "ECS", RoleARN: request.Value(in.Role),
		EnableECSManagedTags: request.Value(in.EnableECSManagedTags),
		EnableExecuteCommand: request.Value(in.EnableExecuteCommand), PropagateTags: in.PropagateTags,
		ClientToken: request.Value(in.ClientToken),
	}
	if !ecs.ValidName(s.ServiceName) {
		return nil, nil, invalid("Invalid service name '%s': up to 255 letters (uppercase and lowercase), "+
			"numbers, hyphens, and underscores are allowed.", s.ServiceName)
	}
	if err := checkToken(in.ClientToken, 36); err != nil {
		return nil, nil, err
	}
	if s.PropagateTags == "" {
		s.PropagateTags = "NONE"
	}
	var err error
	if in.LaunchType != "" {
		if s.LaunchType, err = parseLaunchType(in.LaunchType); err != nil {
			return nil, nil, err
		}
	}
	s.CapacityProviderStrategy, err = tasksByStrategy(call, in.LaunchType, in.CapacityProviderStrategy)
	if err != nil {
		return nil, nil, err
	}
	if err := checkController(in.DeploymentController); err != nil {
		return nil, nil, err
	}
	if err := parseScheduling(s, in); err != nil {
		return nil, nil, err
	}
	rev := &ecs.ServiceRevision{}
	if rev.LoadBalancers, err = parseLoadBalancers(in.LoadBalancers); err != nil {
		return nil, nil, err
	}
	if rev.NetworkConfiguration, err = parseNetwork(in.NetworkConfiguration); err != nil {
		return nil, nil, err
	}
	if err := parseNested(s, in); err != nil {
		return nil, nil, err
	}
	if err := parseDeployment(s, in); err != nil {
		return nil, nil, err
	}
	return s, rev, parseRebalancing(s, in.AvailabilityZoneRebalancing)
}

// parseLaunchType lets what runs on container instances pass (ecs.md 1.6.4).
func parseLaunchType(in string) (string, error) {
	switch in {
	case "":
		return "EC2", nil
	case "EC2", "EXTERNAL":
		return in, nil
	}
	return "", invalid("The launch type %s is not available: tasks run on container instances. Use EC2.", in)
}

func checkController(in *shape.DeploymentController) error {
	if in != nil && in.Type != "ECS" {
		return invalid("The deployment controller %s is not available yet: use ECS.", in.Type)
	}
	return nil
}

func parseScheduling(s *ecs.Service, in *shape.CreateServiceInput) error {
	if s.SchedulingStrategy == "" {
		s.SchedulingStrategy = ecs.Replica
	}
	if s.SchedulingStrategy == ecs.Replica && in.DesiredCount == nil {
		return invalid("The desired count must be given: how many tasks is the service to keep?")
	}
	return setDesiredCount(s, in.DesiredCount)
}

// setDesiredCount takes over a desired count that is given (ecs.md 3.3).
func setDesiredCount(s *ecs.Service, in *int32) error {
	switch {
	case in == nil:
		return nil
	case s.SchedulingStrategy == ecs.Daemon:
		return invalid("The daemon scheduling strategy does not support a desired count for services. " +
			"Remove the desired count value and try again")
	case *in < 0:
		return invalid("Invalid desired count %d: it must be 0 or more.", *in)
	}
	s.DesiredCount = int(*in)
	return nil
}

func parseNested(s *ecs.Service, in *shape.CreateServiceInput) error {
	var err error
	if s.PlacementConstraints, s.PlacementStrategy, err = parsePlacement(in.PlacementConstraints,
		in.PlacementStrategy); err != nil {
		return err
	}
	if s.Tags, err = parseTags(in.Tags); err != nil {
		return err
	}
	s.HealthCheckGracePeriodSeconds, err = parseGrace(in.HealthCheckGracePeriodSeconds)
	return err
}

// parsePlacement is for tasks and services alike (ecs.md 1.4.20, 2.2).
func parsePlacement(
	constraints []shape.PlacementConstraint, strategies []shape.PlacementStrategy,
) ([]ecs.PlacementConstraint, []ecs.PlacementStrategy, error) {
	if len(constraints) > ecs.MaxPlacementConstraints || len(strategies) > 5 {
		return nil, nil, invalid("At most %d placement constraints and 5 placement strategies are allowed.",
			ecs.MaxPlacementConstraints)
	}
	for _, x := range constraints { // AWS tells "" from a member that is absent (ecs.md 2.3, 2.5)
		if x.Type == "distinctInstance" && x.Expression != nil {
			return nil, nil, invalid("Invalid placement constraint: a distinctInstance placement "+
				"constraint takes no expression, found %q.", *x.Expression)
		}
	}
	for _, x := range strategies {
		if x.Type == "random" && x.Field != nil {
			return nil, nil, invalid("Invalid placement strategy: the random placement strategy takes no "+
				"field, found %q.", *x.Field)
		}
	}
	c, err := parsed[[]ecs.PlacementConstraint](constraints)
	if err != nil {
		return nil, nil, err
	}
	for _, x := range c {
		if len(x.Expression) > ecs.MaxConstraintExpression {
			return nil, nil, invalid("The placement constraint expression is longer than %d characters.",
				ecs.MaxConstraintExpression)
		}
	}
	if _, err := launch.ParseConstraints(c); err != nil {
		return nil, nil, err
	}
	s, err := parsed[[]ecs.PlacementStrategy](strategies)
	if err != nil {
		return nil, nil, err
	}
	_, err = launch.ParseStrategies(s)
	return c, s, err
}

// parseLoadBalancers is ecs.md 3.11.
func parseLoadBalancers(in []shape.LoadBalancer) ([]ecs.LoadBalancer, error) {
	if len(in) > 5 {
		return nil, invalid("load balancers can have at most 5 items.")
	}
	out, err := parsed[[]ecs.LoadBalancer](in)
	if err != nil {
		return nil, err
	}
	for i, lb := range out {
		if lb.TargetGroupARN == "" || lb.ContainerName == "" || lb.ContainerPort == 0 {
			return nil, invalid("A load balancer needs targetGroupArn, containerName and containerPort.")
		}
		if slices.Contains(out[:i], lb) {
			return nil, invalid("loadBalancers names container %s, port %d, twice for the target group %s: "+
				"once is enough.", lb.ContainerName, lb.ContainerPort, lb.TargetGroupARN)
		}
	}
	return out, nil
}

func parseNetwork(in *shape.NetworkConfiguration) (*ecs.NetworkConfiguration, error) {
	if in == nil {
		return nil, nil
	}
	n, err := parsed[ecs.NetworkConfiguration](in)
	if err != nil {
		return nil, err
	}
	if n.AwsvpcConfiguration != nil && n.AwsvpcConfiguration.AssignPublicIP == "ENABLED" {
		return nil, invalid("Assign public IP is not supported for this launch type.")
	}
	return &n, nil
}

// parseGrace is ecs.md 3.2.5.
func parseGrace(in *int32) (*int, error) {
	if in == nil {
		return nil, nil
	}
	if *in < 0 {
		return nil, invalid("healthCheckGracePeriodSeconds must be between 0 and 2147483647.")
	}
	return new(int(*in)), nil
}

// parseRebalancing is ecs.md 2.8: a new service is rebalanced unless it says otherwise or cannot be.
func parseRebalancing(s *ecs.Service, in string) error {
	if in != "" {
		return setRebalancing(s, in)
	}
	s.AvailabilityZoneRebalancing = ecs.RebalancingEnabled
	if launch.CheckRebalancing(s) != nil {
		s.AvailabilityZoneRebalancing = ecs.RebalancingDisabled
	}
	return nil
}

func setRebalancing(s *ecs.Service, in string) error {
	if in == ecs.RebalancingEnabled {
		if err := launch.CheckRebalancing(s); err != nil {
			return invalid("The service does not support availability zone rebalancing: %s.", err)
		}
	}
	s.AvailabilityZoneRebalancing = in
	return nil
}
