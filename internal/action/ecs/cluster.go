package ecs

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createCluster(
	ctx context.Context, call *awswire.Call, in *shape.CreateClusterInput,
) (*shape.CreateClusterOutput, error) {
	if name := request.Value(in.ClusterName); name != "" && !ecs.ValidName(name) {
		return nil, invalidClusterName(name) // an ARN names what there is, not what is to be (ecs.md 1.1.4)
	}
	key, err := clusterARN(call, in.ClusterName)
	if err != nil {
		return nil, err
	}
	want, err := parsed[ecs.Cluster](&struct {
		Settings      []shape.ClusterSetting
		Configuration *shape.ClusterConfiguration
	}{in.Settings, in.Configuration})
	if err != nil {
		return nil, err
	}
	if err := checkSettings(want.Settings); err != nil {
		return nil, err
	}
	if want.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	providers, err := parseClusterProviders(call, in.CapacityProviders, in.DefaultCapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	var out shape.Cluster
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		// A cluster of that name is answered as it is; AWS treats the repetition as done.
		c, ok := tx.Clusters.Get(key)
		switch {
		case !ok || c.Status != ecs.ClusterActive:
			launch.LinkRole(tx, call.Account, role.ServiceECS, call.Now)
			if c, err = associate(tx, call, newCluster(&tx.Tables, call, key, want), providers); err != nil {
				return err
			}
		case len(providers.names) > 0 && !providers.are(c):
			return invalid("Arguments on this idempotent request are inconsistent with arguments used in previous " +
				"request(s).")
		}
		out = answerCluster(&tx.Tables, c, []string{"SETTINGS", "TAGS", "CONFIGURATIONS"})
		return nil
	})
	return &shape.CreateClusterOutput{Cluster: &out}, err
}

// newCluster completes a cluster that is to be: one without a value for Container Insights has the
// account's setting (ecs.md 1.1.14).
func newCluster(t *state.Tables, call *awswire.Call, key string, c ecs.Cluster) *ecs.Cluster {
	c.ClusterARN, c.ClusterName, c.Status, c.CreatedAt = key, ecs.ClusterNameOf(key), ecs.ClusterActive, call.Now
	if len(c.Settings) == 0 {
		s := setting(t, call, call.Principal.ARN, containerInsights, true)
		c.Settings = []ecs.Setting{{Name: s.Name, Value: s.Value}}
	}
	return &c
}

func checkSettings(settings []ecs.Setting) error {
	for _, s := range settings {
		if s.Name != containerInsights {
			return invalid("The cluster setting '%s' is not valid: use %s.", s.Name, containerInsights)
		}
		if err := checkSetting(s.Name, s.Value); err != nil {
			return err
		}
	}
	return nil
}

func (a *api) updateCluster(
	ctx context.Context, call *awswire.Call, in *shape.UpdateClusterInput,
) (*shape.UpdateClusterOutput, error) {
	out, err := a.changeCluster(ctx, call, in.Cluster, &struct {
		Settings      []shape.ClusterSetting
		Configuration *shape.ClusterConfiguration
	}{in.Settings, in.Configuration})
	return &shape.UpdateClusterOutput{Cluster: out}, err
}

func (a *api) updateClusterSettings(
	ctx context.Context, call *awswire.Call, in *shape.UpdateClusterSettingsInput,
) (*shape.UpdateClusterSettingsOutput, error) {
	out, err := a.changeCluster(ctx, call, in.Cluster, &struct{ Settings []shape.ClusterSetting }{in.Settings})
	return &shape.UpdateClusterSettingsOutput{Cluster: out}, err
}

