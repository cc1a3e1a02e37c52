package elasticache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
)

// desk is the front desk with one service. Tests call run for what the controller would do.
type desk struct {
	*desktest.Desk
	t *testing.T
}

// says makes a call, given as "Action a=b", and fails the test unless the answer contains all the words.
func (d desk) says(line string, words ...string) string {
	d.t.Helper()
	out := d.Query(d.t, "elasticache", desktest.Form(shape.APIVersion, line))
	for _, w := range words {
		if !strings.Contains(out, w) {
			d.t.Errorf("%s\nanswers %s\nwant    %s", line, out, w)
		}
	}
	return out
}

// count checks how often the answer contains a word.
func (d desk) count(line, word string, want int) string {
	d.t.Helper()
	out := d.says(line)
	if n := strings.Count(out, word); n != want {
		d.t.Errorf("%s\nanswers %s\nwant %s %d times, not %d", line, out, word, want, n)
	}
	return out
}

const create = "CreateCacheCluster CacheNodeType=cache.t3.micro CacheClusterId="

// Names of subnet groups are stored in lower case, and calls may write them in any case. A group in use
// cannot be deleted.
func TestSubnetGroupsByAnyName(t *testing.T) {
	store := desktest.Store(t)
	d := desk{desktest.New(t, Service(store)), t}
	group := "CreateCacheSubnetGroup CacheSubnetGroupDescription=d SubnetIds.SubnetIdentifier.1=subnet-1 " +
		"CacheSubnetGroupName="
	d.says(group+"Web", "<CacheSubnetGroupName>web</CacheSubnetGroupName>")
	d.says(group+"WEB", "CacheSubnetGroupAlreadyExists: Cache subnet group web already exists.")
	d.says(group+"a_b", "InvalidParameterValue: The subnet group name")
	d.says("CreateCacheSubnetGroup CacheSubnetGroupDescription=d CacheSubnetGroupName=x", ": ")
	d.says(create+"one CacheSubnetGroupName=Web", "<CacheSubnetGroupName>web</CacheSubnetGroupName>")
	d.says(create+"two CacheSubnetGroupName=never",
		"CacheSubnetGroupNotFoundFault: Cache Subnet Group never does not exist.")
	d.says("DeleteCacheSubnetGroup CacheSubnetGroupName=web",
		"CacheSubnetGroupInUse: Cache subnet group web is currently in use by a cache cluster: one.")
	d.says("ModifyCacheSubnetGroup CacheSubnetGroupName=wEb "+
		"CacheSubnetGroupDescription=new SubnetIds.SubnetIdentifier.1=subnet-2",
		"<CacheSubnetGroupDescription>new</CacheSubnetGroupDescription>",
		"<SubnetIdentifier>subnet-2</SubnetIdentifier>")
	d.says("DescribeCacheSubnetGroups CacheSubnetGroupName=WEB", "<CacheSubnetGroupDescription>new<")
	d.says("DescribeCacheSubnetGroups CacheSubnetGroupName=never", "CacheSubnetGroupNotFoundFault: ")
	for i := range 24 {
		d.says(group + fmt.Sprintf("g%02d", i))
	}
	first := d.count("DescribeCacheSubnetGroups MaxRecords=20", "<CacheSubnetGroupName>", 20)
	_, marker, _ := strings.Cut(first, "<Marker>")
	marker, _, _ = strings.Cut(marker, "<")
	second := d.count("DescribeCacheSubnetGroups MaxRecords=20 Marker="+marker, "<CacheSubnetGroupName>", 5)
	if strings.Contains(second, "<Marker>") || !strings.Contains(second, ">web<") {
		t.Errorf("the second page, which is the last, is %s", second)
	}
	d.says("DescribeCacheSubnetGroups MaxRecords=19",
		"InvalidParameterValue: MaxRecords must be between 20 and 100, not 19.")
	d.says("DescribeCacheSubnetGroups Marker=mine", ": ")
	d.says("DeleteCacheSubnetGroup CacheSubnetGroupName=g00")
	d.says("DeleteCacheSubnetGroup CacheSubnetGroupName=g00", "CacheSubnetGroupNotFoundFault: ")
}

