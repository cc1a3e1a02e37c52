package blueprint

import (
	"slices"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// exporter makes a stack. Its sets have the rows that are in the stack already, so that no list is searched for each
// row of another.
type exporter struct {
	*Stack
	services map[string]bool // by resource id
	groups   map[string]bool // by key
	targets  map[string]bool // by key
	launches *Launches       // nil before the first group
}

// Export returns the stack of a region and account.
func Export(t *state.Tables, region, account string) *Stack {
	s := &exporter{Stack: &Stack{Format: Format, Region: region, Account: account}, services: map[string]bool{},
		groups: map[string]bool{}, targets: map[string]bool{}}
	for _, tb := range tables {
		tb.export(s, t)
	}
	s.leaveProviders()
	s.leaveHooks(t)
	return s.Stack
}

// leaveProviders removes capacity providers that are not in the stack from clusters, services and their revisions, and
// says so. A service whose strategy can start no task without them uses any instance.
func (s *exporter) leaveProviders() {
	clusters := make(map[string]map[string]bool)
	in := s.providersByARN()
	for _, c := range s.Clusters {
		all := make(map[string]bool)
		clusters[c.ClusterARN] = all
		c.CapacityProviders = slices.DeleteFunc(slices.Clone(c.CapacityProviders), func(name string) bool {
			all[name] = in[ecs.ProviderARN(c.ClusterARN, name)]
			return !all[name] && !s.leave("cluster %q: its capacity provider %q is not in the stack", c.ClusterName,
				name)
		})
		c.DefaultStrategy = usable(c.DefaultStrategy, all, func(string) {})
	}
	for _, v := range s.Services {
		v.CapacityProviderStrategy = usable(v.CapacityProviderStrategy, clusters[v.ClusterARN], func(name string) {
			s.leave("service %q: its capacity provider %q is not in the stack", v.ServiceName, name)
		})
	}
	for _, r := range s.Revisions {
		r.CapacityProviderStrategy = usable(r.CapacityProviderStrategy, clusters[r.ClusterARN], func(string) {})
	}
}

func (s *Stack) providersByARN() map[string]bool {
	in := make(map[string]bool)
	for _, p := range s.CapacityProviders {
		in[p.CapacityProviderARN] = true
	}
	return in
}

// usable returns the items of a strategy whose capacity providers are in a set, or nil if these can start no task. It
// calls left for each of the others.
func usable(items []ecs.StrategyItem, in map[string]bool, left func(name string)) []ecs.StrategyItem {
	kept := slices.DeleteFunc(slices.Clone(items), func(i ecs.StrategyItem) bool {
		if !in[i.CapacityProvider] {
			left(i.CapacityProvider)
		}
		return !in[i.CapacityProvider]
	})
	if len(kept) == 0 || len(kept) < len(items) && !ecs.UsableStrategy(kept) {
		return nil
	}
	return kept
}

// checkStrategies checks the capacity providers of clusters, services and revisions.
func (c *checker) checkStrategies() {
	in, clusters := c.s.providersByARN(), make(map[string][]string)
	for i, v := range c.s.Clusters {
		for _, name := range v.CapacityProviders {
			c.needs("Clusters", i, in[ecs.ProviderARN(v.ClusterARN, name)],
				"the capacity provider %q is not in CapacityProviders", name)
		}
		clusters[v.ClusterARN] = v.CapacityProviders
		c.checkStrategy("Clusters", i, v.DefaultStrategy, v.CapacityProviders)
	}
	cluster := make(map[string]string) // of a service
	for i, v := range c.s.Services {
		cluster[v.ServiceARN] = v.ClusterARN
		c.checkStrategy("Services", i, v.CapacityProviderStrategy, clusters[v.ClusterARN])
	}
	for i, v := range c.s.Revisions {
		if of, ok := cluster[v.ServiceARN]; ok {
			c.checkStrategy("Revisions", i, v.CapacityProviderStrategy, clusters[of])
		}
	}
}

func (c *checker) checkStrategy(list string, i int, items []ecs.StrategyItem, names []string) {
	for _, item := range items {
		c.needs(list, i, slices.Contains(names, item.CapacityProvider),
			"the cluster has no capacity provider %q", item.CapacityProvider)
	}
}
