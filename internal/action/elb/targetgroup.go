package elb

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createTargetGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateTargetGroupInput,
) (*shape.CreateTargetGroupOutput, error) {
	want, err := parseTargetGroup(call, in)
	if err != nil {
		return nil, err
	}
	want.ARN = elb.TargetGroupARN(call.Region, call.Account, want.Name, newid.Hex(call.Random, 8))
	var out shape.TargetGroup
	err = a.change(ctx, func(tx *state.Tx) error {
		n := 0
		for old := range tx.TargetGroups.Prefix(mine(call, "targetgroup/")) {
			n++
			if old.Name != want.Name {
				continue
			}
			if !sameTargetGroup(old, want) { // alb.md T8
				return fault.New(shape.CodeDuplicateTargetGroupName,
					"A target group with the same name '%s' exists, but with different settings", want.Name)
			}
			out = answerTargetGroup(&tx.Tables, old)
			return nil
		}
		if n >= elb.MaxTargetGroups {
			return fault.New(shape.CodeTooManyTargetGroups,
				"The maximum number of target groups in this region is '%d'", elb.MaxTargetGroups)
		}
		tx.TargetGroups.Put(want)
		out = answerTargetGroup(&tx.Tables, want)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateTargetGroupOutput{TargetGroups: []shape.TargetGroup{out}}, nil
}

func parseTargetGroup(call *awswire.Call, in *shape.CreateTargetGroupInput) (*elb.TargetGroup, error) {
	g := &elb.TargetGroup{Name: request.Value(in.Name), Protocol: in.Protocol, ProtocolVersion: "HTTP1",
		VPCID: request.Value(in.VpcId), TargetType: in.TargetType,
		IPAddressType: in.IpAddressType, HealthCheck: elb.DefaultHealthCheck(), Created: call.Now}
	if err := elb.ValidTargetGroupName(g.Name); err != nil {
		return nil, err
	}
	if g.TargetType == "" {
		g.TargetType = elb.TargetInstance
	}
	if g.IPAddressType == "" {
		g.IPAddressType = "ipv4"
	}
	if in.Port != nil {
		g.Port = int(*in.Port)
	}
	switch {
	case g.TargetType != elb.TargetInstance && g.TargetType != elb.TargetIP:
		return nil, invalid("Targets of type '%s' are not implemented; the target type must be "+
			"'instance' or 'ip'", g.TargetType)
	case g.Protocol == "":
		return nil, invalid("A protocol must be specified")
	case g.Protocol != elb.HTTP && g.Protocol != elb.HTTPS:
		return nil, invalid("Target groups of protocol '%s' are not implemented; the protocol must be "+
			"'HTTP' or 'HTTPS'", g.Protocol)
	case in.ProtocolVersion != nil && *in.ProtocolVersion != "HTTP1":
		return nil, invalid("Protocol version '%s' is not implemented; it must be 'HTTP1'", *in.ProtocolVersion)
	case in.Port == nil:
		return nil, invalid("A port must be specified")
	case g.Port < 1 || g.Port > 65535:
		return nil, invalid("The target group port '%d' must be between '1-65535' inclusive", g.Port)
	case g.IPAddressType != "ipv4":
		return nil, invalid("IP address type '%s' is not implemented; it must be 'ipv4'", g.IPAddressType)
	case g.VPCID == "":
		return nil, invalid("A VPC ID must be specified")
	case g.VPCID != fleet.DefaultVPC(call.Region, call.Account).ID:
		return nil, invalid("The VPC ID '%s' is not found", g.VPCID)
	}
	err := setHealthCheck(&g.HealthCheck, healthCheckInput{in.HealthCheckEnabled, in.HealthCheckProtocol,
		in.HealthCheckPort, in.HealthCheckPath,
		in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount,
		in.UnhealthyThresholdCount, in.Matcher})
	if err != nil {
		return nil, err
	}
	g.Tags, err = parseTags(in.Tags)
	return g, err
}

// healthCheckInput is what CreateTargetGroup and ModifyTargetGroup have in common.
type healthCheckInput struct {
	enabled                              *bool
	protocol                             string
	port, path                           *string
	interval, timeout, healthy, unhealth *int32
	matcher                              *shape.Matcher
}

// setHealthCheck changes what was given and leaves the rest.
func setHealthCheck(h *elb.HealthCheck, in healthCheckInput) error {
	if in.enabled != nil && !*in.enabled {
		return invalid("Health check enabled must be true for target groups with target type 'instance' or 'ip'")
	}
	if in.protocol != "" {
		h.Protocol = in.protocol
	}
	for _, s := range []struct{ from, to *string }{{in.port, &h.Port}, {in.path, &h.Path}} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	for _, n := range []struct {
		from *int32
		to   *int
	}{{in.interval, &h.IntervalSeconds}, {in.timeout, &h.TimeoutSeconds}, {in.healthy, &h.HealthyThreshold},
		{in.unhealth, &h.UnhealthyThreshold}} {
		if n.from != nil {
			*n.to = int(*n.from)
		}
	}
	if in.matcher != nil && in.matcher.HttpCode != nil {
		h.Matcher = *in.matcher.HttpCode
	}
	return h.Check()
}

func sameTargetGroup(a, b *elb.TargetGroup) bool {
	return a.Protocol == b.Protocol && a.Port == b.Port && a.VPCID == b.VPCID && a.TargetType == b.TargetType &&
		a.HealthCheck == b.HealthCheck && slices.Equal(a.Tags, b.Tags)
}

func (a *api) modifyTargetGroup(
	ctx context.Context, call *awswire.Call, in *shape.ModifyTargetGroupInput,
) (*shape.ModifyTargetGroupOutput, error) {
	var out shape.TargetGroup
	err := a.change(ctx, func(tx *state.Tx) error {
		old, err := targetGroup(&tx.Tables, call, in.TargetGroupArn)
		if err != nil {
			return err
		}
		g := *old
		err = setHealthCheck(&g.HealthCheck, healthCheckInput{in.HealthCheckEnabled, in.HealthCheckProtocol,
			in.HealthCheckPort, in.HealthCheckPath,
			in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount,
			in.UnhealthyThresholdCount, in.Matcher})
		if err != nil {
			return err
		}
		tx.TargetGroups.Put(&g)
		out = answerTargetGroup(&tx.Tables, &g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyTargetGroupOutput{TargetGroups: []shape.TargetGroup{out}}, nil
}

func (a *api) deleteTargetGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteTargetGroupInput,
) (*shape.DeleteTargetGroupOutput, error) {
	if err := checkARN(call, "targetgroup/", "target group", in.TargetGroupArn); err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(tx *state.Tx) error {
		g, ok := get(&tx.Tables.TargetGroups, call, request.Value(in.TargetGroupArn))
		if !ok {
			return nil
		}
		if len(usersOf(&tx.Tables, g.ARN)) > 0 { // alb.md T9: Terraform reads this text
			return fault.New(shape.CodeResourceInUse,
				"Target group '%s' is currently in use by a listener or a rule", g.ARN)
		}
		for t := range tx.Targets.Prefix(elb.TargetPrefix(g.ARN)) {
			tx.Targets.Delete(t.Key())
			tx.TargetHealth.Delete(t.Key())
		}
		tx.TargetGroups.Delete(g.ARN)
		return nil
	})
}

func (a *api) describeTargetGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeTargetGroupsInput,
) (*shape.DescribeTargetGroupsOutput, error) {
	kinds := 0
	for _, given := range []bool{len(in.Names) > 0, len(in.TargetGroupArns) > 0, in.LoadBalancerArn != nil} {
		if given {
			kinds++
		}
	}
	if kinds > 1 {
		return nil, invalid("Target group names, target group ARNs, and a load balancer ARN cannot be " +
			"specified at the same time")
	}
	t := &a.store.View().Tables
	chosen, err := chooseTargetGroups(t, call, in)
	if err != nil {
		return nil, err
	}
	filter := append(append(in.Names, in.TargetGroupArns...), request.Value(in.LoadBalancerArn))
	items, next, err := request.Page(call, pages.Ask(in.PageSize, in.Marker), chosen,
		func(g *elb.TargetGroup) string { return g.ARN }, filter...)
	return &shape.DescribeTargetGroupsOutput{NextMarker: next,
		TargetGroups: request.Answers(items,
			func(g *elb.TargetGroup) shape.TargetGroup { return answerTargetGroup(t, g) })}, err
}

func chooseTargetGroups(
	t *state.Tables, call *awswire.Call, in *shape.DescribeTargetGroupsInput,
) ([]*elb.TargetGroup, error) {
	var chosen []*elb.TargetGroup
	for _, key := range in.TargetGroupArns {
		if err := checkARN(call, "targetgroup/", "target group", &key); err != nil {
			return nil, err
		}
		g, ok := get(&t.TargetGroups, call, key)
		if !ok {
			return nil, fault.New(shape.CodeTargetGroupNotFound, "One or more target groups not found")
		}
		chosen = append(chosen, g)
	}
	if len(in.TargetGroupArns) > 0 {
		return chosen, nil
	}
	all := slices.Collect(t.TargetGroups.Prefix(mine(call, "targetgroup/")))
	if in.LoadBalancerArn != nil {
		lb, err := loadBalancer(t, call, in.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(all, func(g *elb.TargetGroup) bool {
			return !slices.Contains(usersOf(t, g.ARN), lb.ARN)
		}), nil
	}
	for _, name := range in.Names {
		i := slices.IndexFunc(all, func(g *elb.TargetGroup) bool { return g.Name == name })
		if i < 0 {
			return nil, fault.New(shape.CodeTargetGroupNotFound, "One or more target groups not found")
		}
		chosen = append(chosen, all[i])
	}
	if len(in.Names) > 0 {
		return chosen, nil
	}
	return all, nil
}

func answerTargetGroup(t *state.Tables, g *elb.TargetGroup) shape.TargetGroup {
	h := g.HealthCheck
	return shape.TargetGroup{
		TargetGroupArn: &g.ARN, TargetGroupName: &g.Name,
		Protocol: g.Protocol, ProtocolVersion: &g.ProtocolVersion, Port: new(int32(g.Port)),
		VpcId: &g.VPCID, TargetType: g.TargetType, IpAddressType: g.IPAddressType, LoadBalancerArns: usersOf(t, g.ARN),
		HealthCheckEnabled: new(true), HealthCheckProtocol: h.Protocol, HealthCheckPort: &h.Port,
		HealthCheckPath: &h.Path, HealthCheckIntervalSeconds: new(int32(h.IntervalSeconds)),
		HealthCheckTimeoutSeconds: new(int32(h.TimeoutSeconds)),
		HealthyThresholdCount:     new(int32(h.HealthyThreshold)),
		UnhealthyThresholdCount:   new(int32(h.UnhealthyThreshold)),
		Matcher:                   &shape.Matcher{HttpCode: &h.Matcher},
	}
}