// Only an available cluster can be modified, and only within what Berth supports.
func TestClusterIsModified(t *testing.T) {
	store := desktest.Store(t)
	d := desk{desktest.New(t, Service(store)), t}
	d.says(create + "one")
	const modify = "ModifyCacheCluster CacheClusterId=one "
	d.says(modify+"CacheNodeType=cache.t3.small",
		"InvalidCacheClusterState: Cache cluster one is not in available state, but creating.")
	run(t, store, "one")
	d.says(modify+"CacheNodeType=t3.small",
		"InvalidParameterValue: CacheNodeType t3.small is not one: it begins with cache.")
	d.says(modify+"NumCacheNodes=2", "InvalidParameterValue: NumCacheNodes is 2")
	d.says(modify+"IpDiscovery=ipv6", "InvalidParameterValue: NetworkType and IpDiscovery can only be ipv4.")
	d.says("ModifyCacheCluster CacheClusterId=never", "CacheClusterNotFound: CacheCluster not found: never")
	d.says(modify+"CacheNodeType=cache.t3.small PreferredMaintenanceWindow=mon:01:00-mon:02:00 "+
		"AutoMinorVersionUpgrade=false SecurityGroupIds.SecurityGroupId.1=sg-1",
		"<CacheNodeType>cache.t3.small<", "<PreferredMaintenanceWindow>mon:01:00-mon:02:00<",
		"<AutoMinorVersionUpgrade>false<", "<SecurityGroupId>sg-1<")
	d.says("DescribeCacheClusters CacheClusterId=ONE", "<CacheNodeType>cache.t3.small<",
		"<PreferredMaintenanceWindow>mon:01:00-mon:02:00<", "<SecurityGroupId>sg-1<")
	d.says("DeleteCacheCluster CacheClusterId=one", "<CacheClusterStatus>deleting<")
	d.says("DeleteCacheCluster CacheClusterId=one",
		"InvalidCacheClusterState: Cache cluster one is not in available state, but deleting.")
	d.says(modify, "InvalidCacheClusterState: ")
}

// DescribeCacheClusters returns pages. Clusters of replication groups are in them unless the call excludes
// them.
func TestClustersInPages(t *testing.T) {
	store := desktest.Store(t)
	d := desk{desktest.New(t, Service(store)), t}
	for i := range 21 {
		d.says(create + fmt.Sprintf("c%02d", i))
	}
	d.says("CreateReplicationGroup ReplicationGroupId=group ReplicationGroupDescription=d CacheNodeType=cache.t3.micro")
	d.says("CreateReplicationGroup ReplicationGroupId=Group ReplicationGroupDescription=d CacheNodeType=cache.t3.micro",
		"ReplicationGroupAlreadyExists: Replication group group already exists.")
	d.count("DescribeCacheClusters", "<CacheClusterId>", 22)
	d.count("DescribeCacheClusters ShowCacheClustersNotInReplicationGroups=true", "<CacheClusterId>", 21)
	first := d.count("DescribeCacheClusters MaxRecords=20", "<CacheClusterId>", 20)
	_, marker, _ := strings.Cut(first, "<Marker>")
	marker, _, _ = strings.Cut(marker, "<")
	last := d.count("DescribeCacheClusters MaxRecords=20 Marker="+marker, "<CacheClusterId>", 2)
	if strings.Contains(last, "<Marker>") {
		t.Errorf("there is a page after the last: %s", last)
	}
	d.says("DescribeCacheClusters MaxRecords=101",
		"InvalidParameterValue: MaxRecords must be between 20 and 100, not 101.")
	d.count("DescribeReplicationGroups", "<ReplicationGroupId>", 1)
	d.says("DescribeReplicationGroups ReplicationGroupId=never",
		"ReplicationGroupNotFoundFault: ReplicationGroup never not found.")
	d.says("DeleteCacheCluster CacheClusterId=group-001",
		"InvalidCacheClusterState: Cache cluster group-001 is the only member of replication group group")
}

// The only parameter groups are the default groups of the engines.
func TestParameterGroups(t *testing.T) {
	d := desk{desktest.New(t, Service(desktest.Store(t))), t}
	d.count("DescribeCacheParameterGroups", "<CacheParameterGroupName>", 4)
	d.count("DescribeCacheParameterGroups CacheParameterGroupName=default.redis7",
		"<CacheParameterGroupFamily>redis7<", 1)
	d.says("DescribeCacheParameterGroups CacheParameterGroupName=mine",
		"CacheParameterGroupNotFound: CacheParameterGroup mine not found.")
	d.says(create+"one CacheParameterGroupName=mine", "CacheParameterGroupNotFound: CacheParameterGroup "+
		"mine not found; Berth has the default groups only, here default.redis7.")
	d.says(create+"one CacheParameterGroupName=default.redis7", "<CacheClusterStatus>creating<")
}

