package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

func serviceNotFound() *fault.Error {
	return fault.New("ServiceNotFoundException", "Service not found.")
}

func (a *api) createService(ctx context.Context, call *awswire.Call, in *shape.CreateServiceInput) (*shape.CreateServiceOutput, error) {
	want, err := parseService(in)
	if err != nil {
		return nil, err
	}
	hash, deploymentID := hashOf(in), newDeploymentID()
	var out shape.Service
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := clusterForUse(tx, call, in.Cluster)
		if err != nil {
			return err
		}
		s := *want
		s.ClusterARN, s.ServiceARN = c.ClusterARN, inCluster(c, ecs.TypeService, s.ServiceName)
		if old, ok := tx.Services.Get(s.ServiceARN); ok && old.Status != ecs.ServiceInactive {
			if old.Status == ecs.ServiceActive && s.ClientToken != "" && old.ClientToken == s.ClientToken && old.ParameterHash == hash {
				out = answerService(&tx.Tables, old, true)
				return nil
			}
			if old.Status == ecs.ServiceDraining {
				return invalid("Unable to Start a service that is still Draining.")
			}
			return invalid("Creation of service was not idempotent.") // ecs.md 1.1.12
		}
		d, err := usableTaskDefinition(&tx.Tables, call, in.TaskDefinition)
		if err != nil {
			return err
		}
		s.TaskDefinition, s.ParameterHash = d.TaskDefinitionARN, hash
		s.CreatedAt, s.CreatedBy = call.Now, call.Principal.ARN
		if err := checkService(&tx.Tables, c, &s, d); err != nil {
			return err
		}
		if s.EnableECSManagedTags && s.PropagateTags == "" {
			s.PropagateTags = "NONE"
		}
		s.Deployments = []ecs.Deployment{newDeployment(&s, deploymentID, call.Now)}
		forgetEvents(tx, s.ServiceARN)
		tx.Services.Put(&s)
		out = answerService(&tx.Tables, &s, true)
		return nil
	})
	return &shape.CreateServiceOutput{Service: &out}, err
}

// forgetEvents removes what an earlier service of the same name had to say.
func forgetEvents(tx *state.Tx, serviceARN string) {
	for e := range tx.ServiceEvents.By(state.ByService, serviceARN) {
		tx.ServiceEvents.Delete(e.Key())
	}
}

// checkService checks what needs the state: the task definition's network mode, containers, target groups, constraints.
func checkService(t *state.Tables, c *ecs.Cluster, s *ecs.Service, d *ecs.TaskDefinition) error {
	for _, lb := range s.LoadBalancers {
		if err := checkLoadBalancer(t, lb, d); err != nil {
			return err
		}
	}
	if len(s.LoadBalancers) == 0 && s.HealthCheckGracePeriodSeconds != nil && *s.HealthCheckGracePeriodSeconds > 0 && !d.HasHealthCheck() {
		return invalid("Health check grace period is only valid for services configured to use load balancers or container health checks.")
	}
	spec := launch.Spec{Cluster: c, Definition: d, Group: "service:" + s.ServiceName, NetworkConfiguration: s.NetworkConfiguration,
		Constraints: s.PlacementConstraints, Strategies: s.PlacementStrategy}
	_, err := spec.Request(1)
	return err
}

