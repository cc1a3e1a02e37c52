package ecs

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
)

// parseService checks everything about a service that does not need the state, and fills in defaults.
func parseService(in *shape.CreateServiceInput) (*ecs.Service, error) {
	s := &ecs.Service{
		ServiceName: deref(in.ServiceName), Status: ecs.ServiceActive, LaunchType: in.LaunchType, SchedulingStrategy: in.SchedulingStrategy,
		DeploymentController: "ECS", RoleARN: deref(in.Role), EnableECSManagedTags: deref(in.EnableECSManagedTags),
		EnableExecuteCommand: deref(in.EnableExecuteCommand), PropagateTags: in.PropagateTags, ClientToken: deref(in.ClientToken),
	}
	if !ecs.ValidName(s.ServiceName) {
		return nil, invalid("Invalid service name '%s': up to 255 letters (uppercase and lowercase), numbers, hyphens, and underscores are allowed.", s.ServiceName)
	}
	if len(s.ClientToken) > 36 || strings.ContainsFunc(s.ClientToken, func(r rune) bool { return r < 33 || r > 126 }) {
		return nil, invalid("clientToken may have at most 36 printable ASCII characters.") // ecs.md 1.1.11
	}
	switch s.LaunchType {
	case "":
		s.LaunchType = "EC2"
	case "EC2", "EXTERNAL":
	default:
		return nil, invalid("The launch type %s is not available: tasks run on container instances. Use EC2.", s.LaunchType)
	}
	if in.DeploymentController != nil && in.DeploymentController.Type != "" && in.DeploymentController.Type != "ECS" {
		return nil, invalid("The deployment controller %s is not available yet: use ECS.", in.DeploymentController.Type)
	}
	for _, parse := range []func(*ecs.Service, *shape.CreateServiceInput) error{parseScheduling, parseNested, parseDeployment, parseRebalancing} {
		if err := parse(s, in); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func parseScheduling(s *ecs.Service, in *shape.CreateServiceInput) error {
	if s.SchedulingStrategy == "" {
		s.SchedulingStrategy = ecs.Replica
	}
	if s.SchedulingStrategy == ecs.Daemon {
		if in.DesiredCount != nil {
			return invalid("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again")
		}
		if len(in.PlacementStrategy) > 0 {
			return invalid("The daemon scheduling strategy does not support placement strategies: a task runs on each instance that meets the constraints.")
		}
		return nil
	}
	if in.DesiredCount == nil {
		return invalid("The desired count must be given: how many tasks is the service to keep?")
	}
	if s.DesiredCount = int(*in.DesiredCount); s.DesiredCount < 0 {
		return invalid("Invalid desired count %d: it must be 0 or more.", s.DesiredCount)
	}
	return nil
}

func parseNested(s *ecs.Service, in *shape.CreateServiceInput) error {
	var err error
	if s.LoadBalancers, err = parseLoadBalancers(in.LoadBalancers); err != nil {
		return err
	}
	if s.NetworkConfiguration, err = parseNetwork(in.NetworkConfiguration); err != nil {
		return err
	}
	if s.PlacementConstraints, err = reshape.In[[]ecs.PlacementConstraint](in.PlacementConstraints); err != nil {
		return invalid("%s", err)
	}
	if s.PlacementStrategy, err = reshape.In[[]ecs.PlacementStrategy](in.PlacementStrategy); err != nil {
		return invalid("%s", err)
	}
	if len(s.PlacementConstraints) > ecs.MaxPlacementConstraints || len(s.PlacementStrategy) > 5 {
		return invalid("At most %d placement constraints and 5 placement strategies are allowed.", ecs.MaxPlacementConstraints)
	}
	if s.Tags, err = parseTags(in.Tags); err != nil {
		return err
	}
	s.HealthCheckGracePeriodSeconds, err = parseGrace(in.HealthCheckGracePeriodSeconds)
	return err
}

func parseLoadBalancers(in []shape.LoadBalancer) ([]ecs.LoadBalancer, error) {
	if len(in) > 5 {
		return nil, invalid("load balancers can have at most 5 items.")
	}
	out, err := reshape.In[[]ecs.LoadBalancer](in)
	if err != nil {
		return nil, invalid("%s", err)
	}
	for _, lb := range out {
		if lb.TargetGroupARN == "" || lb.ContainerName == "" || lb.ContainerPort == 0 {
			return nil, invalid("A load balancer needs targetGroupArn, containerName and containerPort.")
		}
	}
	return out, nil
}

func parseNetwork(in *shape.NetworkConfiguration) (*ecs.NetworkConfiguration, error) {
	if in == nil {
		return nil, nil
	}
	n, err := reshape.In[ecs.NetworkConfiguration](in)
	if err != nil {
		return nil, invalid("%s", err)
	}
	if n.AwsvpcConfiguration != nil && n.AwsvpcConfiguration.AssignPublicIP == "ENABLED" {
		return nil, invalid("Assign public IP is not supported for this launch type.")
	}
	return &n, nil
}

func parseGrace(in *int32) (*int, error) {
	if in == nil {
		return nil, nil
	}
	if *in < 0 {
		return nil, invalid("healthCheckGracePeriodSeconds must be between 0 and 2147483647.")
	}
	return new(int(*in)), nil
}

func parseDeployment(s *ecs.Service, in *shape.CreateServiceInput) error {
	s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200}
	if s.SchedulingStrategy == ecs.Daemon {
		s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 0, MaximumPercent: 100} // ecs.md 3.3
	}
	return applyDeploymentConfiguration(s, in.DeploymentConfiguration)
}