// changeCluster replaces the settings that are given by name, and the configuration as a whole.
func (a *api) changeCluster(ctx context.Context, call *awswire.Call, ref *string, change any) (*shape.Cluster, error) {
	want, err := parsed[ecs.Cluster](change)
	if err != nil {
		return nil, err
	}
	if err := checkSettings(want.Settings); err != nil {
		return nil, err
	}
	var out shape.Cluster
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, ref)
		if err != nil {
			return err
		}
		n := *c
		n.Settings = slices.Clone(c.Settings)
		for _, s := range want.Settings {
			n.Settings = slices.DeleteFunc(n.Settings, func(o ecs.Setting) bool { return o.Name == s.Name })
			n.Settings = append(n.Settings, s)
		}
		if want.Configuration != nil {
			n.Configuration = want.Configuration
		}
		tx.Clusters.Put(&n)
		out = answerCluster(&tx.Tables, &n, []string{"SETTINGS", "TAGS", "CONFIGURATIONS"})
		return nil
	})
	return &out, err
}

func (a *api) deleteCluster(
	ctx context.Context, call *awswire.Call, in *shape.DeleteClusterInput,
) (*shape.DeleteClusterOutput, error) {
	if request.Value(in.Cluster) == "" {
		return nil, invalid("Cluster must not be empty: name the cluster to delete.")
	}
	var out shape.Cluster
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		if err := emptyCluster(&tx.Tables, c); err != nil {
			return err
		}
		if c, err = associate(tx, call, c, clusterProviders{}); err != nil {
			return err
		}
		n := *c
		n.Status, n.DeletedAt = ecs.ClusterInactive, call.Now
		tx.Clusters.Put(&n)
		out = answerCluster(&tx.Tables, &n, nil)
		return nil
	})
	return &shape.DeleteClusterOutput{Cluster: &out}, err
}

// emptyCluster refuses with what is still in the cluster (ecs.md 1.2.2).
func emptyCluster(t *state.Tables, c *ecs.Cluster) error {
	for i := range t.ContainerInstances.By(state.ContainerInstancesByCluster, c.ClusterARN) {
		if i.Present() {
			return fault.New("ClusterContainsContainerInstancesException",
				"The Cluster cannot be deleted while Container Instances are active or draining.")
		}
	}
	for s := range t.Services.By(state.ServicesByCluster, c.ClusterARN) {
		if s.Status == ecs.ServiceActive {
			return fault.New("ClusterContainsServicesException",
				"The Cluster cannot be deleted while Services are active.")
		}
	}
	active := func(c ecs.TaskCount) bool { return c.LastStatus != ecs.Stopped }
	if t.TasksOfCluster(c.ClusterARN).Count(active) > 0 {
		return fault.New("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	}
	return nil
}

func (a *api) describeClusters(
	_ context.Context, call *awswire.Call, in *shape.DescribeClustersInput,
) (*shape.DescribeClustersOutput, error) {
	if len(in.Clusters) > 100 {
		return nil, invalid("Clusters cannot have more than 100 elements.")
	}
	snap := a.store.View()
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{ecs.DefaultCluster}
	}
	out := &shape.DescribeClustersOutput{}
	for _, ref := range refs {
		key, err := clusterARN(call, &ref)
		if err != nil {
			return nil, err
		}
		if c, ok := snap.Clusters.Get(key); ok {
			out.Clusters = append(out.Clusters, answerCluster(&snap.Tables, c, in.Include))
		} else {
			out.Failures = append(out.Failures, missing(key))
		}
	}
	return out, nil
}

func missing(key string) shape.Failure { return shape.Failure{Arn: &key, Reason: new("MISSING")} }

func (a *api) listClusters(
	_ context.Context, call *awswire.Call, in *shape.ListClustersInput,
) (*shape.ListClustersOutput, error) {
	snap := a.store.View()
	var arns []string
	for c := range snap.Clusters.Prefix(ecs.ARN(call.Region, call.Account, ecs.TypeCluster, "")) {
		if c.Status == ecs.ClusterActive {
			arns = append(arns, c.ClusterARN)
		}
	}
	page, next, err := request.Page(call, pages.Ask(in.MaxResults, in.NextToken), arns, request.Itself)
	return &shape.ListClustersOutput{ClusterArns: page, NextToken: next}, err
}
