package elasticache

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/state"
)

// run does what control/cache would have done: the cluster becomes available.
func run(t *testing.T, store *state.Store, id string) {
	t.Helper()
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		old, _ := tx.CacheClusters.Get(cache.ClusterARN(desktest.Region, desktest.Account, id))
		c := *old.WithEvent(time.Now(), "Cache cluster created")
		c.Status, c.Node = cache.Available, cache.Node{Backend: cache.RedisServer, Address: "127.0.0.1", Port: 6380}
		tx.CacheClusters.Put(&c)
		if g, ok := tx.CacheReplicationGroups.Get(
			cache.ReplicationGroupARN(desktest.Region, desktest.Account, c.ReplicationGroupID)); ok {
			n := *g
			n.Status = cache.Available
			tx.CacheReplicationGroups.Put(&n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWSCLI(t *testing.T) {
	store := desktest.Store(t)
	d := desktest.New(t, Service(store))
	name := (&cache.Cluster{ID: "chat", Account: desktest.Account, Region: desktest.Region}).Endpoint()
	if got := d.JSON(t, "elasticache create-cache-cluster --cache-cluster-id Chat --engine redis "+
		"--cache-node-type cache.t3.micro --num-cache-nodes 1 --tags Key=a,Value=b "+
		"--query CacheCluster.[CacheClusterId,CacheClusterStatus,EngineVersion,PreferredAvailabilityZone,"+
		"CacheParameterGroup.CacheParameterGroupName]"); got !=
		`["chat","creating","7.1.0","us-east-1a","default.redis7"]` {
		t.Error(got)
	}
	d.Refused(t, "(CacheClusterAlreadyExists)", "elasticache create-cache-cluster --cache-cluster-id chat "+
		"--engine redis --cache-node-type cache.t3.micro")
	run(t, store, "chat")
	d.AWS(t, "elasticache wait cache-cluster-available --cache-cluster-id chat")
	if got := d.JSON(t, "elasticache describe-cache-clusters --cache-cluster-id chat "+
		"--show-cache-node-info --query CacheClusters[0].CacheNodes[].Endpoint"); got !=
		`[{"Address":"`+name+`","Port":6380}]` {
		t.Error(got)
	}
	if got := d.JSON(t, "elasticache describe-events --query Events[].[SourceIdentifier,"+
		"SourceType,Message]"); got != `[["chat","cache-cluster","Cache cluster created"]]` {
		t.Error(got)
	}
	if got := d.JSON(t, "elasticache list-tags-for-resource --resource-name "+
		"arn:aws:elasticache:us-east-1:123456789012:cluster:chat"); got != `{"TagList":[{"Key":"a","Value":"b"}]}` {
		t.Error(got)
	}
	d.Refused(t, "(CacheClusterNotFound) when calling the DescribeCacheClusters operation: CacheCluster "+
		"not found: nope", "elasticache describe-cache-clusters --cache-cluster-id nope")
	d.Refused(t, "TransitEncryptionEnabled", "elasticache create-cache-cluster --cache-cluster-id b "+
		"--engine redis --cache-node-type cache.t3.micro --transit-encryption-enabled")
	if got := d.JSON(t, "elasticache delete-cache-cluster --cache-cluster-id chat --query "+
		"CacheCluster.CacheClusterStatus"); got != `"deleting"` {
		t.Error(got)
	}
}

func newAPI(t *testing.T) (*api, *awswire.Call) {
	return &api{desktest.Store(t)}, desktest.Call(time.Now())
}

// ecs.md 8.3: the primary endpoint is X.<h>.ng.0001.R.cache… and the reader endpoint X-ro…. In Berth a
// replication group has only its primary.
func TestReplicationGroup(t *testing.T) {
	a, call := newAPI(t)
	ctx := t.Context()
	in := &shape.CreateReplicationGroupInput{ReplicationGroupId: new("chat"),
		ReplicationGroupDescription: new("d"), CacheNodeType: new("cache.t3.micro"), Engine: new("valkey")}
	if _, err := a.createReplicationGroup(ctx, call, in); err != nil {
		t.Fatal(err)
	}
	if _, err := a.createReplicationGroup(ctx, call, in); err == nil ||
		!strings.HasPrefix(err.Error(), "ReplicationGroupAlreadyExists") {
		t.Error(err)
	}
	if _, err := a.modifyReplicationGroup(ctx,
		call, &shape.ModifyReplicationGroupInput{ReplicationGroupId: new("chat")}); err == nil ||
		!strings.HasPrefix(err.Error(), "InvalidReplicationGroupState") {
		t.Error(err)
	}
	run(t, a.store, "chat-001")
	if _, err := a.modifyReplicationGroup(ctx, call, &shape.ModifyReplicationGroupInput{
		ReplicationGroupId: new("chat"), ReplicationGroupDescription: new("e"),
	}); err != nil {
		t.Error(err)
	}
	out, err := a.describeReplicationGroups(ctx, call, &shape.DescribeReplicationGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	g := out.ReplicationGroups[0]
	if *g.Status != "available" || *g.Description != "e" || g.MemberClusters[0] != "chat-001" {
		t.Errorf("%+v", g)
	}
	if p := *g.NodeGroups[0].PrimaryEndpoint; !strings.HasPrefix(*p.Address, "chat.") ||
		!strings.HasSuffix(*p.Address, ".ng.0001.use1.cache.amazonaws.com") || *p.Port != 6380 {
		t.Errorf("primary %s:%d", *p.Address, *p.Port)
	}
	if _, err := a.deleteCacheCluster(ctx,
		call, &shape.DeleteCacheClusterInput{CacheClusterId: new("chat-001")}); err == nil ||
		!strings.HasPrefix(err.Error(), "InvalidCacheClusterState") {
		t.Error(err)
	}
	if _, err := a.deleteReplicationGroup(ctx, call,
		&shape.DeleteReplicationGroupInput{ReplicationGroupId: new("chat")}); err != nil {
		t.Error(err)
	}
	if c, _ := a.store.View().CacheClusters.Get(
		cache.ClusterARN(call.Region, call.Account, "chat-001")); c.Status != cache.Deleting {
		t.Errorf("the member of a deleted group is %s", c.Status)
	}
}

func TestRefusals(t *testing.T) {
	a, call := newAPI(t)
	type input = shape.CreateCacheClusterInput
	for want, change := range map[string]func(*input){
		"InvalidParameterValue: The id":                 func(i *input) { i.CacheClusterId = new("1a") },
		"InvalidParameterValue: The engine memcached":   func(i *input) { i.Engine = new("memcached") },
		"InvalidParameterValue: Unknown combination":    func(i *input) { i.EngineVersion = new("3.2") },
		"InvalidParameterValue: NumCacheNodes is 2":     func(i *input) { i.NumCacheNodes = new(int32(2)) },
		"must be provided":                              func(i *input) { i.CacheNodeType = nil },
		"InvalidParameterValue: CacheNodeType t3.micro": func(i *input) { i.CacheNodeType = new("t3.micro") },
		"InvalidParameterValue: Port 0":                 func(i *input) { i.Port = new(int32(0)) },
		"InvalidParameterValue: The availability zone": func(i *input) {
			i.PreferredAvailabilityZone = new("eu-west-1a")
		},
		"CacheSubnetGroupNotFoundFault: Cache Subnet Group": func(i *input) { i.CacheSubnetGroupName = new("nope") },
		"CacheParameterGroupNotFound":                       func(i *input) { i.CacheParameterGroupName = new("mine") },
		"read replica":                                      func(i *input) { i.ReplicationGroupId = new("g") },
		"several availability zones":                        func(i *input) { i.AZMode = "cross-az" },
		"can only be ipv4":                                  func(i *input) { i.NetworkType = "ipv6" },
	} {
		in := &input{CacheClusterId: new("c"), CacheNodeType: new("cache.t3.micro")}
		change(in)
		if _, err := a.createCacheCluster(t.Context(), call, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if n := a.store.View().CacheClusters.Len(); n != 0 {
		t.Errorf("%d clusters were made", n)
	}
}

func TestSubnetGroups(t *testing.T) {
	a, call := newAPI(t)
	ctx := t.Context()
	in := &shape.CreateCacheSubnetGroupInput{CacheSubnetGroupName: new("Private"),
		CacheSubnetGroupDescription: new("d"), SubnetIds: []string{"subnet-1"}}
	if out, err := a.createCacheSubnetGroup(ctx, call, in); err != nil ||
		*out.CacheSubnetGroup.CacheSubnetGroupName != "private" {
		t.Fatal(out, err)
	}
	if _, err := a.createCacheCluster(ctx, call, &shape.CreateCacheClusterInput{
		CacheClusterId: new("c"), CacheNodeType: new("cache.t3.micro"), CacheSubnetGroupName: new("private"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.deleteCacheSubnetGroup(ctx, call, &shape.DeleteCacheSubnetGroupInput{
		CacheSubnetGroupName: new("private"),
	}); err == nil || !strings.HasPrefix(err.Error(), "CacheSubnetGroupInUse") {
		t.Error(err)
	}
	if out, err := a.modifyCacheSubnetGroup(ctx, call, &shape.ModifyCacheSubnetGroupInput{
		CacheSubnetGroupName: new("private"), SubnetIds: []string{"subnet-2"},
	}); err != nil || *out.CacheSubnetGroup.Subnets[0].SubnetIdentifier != "subnet-2" {
		t.Error(out, err)
	}
	arn := new(cache.SubnetGroupARN(call.Region, call.Account, "private"))
	if out, err := a.addTags(ctx, call, &shape.AddTagsToResourceInput{
		ResourceName: arn, Tags: []shape.Tag{{Key: new("k"), Value: new("v")}},
	}); err != nil || len(out.TagList) != 1 {
		t.Error(out, err)
	}
	if out, err := a.removeTags(ctx, call, &shape.RemoveTagsFromResourceInput{
		ResourceName: arn, TagKeys: []string{"k"},
	}); err != nil || len(out.TagList) != 0 {
		t.Error(out, err)
	}
}

func TestEngineVersions(t *testing.T) {
	a, call := newAPI(t)
	out, err := a.describeCacheEngineVersions(t.Context(), call,
		&shape.DescribeCacheEngineVersionsInput{DefaultOnly: new(true)})
	if err != nil || len(out.CacheEngineVersions) != 2 || *out.CacheEngineVersions[0].EngineVersion != "7.1" {
		t.Error(out, err)
	}
	for asked, want := range map[string]string{"": "7.1", "7.0": "7.0", "7.0.5": "7.0", "6.x": "6.2"} {
		if e, err := findEngine("redis", asked); err != nil || e.version != want {
			t.Errorf("%s: %+v %v", asked, e, err)
		}
	}
}
