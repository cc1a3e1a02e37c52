package ecs

import (
	"context"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

func serviceNotFound() *fault.Error {
	return fault.New("ServiceNotFoundException", "Service not found.")
}

func (a *api) createService(
	ctx context.Context, call *awswire.Call, in *shape.CreateServiceInput,
) (*shape.CreateServiceOutput, error) {
	want, asked, err := parseService(call, in)
	if err != nil {
		return nil, err
	}
	want.ParameterHash, want.CreatedAt, want.CreatedBy = request.Hash(in), call.Now, call.Principal.ARN
	ids := deploy.NewIDs(call.Random)
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
			if err := createNew(tx, call, c, made, *asked, in, ids); err != nil {
				return err
			}
		}
		out = answerService(&tx.Tables, made, true)
		return nil
	})
	return &shape.CreateServiceOutput{Service: &out}, err
}

// createdBefore finds the service that an earlier call with the same token and the same parameters
// made (ecs.md 1.1.11). A service that is in the way, of that token or of that name, is an error
// (1.1.12).
func createdBefore(t *state.Tables, s *ecs.Service) (*ecs.Service, error) {
	found := t.Services.By(state.ServicesByClientToken, state.TokenEntry(s.ClusterARN, s.ClientToken))
	made, err := request.Made(request.Where(found, func(s *ecs.Service) bool { return s.Status == ecs.ServiceActive }),
		s.ParameterHash, func(s *ecs.Service) string { return s.ParameterHash },
		reused(s.ClientToken, func(s *ecs.Service) string { return s.ServiceARN }))
	if err != nil {
		return nil, err
	}
	if len(made) > 0 {
		return made[0], nil
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

// createNew checks a service against the state and puts it there with its first deployment. Of an
// earlier service of the same name nothing stays.
func createNew(tx *state.Tx, call *awswire.Call, c *ecs.Cluster, s *ecs.Service, rev ecs.ServiceRevision,
	in *shape.CreateServiceInput, ids deploy.IDs) error {
	d, err := usableTaskDefinition(&tx.Tables, call, in.TaskDefinition)
	if err != nil {
		return err
	}
	rev.TaskDefinition = d.TaskDefinitionARN
	if err := setStrategy(&tx.Tables, c, s, s.CapacityProviderStrategy); err != nil {
		return err
	}
	if err := parseRebalancing(s, in.AvailabilityZoneRebalancing); err != nil { // the strategy may be the cluster's
		return err
	}
	rev.LaunchType = s.LaunchType
	if err := checkGrace(s.HealthCheckGracePeriodSeconds, &rev, d); err != nil {
		return err
	}
	if err := checkService(&tx.Tables, c, s, &rev, d); err != nil {
		return err
	}
	deploy.ForgetService(tx, s.ServiceARN)
	tx.Services.Put(s)
	deploy.Start(tx, s, rev, ids, call.Now)
	return nil
}

// checkService checks what needs the state: the task definition's network mode, containers, target groups, constraints.
func checkService(
	t *state.Tables, c *ecs.Cluster, s *ecs.Service, rev *ecs.ServiceRevision, d *ecs.TaskDefinition,
) error {
	for _, lb := range rev.LoadBalancers {
		if err := checkLoadBalancer(t, c, lb, d); err != nil {
			return err
		}
	}
	spec := launch.Spec{Cluster: c, Definition: d,
		Group: "service:" + s.ServiceName, LaunchType: rev.LaunchType, LoadBalancers: rev.LoadBalancers,
		NetworkConfiguration: rev.NetworkConfiguration,
		Constraints:          s.PlacementConstraints, Strategies: s.PlacementStrategy}
	_, err := spec.Request(1)
	return err
}

// checkGrace refuses a grace period that a call asks for and that nothing would observe
// (ecs.md 3.2.5). One that was set before and has lost its load balancers is kept: they may come
// back.
func checkGrace(asked *int, rev *ecs.ServiceRevision, d *ecs.TaskDefinition) error {
	if asked != nil && *asked > 0 && len(rev.LoadBalancers) == 0 && !d.HasHealthCheck() {
		return invalid("Health check grace period is only valid for services configured to use load " +
			"balancers or container health checks.")
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
	for range t.Rules.By(state.RulesByTargetGroup, lb.TargetGroupARN) {
		used = true
		break
	}
	if !used {
		return invalid("The target group with targetGroupArn %s does not have an associated load balancer.",
			lb.TargetGroupARN)
	}
	container := d.Container(lb.ContainerName)
	if container == nil {
		return invalid("The container %s does not exist in the task definition.", lb.ContainerName)
	}
	switch mappings := container.MappingsOf(lb.ContainerPort); {
	case mappings == 0:
		return invalid("The container %s did not have a container port %d defined.", lb.ContainerName, lb.ContainerPort)
	case mappings > 1: // ecs.md 1.4.8
		return invalid("Container port %d is used in more than one port mapping for container %s",
			lb.ContainerPort, lb.ContainerName)
	case d.NetworkMode == ecs.NetworkNone:
		return invalid("A task with networkMode none cannot be registered with a load balancer.")
	case (d.NetworkMode == ecs.NetworkAwsvpc) != (g.TargetType == "ip"):
		return invalid("The provided target group %s has target type %s, which is incompatible with the %s "+
			"network mode specified in the task definition.", lb.TargetGroupARN, g.TargetType, d.NetworkMode)
	}
	return nil
}

func (a *api) deleteService(
	ctx context.Context, call *awswire.Call, in *shape.DeleteServiceInput,
) (*shape.DeleteServiceOutput, error) {
	var out shape.Service
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		s, err := service(&tx.Tables, call, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if s.Status == ecs.ServiceActive {
			if s.SchedulingStrategy == ecs.Replica && s.DesiredCount > 0 && !request.Value(in.Force) {
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
	if request.Value(ref) == "" {
		return nil, invalid("Service must not be empty.")
	}
	s, _, ok := serviceIn(t, c, *ref)
	if !ok {
		return nil, serviceNotFound()
	}
	return s, nil
}

// activeService finds one that can be changed. One that was deleted, and is still there to be
// described, is known but not active.
func activeService(t *state.Tables, call *awswire.Call, clusterRef, ref *string) (*ecs.Service, error) {
	s, err := knownService(t, call, clusterRef, ref)
	if err == nil && s.Status != ecs.ServiceActive {
		return nil, fault.New("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return s, err
}

func (a *api) describeServices(
	_ context.Context, call *awswire.Call, in *shape.DescribeServicesInput,
) (*shape.DescribeServicesOutput, error) {
	if err := batch("Services", len(in.Services), 10); err != nil {
		return nil, err
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeServicesOutput{Services: make([]shape.Service, 0, len(in.Services))}
	for _, ref := range in.Services {
		if s, key, ok := serviceIn(&snap.Tables, c, ref); ok {
			out.Services = append(out.Services, answerService(&snap.Tables, s, slices.Contains(in.Include, "TAGS")))
		} else {
			out.Failures = append(out.Failures, missing(key))
		}
	}
	return out, nil
}

func (a *api) listServices(
	_ context.Context, call *awswire.Call, in *shape.ListServicesInput,
) (*shape.ListServicesOutput, error) {
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	var arns []string
	for s := range snap.Services.By(state.ServicesByCluster, c.ClusterARN) {
		if s.Status == ecs.ServiceActive && (in.LaunchType == "" || s.LaunchType == in.LaunchType) &&
			(in.SchedulingStrategy == "" || s.SchedulingStrategy == in.SchedulingStrategy) {
			arns = append(arns, s.ServiceARN)
		}
	}
	page, next, err := request.Page(call, shortPages.Ask(in.MaxResults, in.NextToken), arns, request.Itself,
		c.ClusterARN, in.LaunchType, in.SchedulingStrategy)
	return &shape.ListServicesOutput{ServiceArns: page, NextToken: next}, err
}