// applyDeploymentConfiguration changes what is given and checks the whole (ecs.md 3.2.1, 3.3).
func applyDeploymentConfiguration(s *ecs.Service, in *shape.DeploymentConfiguration) error {
	c := &s.DeploymentConfiguration
	if in != nil {
		if in.MinimumHealthyPercent != nil {
			c.MinimumHealthyPercent = int(*in.MinimumHealthyPercent)
		}
		if in.MaximumPercent != nil {
			c.MaximumPercent = int(*in.MaximumPercent)
		}
		if b := in.DeploymentCircuitBreaker; b != nil {
			c.DeploymentCircuitBreaker = &ecs.CircuitBreaker{Enable: deref(b.Enable), Rollback: deref(b.Rollback)}
		}
		switch in.Strategy {
		case "":
		case "ROLLING":
			c.Strategy = in.Strategy
		default:
			return invalid("The deployment strategy %s is not available yet: use ROLLING.", in.Strategy)
		}
	}
	switch {
	case c.MinimumHealthyPercent < 0 || c.MinimumHealthyPercent > 100:
		return invalid("minimumHealthyPercent must be between 0 and 100, not %d.", c.MinimumHealthyPercent)
	case s.SchedulingStrategy == ecs.Daemon && c.MaximumPercent != 100:
		return invalid("The daemon scheduling strategy requires a maximumPercent of 100, not %d.", c.MaximumPercent)
	case c.MaximumPercent < 100:
		return invalid("maximumPercent must be at least 100, not %d.", c.MaximumPercent)
	case c.MinimumHealthyPercent == 100 && c.MaximumPercent == 100:
		return invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return nil
}

// parseRebalancing refuses the combinations of ecs.md 2.8. Unlike AWS since 2025, a service that says nothing is not rebalanced.
func parseRebalancing(s *ecs.Service, in *shape.CreateServiceInput) error {
	if s.AvailabilityZoneRebalancing = in.AvailabilityZoneRebalancing; s.AvailabilityZoneRebalancing == "" {
		s.AvailabilityZoneRebalancing = "DISABLED"
	}
	return checkRebalancing(s)
}

func checkRebalancing(s *ecs.Service) error {
	if s.AvailabilityZoneRebalancing == "ENABLED" {
		return invalid("availabilityZoneRebalancing ENABLED is not available yet: use DISABLED.")
	}
	return nil
}

// newDeploymentID makes "ecs-svc/" and 19 digits (ecs.md 1.1.3).
func newDeploymentID() string {
	n, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000_000_000_000))
	if err != nil {
		panic(err) // the system's randomness does not fail
	}
	return fmt.Sprintf("ecs-svc/%019d", n.Int64()+1_000_000_000_000_000_000/10)
}

// newDeployment is the primary deployment of what the service now asks for.
func newDeployment(s *ecs.Service, id string, now time.Time) ecs.Deployment {
	return ecs.Deployment{
		ID: id, Status: ecs.DeploymentPrimary, TaskDefinition: s.TaskDefinition, LaunchType: s.LaunchType,
		LoadBalancers: s.LoadBalancers, NetworkConfiguration: s.NetworkConfiguration, DesiredCount: s.DesiredCount,
		RolloutState: ecs.RolloutInProgress, RolloutStateReason: "ECS deployment " + id + " in progress.", CreatedAt: now, UpdatedAt: now,
	}
}