// Tags are found by the ARN of their resource. A resource has at most fifty.
func TestTagsOfEverything(t *testing.T) {
	d := desk{desktest.New(t, Service(desktest.Store(t))), t}
	d.says(create + "one")
	d.says("CreateReplicationGroup ReplicationGroupId=group ReplicationGroupDescription=d CacheNodeType=cache.t3.micro")
	d.says("CreateCacheSubnetGroup CacheSubnetGroupDescription=d SubnetIds.SubnetIdentifier.1=subnet-1 " +
		"CacheSubnetGroupName=web")
	const prefix = " ResourceName=arn:aws:elasticache:us-east-1:123456789012:"
	tags := func(n int) (line string) {
		for i := range n {
			line += fmt.Sprintf(" Tags.Tag.%[1]d.Key=k%[1]d Tags.Tag.%[1]d.Value=v", i+1)
		}
		return line
	}
	for _, kind := range []string{"cluster:one", "replicationgroup:group", "subnetgroup:web"} {
		d.count("AddTagsToResource"+prefix+kind+tags(2), "<Key>", 2)
		d.count("RemoveTagsFromResource"+prefix+kind+" TagKeys.member.1=k1 TagKeys.member.2=never", "<Key>", 1)
		d.says("ListTagsForResource"+prefix+kind, "<Key>k2</Key>")
		d.says("AddTagsToResource"+prefix+kind+tags(51),
			"TagQuotaPerResourceExceeded: A resource can have no more than 50 tags.")
		d.count("AddTagsToResource"+prefix+kind+tags(50), "<Key>", 50)
		d.says("AddTagsToResource"+prefix+kind+" Tags.Tag.1.Key=k51 Tags.Tag.1.Value=v",
			"TagQuotaPerResourceExceeded: ")
	}
	d.says("ListTagsForResource"+prefix+"cluster:never", "CacheClusterNotFound: ")
	d.says("ListTagsForResource ResourceName=arn:aws:elasticache:eu-west-2:123456789012:cluster:one", "InvalidARN: ")
	d.says("ListTagsForResource ResourceName=one", "InvalidARN: ")
	long := strings.Repeat("ä", 128)
	d.says("AddTagsToResource"+prefix+"cluster:one Tags.Tag.1.Key=aws:x",
		`InvalidParameterValue: The tag "aws:x" is not valid`)
	d.says("RemoveTagsFromResource"+prefix+"cluster:one TagKeys.member.1=k1", "<Key>k2<")
	d.says("AddTagsToResource"+prefix+"cluster:one Tags.Tag.1.Key="+long+" Tags.Tag.1.Value="+long+long,
		"<Key>"+long+"<")
	d.says("AddTagsToResource"+prefix+"cluster:one Tags.Tag.1.Key="+long+"ä", "InvalidParameterValue: The tag")
}

// DescribeEvents returns the events of the last hour, or of the period that the call gives, for one cluster
// or all.
func TestEvents(t *testing.T) {
	store := desktest.Store(t)
	d := desk{desktest.New(t, Service(store)), t}
	for _, id := range []string{"one", "two"} {
		d.says(create + id)
		run(t, store, id)
	}
	d.count("DescribeEvents", "<SourceIdentifier>", 2)
	d.count("DescribeEvents SourceType=cache-cluster SourceIdentifier=two", "<SourceIdentifier>two<", 1)
	d.count("DescribeEvents SourceType=replication-group", "<SourceIdentifier>", 0)
	d.count("DescribeEvents EndTime=2020-01-01T00:00:00Z StartTime=2019-01-01T00:00:00Z", "<SourceIdentifier>", 0)
	d.count("DescribeEvents StartTime=2019-01-01T00:00:00Z", "<SourceIdentifier>", 2)
	d.count("DescribeEvents Duration=5", "<SourceIdentifier>", 2)
	d.says("DescribeEvents SourceIdentifier=one",
		"InvalidParameterCombination: SourceType must be given with SourceIdentifier.")
}
