package ecs

import (
	"cmp"
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// parseStrategy is ecs.md 2.9 as far as it does not need the state. Capacity providers may be given by name or ARN.
func parseStrategy(call *awswire.Call, in []shape.CapacityProviderStrategyItem) ([]ecs.StrategyItem, error) {
	var out []ecs.StrategyItem
	for _, i := range in {
		name, err := providerName(call, request.Value(i.CapacityProvider))
		if err != nil {
			return nil, err
		}
		out = append(out, ecs.StrategyItem{CapacityProvider: name, Base: int(request.Value(i.Base)),
			Weight: int(request.Value(i.Weight))})
	}
	if err := ecs.CheckStrategy(out); err != nil {
		return nil, invalid("The capacity provider strategy is not valid: %s.", err)
	}
	return out, nil
}

// providerName is the name in a reference to a capacity provider of the caller's region and account.
func providerName(call *awswire.Call, ref string) (string, error) {
	name := ref
	if arn.Is(ref) {
		a, err := arn.Parse(ref)
		if err != nil || a.Service != "ecs" || a.Type() != ecs.TypeCapacityProvider || a.Region != call.Region ||
			a.Account != call.Account {
			return "", notFoundProvider()
		}
		name = a.Rest()
	}
	if reservedProvider(name) {
		return "", noFargate(name)
	}
	return name, nil
}

func notFoundProvider() *fault.Error {
	return invalid("The specified capacity provider was not found. Specify a valid capacity provider and try again.")
}

// tasksByStrategy is parseStrategy for a call that starts tasks.
func tasksByStrategy(
	call *awswire.Call, launchType string, in []shape.CapacityProviderStrategyItem,
) ([]ecs.StrategyItem, error) {
	if launchType != "" && len(in) > 0 { // ecs.md 1.6.4
		return nil, invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove " +
			"one " +
			"and try again.")
	}
	items, err := parseStrategy(call, in)
	if err != nil {
		return nil, err
	}
	return items, checkWeights(items)
}

// checkWeights refuses a strategy that starts no tasks (ecs.md 2.9).
func checkWeights(items []ecs.StrategyItem) error {
	if len(items) > 0 && !ecs.UsableStrategy(items) {
		return invalid("The capacity provider strategy must have at least one capacity provider with a weight of " +
			"more " +
			"than 0.")
	}
	return nil
}

// strategyFor is the strategy for tasks in a cluster: the one that was asked for, or the cluster's if neither that
// nor a launch type was (ecs.md 1.6.4). Its capacity providers must be those of the cluster.
func strategyFor(
	t *state.Tables, c *ecs.Cluster, launchType string, asked []ecs.StrategyItem,
) ([]ecs.StrategyItem, error) {
	items := asked
	if launchType == "" && len(asked) == 0 {
		items = c.DefaultStrategy
		if err := checkWeights(items); err != nil {
			return nil, err
		}
	}
	for _, i := range items {
		if p, ok := provider.Named(t, c, i.CapacityProvider); !ok || p.Status != ecs.CapacityProviderActive {
			return nil, invalid("The specified capacity provider strategy cannot contain a capacity provider that " +
				"is not " +
				"associated with the cluster. Associate the capacity provider with the cluster or specify a valid " +
				"capacity provider and try again.")
		}
	}
	return items, nil
}

// setStrategy gives a service the strategy that was asked for, the one of the cluster, or else the launch type EC2
// (ecs.md 1.6.4). A DAEMON service has none, since it runs on all instances.
func setStrategy(t *state.Tables, c *ecs.Cluster, s *ecs.Service, asked []ecs.StrategyItem) error {
	if s.SchedulingStrategy == ecs.Daemon {
		if len(asked) > 0 {
			return invalid("The daemon scheduling strategy does not support capacity provider strategies: a task " +
				"runs on " +
				"each instance that meets the constraints.")
		}
		s.LaunchType = cmp.Or(s.LaunchType, "EC2")
		return nil
	}
	var err error
	if s.CapacityProviderStrategy, err = strategyFor(t, c, s.LaunchType, asked); err != nil {
		return err
	}
	if len(s.CapacityProviderStrategy) == 0 {
		s.LaunchType = cmp.Or(s.LaunchType, "EC2")
		return nil
	}
	s.LaunchType = ""
	return nil
}

// changeStrategy applies the strategy of an UpdateService: nil changes nothing, an empty one returns to the launch type
// EC2. It starts no deployment, so tasks that run stay where they are (ecs.md 3.1.2).
func changeStrategy(
	t *state.Tables, call *awswire.Call, s *ecs.Service, in []shape.CapacityProviderStrategyItem,
) error {
	if in == nil {
		return nil
	}
	asked, err := tasksByStrategy(call, "", in)
	if err != nil {
		return err
	}
	if len(asked) == 0 {
		s.CapacityProviderStrategy, s.LaunchType = nil, cmp.Or(s.LaunchType, "EC2")
		return nil
	}
	if s.LaunchType == "EXTERNAL" {
		return invalid("A service with the launch type EXTERNAL cannot have a capacity provider strategy.")
	}
	c, _ := t.Clusters.Get(s.ClusterARN)
	s.LaunchType = ""
	if err := setStrategy(t, c, s, asked); err != nil {
		return err
	}
	if s.AvailabilityZoneRebalancing == ecs.RebalancingEnabled {
		return setRebalancing(s, s.AvailabilityZoneRebalancing)
	}
	return nil
}

