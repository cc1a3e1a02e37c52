package launch

import (
	"slices"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/tag"
)

// Spec describes tasks to start that are all alike.
type Spec struct {
	Cluster              *ecs.Cluster
	Definition           *ecs.TaskDefinition
	Overrides            ecs.Overrides
	OverrideZeros        []string // see ecs.Task
	Group                string   // "family:F", "service:S" or the caller's own
	StartedBy            string
	ServiceARN           string
	ClientToken          string // of the call that asks for the task, and the hash of its parameters
	ParameterHash        string
	LaunchType           string
	Strategy             []ecs.StrategyItem // divides the tasks over capacity providers, see Parts
	Provider             string             // the capacity provider of these tasks; "" for any instance
	LoadBalancers        []ecs.LoadBalancer
	NetworkConfiguration *ecs.NetworkConfiguration
	Constraints          []ecs.PlacementConstraint
	Strategies           []ecs.PlacementStrategy
	DefaultSpread        bool // without strategies, spread over zones and instances as services do (ecs.md 2.4)
	Tags                 tag.Set
	EnableExecuteCommand bool
	Seed                 uint64 // of the random strategy
}

// Request returns the scheduler's request for count such tasks. Its error is a *fault.Error with
// the code InvalidParameterException.
func (s *Spec) Request(count int) (sched.Request, error) {
	need := s.Definition.Need(s.Overrides)
	r := sched.Request{
		Group: s.Group, Count: count, Provider: s.Provider, Needs: amounts(need), PortsTCP: ports(need.PortsTCP),
		PortsUDP: ports(need.PortsUDP), DefaultSpread: s.DefaultSpread, Seed: s.Seed,
		HostNetwork: s.Definition.NetworkMode == ecs.NetworkHost,
	}
	for _, a := range s.Definition.RequiresAttributes {
		r.RequiredAttributes = append(r.RequiredAttributes, sched.Attribute{Name: a.Name, Value: a.Value})
	}
	where, err := s.launchType()
	if err != nil {
		return r, err
	}
	subnets, err := s.subnets()
	if err != nil {
		return r, err
	}
	for _, n := range subnets {
		r.Zones = append(r.Zones, n.Zone.Name)
	}
	if r.Constraints, err = ParseConstraints(
		slices.Concat(s.Definition.PlacementConstraints, s.Constraints, where)); err != nil {
		return r, err
	}
	r.Strategies, err = ParseStrategies(s.Strategies)
	return r, err
}

// launchType adds the constraints of the launch type: EXTERNAL tasks run on machines outside EC2
// only.
func (s *Spec) launchType() ([]ecs.PlacementConstraint, error) {
	if s.LaunchType != "EXTERNAL" {
		return nil, nil
	}
	if s.Definition.NetworkMode == ecs.NetworkAwsvpc || len(s.LoadBalancers) > 0 {
		return nil, invalid("The launch type EXTERNAL supports neither the awsvpc network mode nor load balancers.")
	}
	return []ecs.PlacementConstraint{
		{Type: "memberOf", Expression: "attribute:" + ecs.AttributeExternal + " exists"},
	}, nil
}

func ports(in []int) []uint16 {
	out := make([]uint16, len(in))
	for i, p := range in {
		out[i] = uint16(p)
	}
	return out
}

// ParseConstraints parses placement constraints; its error has the code InvalidParameterException.
func ParseConstraints(in []ecs.PlacementConstraint) ([]sched.Constraint, error) {
	var out []sched.Constraint
	for _, c := range in {
		p, err := sched.ParseConstraint(c.Type, c.Expression)
		if err != nil {
			return nil, invalid("Invalid placement constraint: %s.", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// ParseStrategies parses placement strategies; its error has the code InvalidParameterException.
func ParseStrategies(in []ecs.PlacementStrategy) ([]sched.Strategy, error) {
	var out []sched.Strategy
	for _, c := range in {
		p, err := sched.ParseStrategy(c.Type, c.Field)
		if err != nil {
			return nil, invalid("Invalid placement strategy: %s.", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// subnets returns the subnets of an awsvpc task; none for other tasks. A network configuration is
// required for awsvpc and refused for other network modes (ecs.md 1.6.3).
func (s *Spec) subnets() ([]fleet.Subnet, error) {
	configured := s.NetworkConfiguration != nil && s.NetworkConfiguration.AwsvpcConfiguration != nil
	if s.Definition.NetworkMode != ecs.NetworkAwsvpc {
		if configured {
			return nil, invalid("Network Configuration is not valid for the given networkMode of this task definition.")
		}
		return nil, nil
	}
	if !configured || len(s.NetworkConfiguration.AwsvpcConfiguration.Subnets) == 0 {
		return nil, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	c := s.NetworkConfiguration.AwsvpcConfiguration
	if len(c.Subnets) > 16 || len(c.SecurityGroups) > 5 {
		return nil, invalid("An awsvpc configuration may name at most 16 subnets and 5 security groups.")
	}
	a, err := arn.Parse(s.Cluster.ClusterARN)
	if err != nil {
		return nil, err
	}
	var out []fleet.Subnet
	for _, id := range c.Subnets {
		n, ok := fleet.FindSubnet(a.Region, a.Account, id)
		if !ok {
			return nil, invalid(
				"Error retrieving subnet information for [%s]: The subnet ID '%s' does not exist.", id, id)
		}
		out = append(out, n)
	}
	return out, nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidParameterException", format, args...)
}
