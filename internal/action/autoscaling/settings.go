package autoscaling

import (
	"errors"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

// settings are what creating and updating a group have in common. Nil fields change nothing.
type settings struct {
	Zones, Policies                                []string
	Subnets, HealthCheckType, Context, DesiredType *string
	Role, Configuration                            *string
	Cooldown, Warmup, Grace, Lifetime, Desired     *int32
	Protected                                      *bool
	Template                                       *shape.LaunchTemplateSpecification
}

// apply puts the settings into g, and refuses what does not fit together afterwards.
func (s *settings) apply(t *state.Tables, call *awswire.Call, g *fleet.AutoScalingGroup) error {
	for _, step := range []func() error{
		func() error { return s.numbers(g) },
		func() error { return s.bounds(g) },
		func() error { return s.words(g) },
		func() error { return s.role(t, call, g) },
		func() error { return s.places(call, g) },
		func() error { return s.source(t, call, g) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) numbers(g *fleet.AutoScalingGroup) error {
	for _, f := range []struct {
		name string
		in   *int32
		set  *int
	}{{"DefaultCooldown", s.Cooldown, &g.Cooldown}, {"HealthCheckGracePeriod", s.Grace, &g.GracePeriod},
		{"MaxInstanceLifetime", s.Lifetime, &g.MaxLifetime}} {
		if f.in == nil {
			continue
		}
		if *f.in < 0 {
			return invalid("%s must not be negative: %d", f.name, *f.in)
		}
		*f.set = int(*f.in)
	}
	if g.MaxLifetime != 0 && (g.MaxLifetime < 86400 || g.MaxLifetime > 31536000) {
		return invalid("MaxInstanceLifetime must be 0 or between 86400 and 31536000 seconds: %d", g.MaxLifetime)
	}
	if s.Warmup != nil {
		switch {
		case *s.Warmup == -1:
			g.Warmup = nil // AWS's way to take the setting back
		case *s.Warmup < 0:
			return invalid("DefaultInstanceWarmup must be -1 or more: %d", *s.Warmup)
		default:
			g.Warmup = new(int(*s.Warmup))
		}
	}
	return nil
}

// bounds checks minimum, maximum and desired capacity (ecs.md 5.1).
func (s *settings) bounds(g *fleet.AutoScalingGroup) error {
	if s.Desired != nil {
		g.Desired = int(*s.Desired)
	}
	if g.Min < 0 || g.Max < 0 {
		return invalid("Min and max size must not be negative: %d, %d", g.Min, g.Max)
	}
	if g.Min > g.Max {
		return invalid("Max bound, %d, must be greater than or equal to min bound, %d", g.Max, g.Min)
	}
	if g.Desired < g.Min || g.Desired > g.Max {
		return invalid("Desired capacity:%d must be between the specified min size:%d and max size:%d",
			g.Desired, g.Min, g.Max)
	}
	return nil
}

func (s *settings) words(g *fleet.AutoScalingGroup) error {
	if s.HealthCheckType != nil {
		for part := range strings.SplitSeq(*s.HealthCheckType, ",") {
			if part != "EC2" && part != "ELB" {
				return invalid("The health check type %q is not supported: use EC2 or ELB", part)
			}
		}
		g.HealthCheckType = *s.HealthCheckType
	}
	if s.DesiredType != nil && *s.DesiredType != "units" {
		return invalid("The desired capacity type %q is not supported: use units", *s.DesiredType)
	}
	if s.DesiredType != nil {
		g.DesiredType = *s.DesiredType
	}
	if len(s.Policies) > 0 {
		if err := checkPolicies(s.Policies); err != nil {
			return err
		}
		g.Policies = s.Policies
	}
	if s.Context != nil {
		g.Context = *s.Context
	}
	if s.Protected != nil {
		g.NewProtected = *s.Protected
	}
	return nil
}

// role takes the service-linked role that a group acts with.
func (s *settings) role(t *state.Tables, call *awswire.Call, g *fleet.AutoScalingGroup) error {
	if s.Role == nil {
		return nil
	}
	if !launch.HasRole(t, call.Account, *s.Role) {
		return invalid("ARN specified for Service-Linked Role does not exist.")
	}
	g.ServiceRole = *s.Role
	return nil
}

// checkPolicies refuses unknown termination policies, and Default anywhere but last (ecs.md 5.7).
func checkPolicies(policies []string) error {
	for i, p := range policies {
		if strings.HasPrefix(p, "arn:") {
			return invalid("Termination policies by Lambda function (%s) are not supported", p)
		}
		if !slices.Contains(fleet.PolicyNames(), p) {
			return invalid("The termination policy %q is not valid. Valid ones are %s", p,
				strings.Join(fleet.PolicyNames(), ", "))
		}
		if p == fleet.PolicyDefault && i < len(policies)-1 {
			return invalid("The termination policy Default must be the last one of the list")
		}
	}
	return nil
}

// places checks zones and subnets; subnets decide the zones.
func (s *settings) places(call *awswire.Call, g *fleet.AutoScalingGroup) error {
	if len(s.Zones) > 0 {
		for _, z := range s.Zones {
			if !fleet.IsZone(call.Region, z) {
				return invalid("Invalid Availability Zone: [%s]. The zones of %s are %[2]sa, "+
					"%[2]sb and %[2]sc", z, call.Region)
			}
		}
		g.Zones = slices.Compact(slices.Sorted(slices.Values(s.Zones)))
		g.Subnets = nil
	}
	if s.Subnets == nil || *s.Subnets == "" {
		return nil
	}
	g.Subnets = nil
	var zones []string
	for id := range strings.SplitSeq(*s.Subnets, ",") {
		subnet, ok := fleet.FindSubnet(call.Region, call.Account, strings.TrimSpace(id))
		if !ok {
			return invalid("The subnet ID '%s' does not exist", strings.TrimSpace(id))
		}
		g.Subnets = append(g.Subnets, subnet.ID)
		zones = append(zones, subnet.Zone.Name)
	}
	zones = slices.Compact(slices.Sorted(slices.Values(zones)))
	if len(s.Zones) > 0 && !slices.Equal(zones, g.Zones) {
		return invalid("The availability zones of the specified subnets and the AutoScalingGroup do not match")
	}
	g.Zones = zones
	return nil
}

// source checks that what is to be launched exists, and that it is one thing.
func (s *settings) source(t *state.Tables, call *awswire.Call, g *fleet.AutoScalingGroup) error {
	if s.Configuration != nil && s.Template != nil {
		return invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, " +
			"InstanceId or MixedInstancesPolicy parameter.")
	}
	if s.Configuration != nil {
		if _, ok := t.LaunchConfigurations.Get(fleet.Key(call.Region, call.Account, *s.Configuration)); !ok {
			return invalid("Launch configuration name not found - Launch configuration %s not found", *s.Configuration)
		}
		g.Launch = fleet.LaunchSource{Configuration: *s.Configuration}
	}
	if s.Template != nil {
		var err error
		g.Launch, err = parseTemplate(t, call, s.Template)
		return err
	}
	return nil
}

func parseTemplate(
	t *state.Tables, call *awswire.Call, in *shape.LaunchTemplateSpecification,
) (src fleet.LaunchSource, err error) {
	id, name := request.Value(in.LaunchTemplateId), request.Value(in.LaunchTemplateName)
	if (id == "") == (name == "") {
		return src, invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
	}
	for lt := range t.LaunchTemplates.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
		if lt.ID != id && lt.Name != name {
			continue
		}
		src = fleet.LaunchSource{TemplateID: lt.ID, TemplateName: lt.Name, Version: request.Value(in.Version)}
		r, ok := fleet.ResolveTemplate(lt, src.Version)
		if !ok {
			return src, invalid("You must use a valid fully-formed launch template. Launch template %s has "+
				"no version %s.", lt.ID, src.Version)
		}
		if _, ok := fleet.FindInstanceType(r.Data.InstanceType); !ok || r.Data.ImageID == "" {
			return src, invalid("You must use a valid fully-formed launch template. Version %s of %s has "+
				"to name an image and an instance type that is known (it has %q and %q).",
				r.Source.Version, lt.ID, r.Data.ImageID, r.Data.InstanceType)
		}
		if _, err := launch.CheckInstance(t, call.Region, call.Account, r.Data); err != nil {
			f, _ := errors.AsType[*fault.Error](err)
			return src, invalid("You must use a valid fully-formed launch template. %s", f.Message)
		}
		return src, nil
	}
	if id != "" {
		return src, invalid("The specified launch template, with template ID %s, does not exist.", id)
	}
	return src, invalid("The specified launch template, with template name %s, does not exist.", name)
}
