package elasticache

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createReplicationGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateReplicationGroupInput,
) (*shape.CreateReplicationGroupOutput, error) {
	for member, n := range map[string]*int32{
		"NumCacheClusters": in.NumCacheClusters, "NumNodeGroups": in.NumNodeGroups,
	} {
		if err := oneNode(member, n); err != nil {
			return nil, err
		}
	}
	if err := plain(in.NetworkType, in.IpDiscovery); err != nil {
		return nil, err
	}
	if in.ClusterMode != "" && in.ClusterMode != "disabled" || len(in.PreferredCacheClusterAZs) > 1 {
		return nil, invalid("ClusterMode can only be disabled, and there is one node in one availability zone.")
	}
	zone := ""
	if len(in.PreferredCacheClusterAZs) == 1 {
		zone = in.PreferredCacheClusterAZs[0]
	}
	c, err := parseCluster(call, cluster{
		id: lower(in.ReplicationGroupId), engine: request.Value(in.Engine),
		version: request.Value(in.EngineVersion), nodeType: request.Value(in.CacheNodeType), zone: zone, port: in.Port,
		parameterGroup: request.Value(in.CacheParameterGroupName), subnetGroup: lower(in.CacheSubnetGroupName),
		securityGroups: in.SecurityGroupIds, window: request.Value(in.PreferredMaintenanceWindow),
		autoUpgrade: in.AutoMinorVersionUpgrade, tags: in.Tags, maxID: 40,
	})
	if err != nil {
		return nil, err
	}
	g := &cache.ReplicationGroup{
		ARN: cache.ReplicationGroupARN(call.Region, call.Account, c.ID), Account: call.Account,
		Region: call.Region, ID: c.ID, Description: *in.ReplicationGroupDescription, Status: cache.Creating,
		MemberID: c.ID + "-001", CreatedAt: call.Now, Tags: c.Tags,
	}
	c.ReplicationGroupID, c.ID = g.ID, g.MemberID
	c.ARN = cache.ClusterARN(call.Region, call.Account, c.ID)
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.CacheReplicationGroups.Get(g.ARN); ok {
			return fault.New(shape.CodeReplicationGroupAlreadyExists, "Replication group %s already exists.", g.ID)
		}
		tx.CacheReplicationGroups.Put(g)
		return putCluster(tx, c)
	})
	return &shape.CreateReplicationGroupOutput{ReplicationGroup: new(answerGroup(g, c))}, err
}

func findGroup(tables *state.Tables, call *awswire.Call, id *string) (*cache.ReplicationGroup, *cache.Cluster, error) {
	g, ok := tables.CacheReplicationGroups.Get(cache.ReplicationGroupARN(call.Region, call.Account, lower(id)))
	if !ok {
		return nil, nil, fault.New(shape.CodeReplicationGroupNotFoundFault, "ReplicationGroup %s not found.",
			request.Value(id)).WithStatus(404)
	}
	return g, member(tables, g), nil
}

func member(tables *state.Tables, g *cache.ReplicationGroup) *cache.Cluster {
	c, ok := tables.CacheClusters.Get(cache.ClusterARN(g.Region, g.Account, g.MemberID))
	if !ok {
		return &cache.Cluster{ID: g.MemberID, Region: g.Region, Account: g.Account}
	}
	return c
}

