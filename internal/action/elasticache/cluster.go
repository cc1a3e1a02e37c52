package elasticache

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createCacheCluster(
	ctx context.Context, call *awswire.Call, in *shape.CreateCacheClusterInput,
) (*shape.CreateCacheClusterOutput, error) {
	if in.ReplicationGroupId != nil {
		return nil, invalid("ReplicationGroupId would make the cluster a read replica; Berth runs one node " +
			"for each replication group.")
	}
	if in.AZMode == "cross-az" || len(in.PreferredAvailabilityZones) > 1 {
		return nil, invalid("A cluster of one node cannot be in several availability zones.")
	}
	if err := oneNode("NumCacheNodes", in.NumCacheNodes); err != nil {
		return nil, err
	}
	if err := plain(in.NetworkType, in.IpDiscovery); err != nil {
		return nil, err
	}
	zone := request.Value(in.PreferredAvailabilityZone)
	if len(in.PreferredAvailabilityZones) == 1 {
		zone = in.PreferredAvailabilityZones[0]
	}
	c, err := parseCluster(call, cluster{
		id: lower(in.CacheClusterId), engine: request.Value(in.Engine),
		version: request.Value(in.EngineVersion), nodeType: request.Value(in.CacheNodeType), zone: zone, port: in.Port,
		parameterGroup: request.Value(in.CacheParameterGroupName), subnetGroup: lower(in.CacheSubnetGroupName),
		securityGroups: in.SecurityGroupIds, window: request.Value(in.PreferredMaintenanceWindow),
		autoUpgrade: in.AutoMinorVersionUpgrade, tags: in.Tags, maxID: 50,
	})
	if err != nil {
		return nil, err
	}
	err = a.store.Update(ctx, func(tx *state.Tx) error { return putCluster(tx, c) })
	return &shape.CreateCacheClusterOutput{CacheCluster: new(answerCluster(c, false))}, err
}

// cluster is what is asked of a cluster, by either of the two actions that make one.
type cluster struct {
	id, engine, version, nodeType, zone, parameterGroup, subnetGroup, window string

	port           *int32
	autoUpgrade    *bool
	securityGroups []string
	tags           []shape.Tag
	maxID          int
}

func parseCluster(call *awswire.Call, in cluster) (*cache.Cluster, error) {
	if !cache.ValidID(in.id, in.maxID) {
		return nil, invalid("The id %q is not valid: it has 1 to %d letters, digits and hyphens, begins "+
			"with a letter, and has no hyphen at its end or next to another.", in.id, in.maxID)
	}
	e, err := findEngine(in.engine, in.version)
	if err != nil {
		return nil, err
	}
	switch {
	case in.nodeType == "":
		return nil, invalid("The parameter CacheNodeType must be provided and must not be blank.")
	case in.port != nil && (*in.port < 1 || *in.port > 65535):
		return nil, invalid("Port %d is not between 1 and 65535.", *in.port)
	case in.zone != "" && !strings.HasPrefix(in.zone, call.Region):
		return nil, invalid("The availability zone %s is not one of the region %s.", in.zone, call.Region)
	case in.parameterGroup != "" && in.parameterGroup != "default."+e.family:
		return nil, fault.New(shape.CodeCacheParameterGroupNotFound, "CacheParameterGroup %s not found; "+
			"Berth has the default groups only, here default.%s.", in.parameterGroup, e.family)
	}
	if err := checkNodeType(in.nodeType); err != nil {
		return nil, err
	}
	tags, err := parseTags(in.tags)
	if err != nil {
		return nil, err
	}
	c := &cache.Cluster{
		ARN: cache.ClusterARN(call.Region, call.Account, in.id), Account: call.Account, Region: call.Region,
		ID: in.id, Status: cache.Creating, Engine: e.name, EngineVersion: cmp.Or(in.version, e.version),
		NodeType: in.nodeType, Zone: cmp.Or(in.zone, call.Region+"a"), ParameterGroup: "default." + e.family,
		SubnetGroup: in.subnetGroup, SecurityGroupIDs: in.securityGroups,
		MaintenanceWindow: cmp.Or(in.window, maintenance), CreatedAt: call.Now, Tags: tags,
		AutoMinorUpgrade: in.autoUpgrade == nil || *in.autoUpgrade, WantedPort: int(request.Value(in.port)),
	}
	return c, nil
}

