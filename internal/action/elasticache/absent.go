package elasticache

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
)

// absentOperations list what cannot exist here: serverless caches, snapshots, users, global groups, reservations.
func absentOperations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Nothing[shape.DescribeServerlessCachesInput, shape.DescribeServerlessCachesOutput]("DescribeServerlessCaches",
			awswire.Unknown{Member: "ServerlessCacheName", Code: "ServerlessCacheNotFoundFault", Message: "Serverless cache %s not found."}),
		awswire.Nothing[shape.DescribeServerlessCacheSnapshotsInput, shape.DescribeServerlessCacheSnapshotsOutput]("DescribeServerlessCacheSnapshots",
			awswire.Unknown{Member: "ServerlessCacheSnapshotName", Code: "ServerlessCacheSnapshotNotFoundFault", Message: "Serverless cache snapshot %s not found."}),
		awswire.Nothing[shape.DescribeSnapshotsInput, shape.DescribeSnapshotsOutput]("DescribeSnapshots",
			awswire.Unknown{Member: "SnapshotName", Code: "SnapshotNotFoundFault", Message: "Snapshot %s not found."}),
		awswire.Nothing[shape.DescribeUsersInput, shape.DescribeUsersOutput]("DescribeUsers",
			awswire.Unknown{Member: "UserId", Code: "UserNotFound", Message: "User %s not found."}),
		awswire.Nothing[shape.DescribeUserGroupsInput, shape.DescribeUserGroupsOutput]("DescribeUserGroups",
			awswire.Unknown{Member: "UserGroupId", Code: "UserGroupNotFound", Message: "User group %s not found."}),
		awswire.Nothing[shape.DescribeGlobalReplicationGroupsInput, shape.DescribeGlobalReplicationGroupsOutput]("DescribeGlobalReplicationGroups",
			awswire.Unknown{Member: "GlobalReplicationGroupId", Code: "GlobalReplicationGroupNotFoundFault", Message: "Global replication group %s not found."}),
		awswire.Nothing[shape.DescribeReservedCacheNodesInput, shape.DescribeReservedCacheNodesOutput]("DescribeReservedCacheNodes",
			awswire.Unknown{Member: "ReservedCacheNodeId", Code: "ReservedCacheNodeNotFound", Message: "Reserved cache node %s not found."}),
		awswire.Nothing[shape.DescribeUpdateActionsInput, shape.DescribeUpdateActionsOutput]("DescribeUpdateActions"),
		awswire.Nothing[shape.DescribeCacheSecurityGroupsInput, shape.DescribeCacheSecurityGroupsOutput]("DescribeCacheSecurityGroups",
			awswire.Unknown{Member: "CacheSecurityGroupName", Code: "CacheSecurityGroupNotFound", Message: "Cache security group %s not found."}),
	}
}
