// Package elasticache has the actions of Amazon ElastiCache that clusters of one Redis node need.
// Actions write what is wanted; control/cache runs the servers. What would need more than one node,
// encryption, snapshots or memcached is refused by name.
package elasticache

import (
	"cmp"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

type api struct{ store *state.Store }

// Service returns the actions of Amazon ElastiCache.
func Service(store *state.Store) awswire.Service {
	a := &api{store}
	refusedByAll := []string{"AuthToken", "CacheSecurityGroupNames", "LogDeliveryConfigurations",
		"NotificationTopicArn", "SnapshotRetentionLimit", "SnapshotWindow"}
	create := append([]string{"SnapshotArns", "SnapshotName", "TransitEncryptionEnabled"}, refusedByAll...)
	modify := append([]string{"AuthTokenUpdateStrategy", "CacheParameterGroupName", "Engine", "EngineVersion",
		"NotificationTopicStatus"}, refusedByAll...)
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		ValidationCode: shape.CodeInvalidParameterValue, TokenName: "marker",
		Operations: append(awswire.Absent(shape.Absent), []awswire.Operation{
			awswire.Op("CreateCacheCluster", a.createCacheCluster).
				Refuses(append(create, "OutpostMode", "PreferredOutpostArn", "PreferredOutpostArns")...),
			awswire.Op("DescribeCacheClusters", a.describeCacheClusters),
			awswire.Op("ModifyCacheCluster", a.modifyCacheCluster).
				Refuses(append(modify, "AZMode", "CacheNodeIdsToRemove", "NewAvailabilityZones", "ScaleConfig")...),
			awswire.Op("DeleteCacheCluster", a.deleteCacheCluster).Refuses("FinalSnapshotIdentifier"),
			awswire.Op("CreateReplicationGroup", a.createReplicationGroup).
				Refuses(append(create, "AtRestEncryptionEnabled", "AutomaticFailoverEnabled",
					"MultiAZEnabled", "DataTieringEnabled", "GlobalReplicationGroupId",
					"KmsKeyId", "NodeGroupConfiguration", "PrimaryClusterId", "ReplicasPerNodeGroup",
					"ServerlessCacheSnapshotName", "TransitEncryptionMode", "UserGroupIds", "Durability")...),
			awswire.Op("DescribeReplicationGroups", a.describeReplicationGroups),
			awswire.Op("ModifyReplicationGroup", a.modifyReplicationGroup).
				Refuses(append(modify, "AutomaticFailoverEnabled", "MultiAZEnabled", "ClusterMode",
					"NodeGroupId", "PrimaryClusterId", "RemoveUserGroups",
					"SnapshottingClusterId", "TransitEncryptionEnabled", "TransitEncryptionMode",
					"UserGroupIdsToAdd", "UserGroupIdsToRemove", "Durability")...),
			awswire.Op("DeleteReplicationGroup", a.deleteReplicationGroup).Refuses("FinalSnapshotIdentifier",
				"RetainPrimaryCluster"),
			awswire.Op("CreateCacheSubnetGroup", a.createCacheSubnetGroup),
			awswire.Op("DescribeCacheSubnetGroups", a.describeCacheSubnetGroups),
			awswire.Op("ModifyCacheSubnetGroup", a.modifyCacheSubnetGroup),
			awswire.Op("DeleteCacheSubnetGroup", a.deleteCacheSubnetGroup),
			awswire.Op("DescribeCacheEngineVersions", a.describeCacheEngineVersions).Refuses("Marker"),
			awswire.Op("DescribeCacheParameterGroups", a.describeCacheParameterGroups).Refuses("Marker"),
			awswire.Op("DescribeEvents", a.describeEvents),
			awswire.Op("AddTagsToResource", a.addTags),
			awswire.Op("RemoveTagsFromResource", a.removeTags),
			awswire.Op("ListTagsForResource", a.listTags),
		}...),
	}
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameterValue, format, args...)
}

// oneNode refuses numbers that would need more than one node.
func oneNode(member string, n *int32) error {
	if n != nil && *n != 1 {
		return invalid("%s is %d; Berth runs one node for each cluster, so it must be 1.", member, *n)
	}
	return nil
}

// plain refuses network settings but IPv4.
func plain(networkType, discovery string) error {
	if networkType != "" && networkType != "ipv4" || discovery != "" && discovery != "ipv4" {
		return invalid("NetworkType and IpDiscovery can only be ipv4.")
	}
	return nil
}

var pages = request.Pages{Default: 100, Least: 20, Most: 100, Refuse: func(size, least, most int32) error {
	return invalid("MaxRecords must be between %d and %d, not %d.", least, most, size)
}}

// lower is how ElastiCache keeps ids.
func lower(s *string) string { return strings.ToLower(request.Value(s)) }

// engine is a version that can be asked for. What runs is the redis-server of the machine, whose
// version Node.Version and events tell.
type engine struct{ name, version, family, description string }

// engines are in the order in which they are listed; the last of a name is its default.
var engines = []engine{
	{"redis", "6.2", "redis6.x", "redis version 6.2"},
	{"redis", "7.0", "redis7", "redis version 7.0"},
	{"redis", "7.1", "redis7", "redis version 7.1"},
	{"valkey", "7.2", "valkey7", "valkey version 7.2"},
	{"valkey", "8.0", "valkey8", "valkey version 8.0"},
}

// findEngine completes what was asked for: redis without a name, the newest without a version, 7.1.0 for 7.1.
func findEngine(name, version string) (engine, error) {
	name = cmp.Or(strings.ToLower(name), "redis")
	if name == "memcached" {
		return engine{}, invalid("The engine memcached is not supported by Berth; use redis or valkey.")
	}
	var found *engine
	for i, e := range engines {
		if e.name == name && (version == "" || version == e.version ||
			strings.HasPrefix(version, e.version+".") || version == e.version[:1]+".x") {
			found = &engines[i]
		}
	}
	if found == nil {
		return engine{}, invalid("Unknown combination of engine %q and version %q; "+
			"DescribeCacheEngineVersions lists those that exist.", name, version)
	}
	return *found, nil
}

// answerVersion is the version with its patch level, as ElastiCache tells it.
func answerVersion(c *cache.Cluster) *string {
	if strings.Count(c.EngineVersion, ".") == 1 {
		return new(c.EngineVersion + ".0")
	}
	return &c.EngineVersion
}

// maintenance is the window of a cluster that did not ask for one.
const maintenance = "sun:05:00-sun:06:00"
