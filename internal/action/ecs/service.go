package ecs

import (
	"context"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
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
	want.ParameterHash, want.CreatedAt, want.CreatedBy = hashOf(in), call.Now, call.Principal.ARN
	deploymentID := newDeploymentID()
	var out shape.Service
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := clusterForUse(tx, call, in.Cluster)
		if err != nil {
			return err
		}
		s := *want
		s.ClusterARN, s.ServiceARN = c.ClusterARN, inCluster(c, ecs.TypeService, s.ServiceName)
		made, err := createdBefore(&tx.Tables, &s)
		if err != nil {
			return err
		}
		if made == nil {
			made = &s
			if err := createNew(tx, call, c, made, in.TaskDefinition, deploymentID); err != nil {
				return err
			}
		}
		out = answerService(&tx.Tables, made, true)
		return nil
	})
	return &shape.CreateServiceOutput{Service: &out}, err
}

// createdBefore finds the service that an earlier call with the same token and the same parameters made (ecs.md 1.1.11). A service that
// is in the way, of that token or of that name, is an error (1.1.12).
func createdBefore(t *state.Tables, s *ecs.Service) (*ecs.Service, error) {
	if s.ClientToken != "" {
		for old := range t.Services.By(state.ByCluster, s.ClusterARN) {
			switch {
			case old.Status != ecs.ServiceActive || old.ClientToken != s.ClientToken:
			case old.ParameterHash != s.ParameterHash:
				return nil, reused(s.ClientToken, []string{old.ServiceARN})
			default:
				return old, nil
			}
		}
	}
	old, ok := t.Services.Get(s.ServiceARN)
	switch {
	case !ok || old.Status == ecs.ServiceInactive:
		return nil, nil
	case old.Status == ecs.ServiceDraining:
		return nil, invalid("Unable to Start a service that is still Draining.")
	}
	return nil, invalid("Creation of service was not idempotent.")
}

// createNew checks s against the state and puts it there with its first deployment.
func createNew(tx *state.Tx, call *awswire.Call, c *ecs.Cluster, s *ecs.Service, definition *string, deploymentID string) error {
	d, err := usableTaskDefinition(&tx.Tables, call, definition)
	if err != nil {
		return err
	}
	s.TaskDefinition = d.TaskDefinitionARN
	if err := checkGrace(s.HealthCheckGracePeriodSeconds, s, d); err != nil {
		return err
	}
	if err := checkService(&tx.Tables, c, s, d); err != nil {
		return err
	}
	s.Deployments = []ecs.Deployment{newDeployment(s, deploymentID, call.Now)}
	forgetEvents(tx, s.ServiceARN)
	tx.Services.Put(s)
	return nil
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
		if err := checkLoadBalancer(t, c, lb, d); err != nil {
			return err
		}
	}
	spec := launch.Spec{Cluster: c, Definition: d, Group: "service:" + s.ServiceName, LaunchType: s.LaunchType, LoadBalancers: s.LoadBalancers, NetworkConfiguration: s.NetworkConfiguration,
		Constraints: s.PlacementConstraints, Strategies: s.PlacementStrategy}
	_, err := spec.Request(1)
	return err
}

// checkGrace refuses a grace period that a call asks for and that nothing would observe (ecs.md 3.2.5). One that was set before and has lost
// its load balancers is kept: they may come back.
func checkGrace(asked *int, s *ecs.Service, d *ecs.TaskDefinition) error {
	if asked != nil && *asked > 0 && len(s.LoadBalancers) == 0 && !d.HasHealthCheck() {
		return invalid("Health check grace period is only valid for services configured to use load balancers or container health checks.")
	}
	return nil
}

// checkLoadBalancer is ecs.md 3.11.
func checkLoadBalancer(t *state.Tables, c *ecs.Cluster, lb ecs.LoadBalancer, d *ecs.TaskDefinition) error {
	g, ok := t.TargetGroups.Get(lb.TargetGroupARN)
	if !ok || arn.Region(lb.TargetGroupARN) != arn.Region(c.ClusterARN) {
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
	switch {
	case d.NetworkMode == ecs.NetworkNone:
		return invalid("A task with networkMode none cannot be registered with a load balancer.")
	case (d.NetworkMode == ecs.NetworkAwsvpc) != (g.TargetType == "ip"):
		return invalid("The provided target group %s has target type %s, which is incompatible with the %s network mode specified in the task definition.", lb.TargetGroupARN, g.TargetType, d.NetworkMode)
	}
	return nil
}

func (a *api) deleteService(ctx context.Context, call *awswire.Call, in *shape.DeleteServiceInput) (*shape.DeleteServiceOutput, error) {
	var out shape.Service
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		s, err := service(&tx.Tables, call, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if s.Status == ecs.ServiceActive {
			if s.SchedulingStrategy == ecs.Replica && s.DesiredCount > 0 && !deref(in.Force) {
				return invalid("The service cannot be stopped while it is scaled above 0.")
			}
			s = draining(s, call.Now)
			tx.Services.Put(s)
		}
		out = answerService(&tx.Tables, s, false)
		return nil
	})
	return &shape.DeleteServiceOutput{Service: &out}, err
}

// draining is s once it is to go: the controller stops its tasks and makes it INACTIVE (ecs.md 3.1.1).
func draining(s *ecs.Service, now time.Time) *ecs.Service {
	n := *s
	n.Status, n.DesiredCount, n.DeletedAt = ecs.ServiceDraining, 0, now
	n.Deployments = slices.Clone(s.Deployments)
	for i := range n.Deployments {
		n.Deployments[i].DesiredCount = 0
	}
	return &n
}

// service finds one that is not INACTIVE.
func service(t *state.Tables, call *awswire.Call, clusterRef, ref *string) (*ecs.Service, error) {
	s, err := knownService(t, call, clusterRef, ref)
	if err == nil && s.Status == ecs.ServiceInactive {
		return nil, serviceNotFound()
	}
	return s, err
}

// knownService finds one of any status.
func knownService(t *state.Tables, call *awswire.Call, clusterRef, ref *string) (*ecs.Service, error) {
	c, err := cluster(t, call, clusterRef)
	if err != nil {
		return nil, err
	}
	if deref(ref) == "" {
		return nil, invalid("Service must not be empty.")
	}
	s, _, ok := serviceIn(t, c, *ref)
	if !ok {
		return nil, serviceNotFound()
	}
	return s, nil
}

// activeService finds one that can be changed. One that was deleted, and is still there to be described, is known but not active.
func activeService(t *state.Tables, call *awswire.Call, clusterRef, ref *string) (*ecs.Service, error) {
	s, err := knownService(t, call, clusterRef, ref)
	if err == nil && s.Status != ecs.ServiceActive {
		return nil, fault.New("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return s, err
}

func (a *api) describeServices(_ context.Context, call *awswire.Call, in *shape.DescribeServicesInput) (*shape.DescribeServicesOutput, error) {
	if err := batch("Services", len(in.Services), 10); err != nil {
		return nil, err
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeServicesOutput{Services: []shape.Service{}, Failures: []shape.Failure{}}
	for _, ref := range in.Services {
		if s, key, ok := serviceIn(&snap.Tables, c, ref); ok {
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
	l := listing{maxResults: in.MaxResults, token: in.NextToken, size: 10} // ecs.md 1.1.6
	page, next, err := paged(call, l, arns, itself, c.ClusterARN, in.LaunchType, in.SchedulingStrategy)
	return &shape.ListServicesOutput{ServiceArns: page, NextToken: next}, err
}