// answerStrategy is nil for no strategy.
func answerStrategy(items []ecs.StrategyItem) []shape.CapacityProviderStrategyItem {
	if len(items) == 0 {
		return nil
	}
	return request.Answers(items, func(i ecs.StrategyItem) shape.CapacityProviderStrategyItem {
		return shape.CapacityProviderStrategyItem{CapacityProvider: &i.CapacityProvider, Base: new(int32(i.Base)),
			Weight: new(int32(i.Weight))}
	})
}

// clusterProviders are the capacity providers that a call asks for, and the default strategy.
type clusterProviders struct {
	names    []string
	strategy []ecs.StrategyItem
}

// are reports whether a cluster has these.
func (p clusterProviders) are(c *ecs.Cluster) bool {
	return slices.Equal(p.names, c.CapacityProviders) && slices.Equal(p.strategy, c.DefaultStrategy)
}

func parseClusterProviders(
	call *awswire.Call, refs []string, strategy []shape.CapacityProviderStrategyItem,
) (p clusterProviders, err error) {
	if len(refs) > ecs.MaxClusterProviders { // ecs.md 9.1
		return p, invalid("A cluster can have at most %d capacity providers, not %d.", ecs.MaxClusterProviders,
			len(refs))
	}
	for _, ref := range refs {
		name, err := providerName(call, ref)
		if err != nil {
			return p, err
		}
		if slices.Contains(p.names, name) {
			return p, invalid("The capacity provider %s is in the list twice.", name)
		}
		p.names = append(p.names, name)
	}
	p.strategy, err = parseStrategy(call, strategy)
	if err != nil {
		return p, err
	}
	for _, i := range p.strategy {
		if !slices.Contains(p.names, i.CapacityProvider) {
			return p, invalid("The default capacity provider strategy cannot contain a capacity provider that is not "+
				"associated with the cluster: %s is not in capacityProviders.", i.CapacityProvider)
		}
	}
	return p, nil
}

func (a *api) putClusterCapacityProviders(
	ctx context.Context, call *awswire.Call, in *shape.PutClusterCapacityProvidersInput,
) (*shape.PutClusterCapacityProvidersOutput, error) {
	want, err := parseClusterProviders(call, in.CapacityProviders, in.DefaultCapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	var out shape.Cluster
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		n, err := associate(tx, call, c, want)
		if err != nil {
			return err
		}
		out = answerCluster(&tx.Tables, n, []string{"SETTINGS", "TAGS", "CONFIGURATIONS", "ATTACHMENTS"})
		return nil
	})
	return &shape.PutClusterCapacityProvidersOutput{Cluster: &out}, err
}

// associate gives a cluster its capacity providers in place of those that it has (ecs.md 1.2.4, 4.1).
func associate(tx *state.Tx, call *awswire.Call, c *ecs.Cluster, want clusterProviders) (*ecs.Cluster, error) {
	n := *c
	n.CapacityProviders, n.DefaultStrategy = want.names, want.strategy
	var changed []*ecs.CapacityProvider
	for _, name := range want.names {
		p, ok := tx.CapacityProviders.Get(ecs.ProviderARN(c.ClusterARN, name))
		if !ok || p.Status != ecs.CapacityProviderActive || p.UpdateStatus == ecs.DeleteInProgress {
			return nil, notFoundProvider()
		}
		changed = append(changed, p)
	}
	for _, name := range c.CapacityProviders {
		if slices.Contains(want.names, name) {
			continue
		}
		if providerInUse(&tx.Tables, c, name) {
			return nil, fault.New(shape.CodeResourceInUseException,
				"The specified capacity provider is in use and cannot be removed.")
		}
		if p, ok := tx.CapacityProviders.Get(ecs.ProviderARN(c.ClusterARN, name)); ok {
			changed = append(changed, p)
		}
	}
	tx.Clusters.Put(&n)
	for _, p := range changed {
		if err := oneCluster(&tx.Tables, p); err != nil {
			return nil, err
		}
		if !provider.Follow(tx, p, call.Now) {
			return nil, noRoomForAlarms()
		}
	}
	return &n, nil
}

// providerInUse reports whether services or tasks of a cluster use a capacity provider.
func providerInUse(t *state.Tables, c *ecs.Cluster, name string) bool {
	entry := ecs.ProviderEntry(c.ClusterARN, name)
	for range t.Services.By(state.ServicesByCapacityProvider, entry) {
		return true
	}
	for range t.Tasks.By(state.TasksByCapacityProvider, entry) {
		return true
	}
	return false
}

// oneCluster refuses a second cluster for a capacity provider that scales its group (ecs.md 4.1).
func oneCluster(t *state.Tables, p *ecs.CapacityProvider) error {
	if !p.ScalesGroup() {
		return nil
	}
	clusters := 0
	for range t.Clusters.By(state.ClustersByCapacityProvider, p.CapacityProviderARN) {
		clusters++
	}
	if clusters > 1 {
		return invalid("The capacity provider %s has managed scaling and can be associated with one cluster only.",
			p.Name)
	}
	return nil
}
