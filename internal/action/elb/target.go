package elb

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) registerTargets(
	ctx context.Context, call *awswire.Call, in *shape.RegisterTargetsInput,
) (*shape.RegisterTargetsOutput, error) {
	if len(in.Targets) == 0 {
		return nil, invalid("At least one target must be specified")
	}
	return nil, a.change(ctx, func(tx *state.Tx) error {
		g, err := targetGroup(&tx.Tables, call, in.TargetGroupArn)
		if err != nil {
			return err
		}
		added := false
		for _, d := range in.Targets {
			t, err := resolve(&tx.Tables, call, g, d)
			if err != nil {
				return err
			}
			if old, ok := tx.Targets.Get(t.Key()); ok && !old.IsDraining() {
				continue // alb.md T5: a no-op
			}
			tx.Targets.Put(t)
			added = true
		}
		if added {
			return checkTargets(&tx.Tables, g)
		}
		return nil
	})
}

// checkTargets reports a group that has more targets than it, or a load balancer that uses it, may have (alb.md 8.6).
func checkTargets(t *state.Tables, g *elb.TargetGroup) error {
	if registered(t, []string{g.ARN}) > elb.MaxTargetsPerGroup {
		return fault.New(shape.CodeTooManyTargets, "A target group can have at most '%d' targets",
			elb.MaxTargetsPerGroup)
	}
	for _, lb := range usersOf(t, g.ARN) {
		if registered(t, groupsOf(t, lb)) > elb.MaxTargetsPerLB {
			return tooManyTargets(lb)
		}
	}
	return nil
}

// registered counts the targets of the groups, without those that drain.
func registered(t *state.Tables, groups []string) int { return t.RegisteredTargets(groups...) }

func tooManyTargets(loadBalancerARN string) error {
	return fault.New(shape.CodeTooManyTargets,
		"A load balancer can have at most '%d' targets in all its target groups: '%s'",
		elb.MaxTargetsPerLB, loadBalancerARN)
}

// resolve makes the target of a description: where it is reached, and whether it may be registered (alb.md T5, T6).
func resolve(t *state.Tables, call *awswire.Call, g *elb.TargetGroup, d shape.TargetDescription) (*elb.Target, error) {
	target := &elb.Target{TargetGroupARN: g.ARN, ID: request.Value(d.Id), Port: portOf(g, d),
		Zone: request.Value(d.AvailabilityZone), Registered: call.Now}
	if target.Port < 1 || target.Port > 65535 {
		return nil, invalid("The target port '%d' must be between '1-65535' inclusive", target.Port)
	}
	if g.TargetType == elb.TargetIP {
		return target, resolveAddress(t, call, target)
	}
	if target.Zone != "" {
		return nil, invalid("You cannot specify an Availability Zone for targets of target groups with " +
			"target type 'instance'")
	}
	return target, resolveInstance(t, call, target)
}

func portOf(g *elb.TargetGroup, d shape.TargetDescription) int {
	if d.Port != nil {
		return int(*d.Port)
	}
	return g.Port
}

func resolveInstance(t *state.Tables, call *awswire.Call, target *elb.Target) error {
	if i, ok := t.Instances.Get(fleet.InstanceARN(call.Region, call.Account, target.ID)); ok {
		if i.State != fleet.Running {
			return fault.New(shape.CodeInvalidTarget,
				"The following targets are not in a running state and cannot be registered: '%s'", target.ID)
		}
		target.Address, target.Zone = i.Address.String(), i.Zone
		return nil
	}
	// Instances that Berth did not launch are known by their agents.
	for i := range t.ContainerInstances.By(state.ContainerInstancesByEC2Instance, target.ID) {
		if i.Address != "" && strings.HasPrefix(i.ContainerInstanceARN,
			"arn:aws:ecs:"+call.Region+":"+call.Account+":") {
			target.Address, target.Zone = i.Address, i.Zone()
			return nil
		}
	}
	return fault.New(shape.CodeInvalidTarget, "The following targets are not valid instances: '%s'", target.ID)
}