// checkLoadBalancer is ecs.md 3.11.
func checkLoadBalancer(t *state.Tables, lb ecs.LoadBalancer, d *ecs.TaskDefinition) error {
	g, ok := t.TargetGroups.Get(lb.TargetGroupARN)
	if !ok {
		return invalid("The specified target group %s does not exist.", lb.TargetGroupARN)
	}
	used := false
	for range t.Rules.By(state.ByTargetGroup, lb.TargetGroupARN) {
		used = true
		break
	}
	if !used {
		return invalid("The target group with targetGroupArn %s does not have an associated load balancer.", lb.TargetGroupARN)
	}
	container := d.Container(lb.ContainerName)
	if container == nil {
		return invalid("The container %s does not exist in the task definition.", lb.ContainerName)
	}
	if !slices.ContainsFunc(container.PortMappings, func(p ecs.PortMapping) bool { return p.ContainerPort == lb.ContainerPort }) {
		return invalid("The container %s did not have a container port %d defined.", lb.ContainerName, lb.ContainerPort)
	}
	if d.NetworkMode == ecs.NetworkAwsvpc && g.TargetType != "ip" {
		return invalid("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", lb.TargetGroupARN, g.TargetType)
	}
	if d.NetworkMode == ecs.NetworkNone {
		return invalid("A task with networkMode none cannot be registered with a load balancer.")
	}
	return nil
}

func (a *api) deleteService(ctx context.Context, call *awswire.Call, in *shape.DeleteServiceInput) (*shape.DeleteServiceOutput, error) {
	var out shape.Service
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		s, err := activeService(&tx.Tables, call, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if s.SchedulingStrategy == ecs.Replica && s.DesiredCount > 0 && !deref(in.Force) {
			return invalid("The service cannot be stopped while it is scaled above 0.")
		}
		n := *s
		n.Status, n.DesiredCount, n.DeletedAt = ecs.ServiceDraining, 0, call.Now
		n.Deployments = slices.Clone(s.Deployments)
		for i := range n.Deployments {
			n.Deployments[i].DesiredCount = 0
		}
		tx.Services.Put(&n)
		out = answerService(&tx.Tables, &n, false)
		return nil
	})
	return &shape.DeleteServiceOutput{Service: &out}, err
}

// activeService finds a service that can be changed.
func activeService(t *state.Tables, call *awswire.Call, clusterRef, ref *string) (*ecs.Service, error) {
	c, err := cluster(t, call, clusterRef)
	if err != nil {
		return nil, err
	}
	if deref(ref) == "" {
		return nil, invalid("Service must not be empty.")
	}
	s, ok := t.Services.Get(inCluster(c, ecs.TypeService, *ref))
	switch {
	case !ok:
		return nil, serviceNotFound()
	case s.Status != ecs.ServiceActive:
		return nil, fault.New("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return s, nil
}

func (a *api) describeServices(_ context.Context, call *awswire.Call, in *shape.DescribeServicesInput) (*shape.DescribeServicesOutput, error) {
	switch {
	case len(in.Services) == 0:
		return nil, invalid("Services cannot be empty.")
	case len(in.Services) > 10:
		return nil, invalid("Services cannot have more than 10 elements.")
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeServicesOutput{Services: []shape.Service{}, Failures: []shape.Failure{}}
	for _, ref := range in.Services {
		key := inCluster(c, ecs.TypeService, ref)
		if s, ok := snap.Services.Get(key); ok && s.ClusterARN == c.ClusterARN {
			out.Services = append(out.Services, answerService(&snap.Tables, s, slices.Contains(in.Include, "TAGS")))
		} else {
			out.Failures = append(out.Failures, missing(key))
		}
	}
	return out, nil
}

func (a *api) listServices(_ context.Context, call *awswire.Call, in *shape.ListServicesInput) (*shape.ListServicesOutput, error) {
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	var arns []string
	for s := range snap.Services.By(state.ByCluster, c.ClusterARN) {
		if s.Status == ecs.ServiceActive && (in.LaunchType == "" || s.LaunchType == in.LaunchType) &&
			(in.SchedulingStrategy == "" || s.SchedulingStrategy == in.SchedulingStrategy) {
			arns = append(arns, s.ServiceARN)
		}
	}
	scope := strings.Join([]string{c.ClusterARN, in.LaunchType, in.SchedulingStrategy}, "|")
	page, next, err := paged(call, arns, in.MaxResults, in.NextToken, 10, scope) // ecs.md 1.1.6
	return &shape.ListServicesOutput{ServiceArns: page, NextToken: next}, err
}