func checkNodeType(name string) error {
	if !strings.HasPrefix(name, "cache.") {
		return invalid("CacheNodeType %s is not one: it begins with cache., as in cache.t3.micro.", name)
	}
	return nil
}

func putCluster(tx *state.Tx, c *cache.Cluster) error {
	if _, ok := tx.CacheClusters.Get(c.ARN); ok {
		return fault.New(shape.CodeCacheClusterAlreadyExists, "Cache cluster already exists: %s", c.ID)
	}
	if c.SubnetGroup != "" {
		if _, ok := tx.CacheSubnetGroups.Get(cache.SubnetGroupARN(c.Region, c.Account, c.SubnetGroup)); !ok {
			return subnetGroupNotFound(c.SubnetGroup)
		}
	}
	tx.CacheClusters.Put(c)
	launch.LinkRole(tx, c.Account, role.ServiceElastiCache, c.CreatedAt)
	return nil
}

func find(tables *state.Tables, call *awswire.Call, id *string) (*cache.Cluster, error) {
	c, ok := tables.CacheClusters.Get(cache.ClusterARN(call.Region, call.Account, lower(id)))
	if !ok {
		return nil, fault.New(shape.CodeCacheClusterNotFound, "CacheCluster not found: %s",
			request.Value(id)).WithStatus(404)
	}
	return c, nil
}

// clusters yields the caller's clusters in order of their ids.
func clusters(tables *state.Tables, call *awswire.Call) iter.Seq[*cache.Cluster] {
	return tables.CacheClusters.Prefix(cache.ClusterARN(call.Region, call.Account, ""))
}

func (a *api) describeCacheClusters(
	_ context.Context, call *awswire.Call, in *shape.DescribeCacheClustersInput,
) (*shape.DescribeCacheClustersOutput, error) {
	snap, nodes := a.store.View(), request.Value(in.ShowCacheNodeInfo)
	out := &shape.DescribeCacheClustersOutput{}
	if in.CacheClusterId != nil {
		c, err := find(&snap.Tables, call, in.CacheClusterId)
		if err == nil {
			out.CacheClusters = append(out.CacheClusters, answerCluster(c, nodes))
		}
		return out, err
	}
	alone := request.Value(in.ShowCacheClustersNotInReplicationGroups)
	list := request.Where(clusters(&snap.Tables, call),
		func(c *cache.Cluster) bool { return !alone || c.ReplicationGroupID == "" })
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.Marker), list,
		func(c *cache.Cluster) string { return c.ID })
	out.Marker = next
	out.CacheClusters = request.Answers(found,
		func(c *cache.Cluster) shape.CacheCluster { return answerCluster(c, nodes) })
	return out, err
}