// shared is the address space of RFC 6598.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// resolveAddress takes private addresses, and those of the machine's own loopback, where local instances are.
func resolveAddress(t *state.Tables, call *awswire.Call, target *elb.Target) error {
	addr, err := netip.ParseAddr(target.ID)
	if err != nil || !addr.Is4() {
		return invalid("The IP address '%s' is not a valid IPv4 address", target.ID)
	}
	if !addr.IsPrivate() && !addr.IsLoopback() && !shared.Contains(addr) {
		return fault.New(shape.CodeInvalidTarget,
			"The following targets are not in a supported IP address range: '%s'. "+
				"An IP target must be in the VPC's subnets or in a range of RFC 1918 or RFC 6598", target.ID)
	}
	if target.Zone != "" && target.Zone != elb.AllZones && !slices.ContainsFunc(fleet.Zones(call.Region),
		func(z fleet.Zone) bool { return z.Name == target.Zone }) {
		return invalid("The Availability Zone '%s' is not valid; it must be 'all' or one of region %s",
			target.Zone, call.Region)
	}
	target.Address = target.ID
	if n, ok := t.Networks.Get((&fleet.Network{Region: call.Region, Account: call.Account}).Key()); ok {
		for _, s := range fleet.Subnets(call.Region, call.Account) {
			if n.Part(s).Contains(addr) {
				target.Zone = cmp.Or(target.Zone, s.Zone.Name)
				return nil
			}
		}
	}
	if target.Zone == "" {
		target.Zone = elb.AllZones
	}
	return nil
}

func (a *api) deregisterTargets(
	ctx context.Context, call *awswire.Call, in *shape.DeregisterTargetsInput,
) (*shape.DeregisterTargetsOutput, error) {
	if len(in.Targets) == 0 {
		return nil, invalid("At least one target must be specified")
	}
	return nil, a.change(ctx, func(tx *state.Tx) error {
		g, err := targetGroup(&tx.Tables, call, in.TargetGroupArn)
		if err != nil {
			return err
		}
		used := len(usersOf(&tx.Tables, g.ARN)) > 0
		for _, d := range in.Targets {
			for _, t := range meant(&tx.Tables, g, d) {
				if t.IsDraining() {
					continue
				}
				if !used { // nothing to drain where nothing is sent
					tx.Targets.Delete(t.Key())
					tx.TargetHealth.Delete(t.Key())
					continue
				}
				tx.Targets.Put(t.Deregister(call.Now, g.DeregistrationDelay()))
			}
		}
		return nil
	})
}

// meant returns the target of a description; one that is not registered is nobody, and no fault (alb.md T5).
func meant(t *state.Tables, g *elb.TargetGroup, d shape.TargetDescription) []*elb.Target {
	if target, ok := t.Targets.Get(elb.TargetKey(g.ARN, request.Value(d.Id), portOf(g, d))); ok {
		return []*elb.Target{target}
	}
	return nil
}

func (a *api) describeTargetHealth(
	_ context.Context, call *awswire.Call, in *shape.DescribeTargetHealthInput,
) (*shape.DescribeTargetHealthOutput, error) {
	t := &a.store.View().Tables
	g, err := targetGroup(t, call, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	used := len(usersOf(t, g.ARN)) > 0
	detect := slices.Contains(in.Include, "All") || slices.Contains(in.Include, "AnomalyDetection")
	out := &shape.DescribeTargetHealthOutput{}
	add := func(d shape.TargetDescription, target *elb.Target) {
		seen, _ := t.TargetHealth.Get(elb.TargetKey(g.ARN, request.Value(d.Id), int(*d.Port)))
		answer := answerHealth(g, d, elb.HealthOf(target, seen, used))
		if detect {
			answer.AnomalyDetection = &shape.AnomalyDetection{Result: "normal", MitigationInEffect: "no"}
		}
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, answer)
	}
	if len(in.Targets) == 0 {
		for target := range t.Targets.Prefix(elb.TargetPrefix(g.ARN)) {
			add(describe(g, target), target)
		}
	}
	for _, d := range in.Targets {
		found := meant(t, g, d)
		if len(found) == 0 {
			add(shape.TargetDescription{Id: d.Id, Port: new(int32(portOf(g, d)))}, nil)
		}
		for _, target := range found {
			add(describe(g, target), target)
		}
	}
	return out, nil
}

func describe(g *elb.TargetGroup, t *elb.Target) shape.TargetDescription {
	d := shape.TargetDescription{Id: &t.ID, Port: new(int32(t.Port))}
	if g.TargetType == elb.TargetIP && t.Zone != "" {
		d.AvailabilityZone = &t.Zone
	}
	return d
}

func answerHealth(g *elb.TargetGroup, d shape.TargetDescription, h elb.Health) shape.TargetHealthDescription {
	port := g.HealthCheck.Port
	if port == elb.TrafficPort {
		port = strconv.Itoa(int(*d.Port))
	}
	health := &shape.TargetHealth{State: h.State, Reason: h.Reason}
	if h.Description != "" {
		health.Description = &h.Description
	}
	return shape.TargetHealthDescription{Target: &d, HealthCheckPort: &port, TargetHealth: health,
		AdministrativeOverride: &shape.AdministrativeOverride{State: "no_override",
			Reason:      "AdministrativeOverride.NoOverride",
			Description: new("No override is currently active on target")}}
}