func answerGroup(g *cache.ReplicationGroup, c *cache.Cluster) shape.ReplicationGroup {
	node := shape.NodeGroup{NodeGroupId: new("0001"), Status: &g.Status}
	m := shape.NodeGroupMember{CacheClusterId: &g.MemberID, CacheNodeId: new("0001"),
		PreferredAvailabilityZone: &c.Zone, CurrentRole: new("primary")}
	if c.Node.Port != 0 {
		node.PrimaryEndpoint, node.ReaderEndpoint = endpoint(g.Primary(), c), endpoint(g.Reader(), c)
		m.ReadEndpoint = endpoint(c.Endpoint(), c)
	}
	node.NodeGroupMembers = []shape.NodeGroupMember{m}
	return shape.ReplicationGroup{
		ARN: &g.ARN, ReplicationGroupId: &g.ID, Description: &g.Description,
		Status: &g.Status, ReplicationGroupCreateTime: &g.CreatedAt, MemberClusters: []string{g.MemberID},
		NodeGroups: []shape.NodeGroup{node}, CacheNodeType: &c.NodeType, Engine: &c.Engine,
		AutomaticFailover: "disabled", MultiAZ: "disabled", ClusterEnabled: new(false), ClusterMode: "disabled",
		DataTiering: "disabled", AtRestEncryptionEnabled: new(false), AuthTokenEnabled: new(false),
		TransitEncryptionEnabled: new(false), AutoMinorVersionUpgrade: &c.AutoMinorUpgrade,
		SnapshotRetentionLimit: new(int32(0)), NetworkType: "ipv4", IpDiscovery: "ipv4",
	}
}

func (a *api) describeReplicationGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeReplicationGroupsInput,
) (*shape.DescribeReplicationGroupsOutput, error) {
	snap := a.store.View()
	out := &shape.DescribeReplicationGroupsOutput{}
	if in.ReplicationGroupId != nil {
		g, c, err := findGroup(&snap.Tables, call, in.ReplicationGroupId)
		if err == nil {
			out.ReplicationGroups = append(out.ReplicationGroups, answerGroup(g, c))
		}
		return out, err
	}
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.Marker),
		snap.CacheReplicationGroups.Prefix(cache.ReplicationGroupARN(call.Region, call.Account, "")),
		func(g *cache.ReplicationGroup) string { return g.ID })
	out.Marker = next
	out.ReplicationGroups = request.Answers(found, func(g *cache.ReplicationGroup) shape.ReplicationGroup {
		return answerGroup(g, member(&snap.Tables, g))
	})
	return out, err
}

func (a *api) modifyReplicationGroup(
	ctx context.Context, call *awswire.Call, in *shape.ModifyReplicationGroupInput,
) (*shape.ModifyReplicationGroupOutput, error) {
	if err := plain("", in.IpDiscovery); err != nil {
		return nil, err
	}
	var out shape.ReplicationGroup
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, c, err := findGroup(&tx.Tables, call, in.ReplicationGroupId)
		if err != nil {
			return err
		}
		if old.Status != cache.Available {
			return fault.New(shape.CodeInvalidReplicationGroupState,
				"Replication group %s is not in available state, but %s.", old.ID, old.Status)
		}
		g := *old
		if in.ReplicationGroupDescription != nil {
			g.Description = *in.ReplicationGroupDescription
		}
		next, err := modified(c, in.CacheNodeType, in.PreferredMaintenanceWindow, in.SecurityGroupIds,
			in.AutoMinorVersionUpgrade)
		if err != nil {
			return err
		}
		tx.CacheReplicationGroups.Put(&g)
		tx.CacheClusters.Put(next)
		out = answerGroup(&g, next)
		return nil
	})
	return &shape.ModifyReplicationGroupOutput{ReplicationGroup: &out}, err
}

func (a *api) deleteReplicationGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteReplicationGroupInput,
) (*shape.DeleteReplicationGroupOutput, error) {
	var out shape.ReplicationGroup
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, c, err := findGroup(&tx.Tables, call, in.ReplicationGroupId)
		if err != nil {
			return err
		}
		if old.Status == cache.Deleting {
			return fault.New(shape.CodeInvalidReplicationGroupState,
				"Replication group %s is not in available state, but %s.", old.ID, old.Status)
		}
		g, next := *old, *c
		g.Status, next.Status = cache.Deleting, cache.Deleting
		tx.CacheReplicationGroups.Put(&g)
		tx.CacheClusters.Put(&next)
		out = answerGroup(&g, &next)
		return nil
	})
	return &shape.DeleteReplicationGroupOutput{ReplicationGroup: &out}, err
}