func answerCluster(c *cache.Cluster, nodes bool) shape.CacheCluster {
	out := shape.CacheCluster{
		ARN: &c.ARN, CacheClusterId: &c.ID, CacheClusterStatus: &c.Status,
		CacheClusterCreateTime: &c.CreatedAt, CacheNodeType: &c.NodeType, Engine: &c.Engine,
		EngineVersion: answerVersion(c), NumCacheNodes: new(int32(1)), PreferredAvailabilityZone: &c.Zone,
		PreferredMaintenanceWindow: &c.MaintenanceWindow, NetworkType: "ipv4", IpDiscovery: "ipv4",
		CacheParameterGroup: &shape.CacheParameterGroupStatus{CacheParameterGroupName: &c.ParameterGroup,
			ParameterApplyStatus: new("in-sync")},
		AtRestEncryptionEnabled: new(false), AuthTokenEnabled: new(false),
		TransitEncryptionEnabled: new(false), AutoMinorVersionUpgrade: &c.AutoMinorUpgrade,
		SnapshotRetentionLimit: new(int32(0)),
		CacheSubnetGroupName:   request.Optional(c.SubnetGroup),
		ReplicationGroupId:     request.Optional(c.ReplicationGroupID),
	}
	for _, id := range c.SecurityGroupIDs {
		out.SecurityGroups = append(out.SecurityGroups,
			shape.SecurityGroupMembership{SecurityGroupId: &id, Status: new("active")})
	}
	if nodes {
		node := shape.CacheNode{CacheNodeId: new("0001"), CacheNodeStatus: &c.Status,
			CacheNodeCreateTime: &c.CreatedAt, CustomerAvailabilityZone: &c.Zone,
			ParameterGroupStatus: new("in-sync")}
		if c.Node.Port != 0 {
			node.Endpoint = endpoint(c.Endpoint(), c)
		}
		out.CacheNodes = []shape.CacheNode{node}
	}
	return out
}

func endpoint(name string, c *cache.Cluster) *shape.Endpoint {
	return &shape.Endpoint{Address: &name, Port: new(int32(c.Node.Port))}
}

func (a *api) modifyCacheCluster(
	ctx context.Context, call *awswire.Call, in *shape.ModifyCacheClusterInput,
) (*shape.ModifyCacheClusterOutput, error) {
	if err := oneNode("NumCacheNodes", in.NumCacheNodes); err != nil {
		return nil, err
	}
	if err := plain("", in.IpDiscovery); err != nil {
		return nil, err
	}
	var out shape.CacheCluster
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := find(&tx.Tables, call, in.CacheClusterId)
		if err != nil {
			return err
		}
		next, err := modified(c, in.CacheNodeType, in.PreferredMaintenanceWindow, in.SecurityGroupIds,
			in.AutoMinorVersionUpgrade)
		if err != nil {
			return err
		}
		tx.CacheClusters.Put(next)
		out = answerCluster(next, false)
		return nil
	})
	return &shape.ModifyCacheClusterOutput{CacheCluster: &out}, err
}

// modified is c with the settings that can be changed while it runs.
func modified(
	c *cache.Cluster, nodeType, window *string, securityGroups []string, autoUpgrade *bool,
) (*cache.Cluster, error) {
	if c.Status != cache.Available {
		return nil, fault.New(shape.CodeInvalidCacheClusterState,
			"Cache cluster %s is not in available state, but %s.", c.ID, c.Status)
	}
	next := *c
	if nodeType != nil {
		if err := checkNodeType(*nodeType); err != nil {
			return nil, err
		}
		next.NodeType = *nodeType
	}
	if window != nil {
		next.MaintenanceWindow = *window
	}
	if len(securityGroups) > 0 {
		next.SecurityGroupIDs = securityGroups
	}
	if autoUpgrade != nil {
		next.AutoMinorUpgrade = *autoUpgrade
	}
	return &next, nil
}

func (a *api) deleteCacheCluster(
	ctx context.Context, call *awswire.Call, in *shape.DeleteCacheClusterInput,
) (*shape.DeleteCacheClusterOutput, error) {
	var out shape.CacheCluster
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := find(&tx.Tables, call, in.CacheClusterId)
		switch {
		case err != nil:
			return err
		case c.ReplicationGroupID != "":
			return fault.New(shape.CodeInvalidCacheClusterState,
				"Cache cluster %s is the only member of replication group %s; delete the group instead.",
				c.ID, c.ReplicationGroupID)
		case c.Status == cache.Deleting:
			return fault.New(shape.CodeInvalidCacheClusterState,
				"Cache cluster %s is not in available state, but %s.", c.ID, c.Status)
		}
		next := *c
		next.Status = cache.Deleting
		tx.CacheClusters.Put(&next)
		out = answerCluster(&next, false)
		return nil
	})
	return &shape.DeleteCacheClusterOutput{CacheCluster: &out}, err
}
