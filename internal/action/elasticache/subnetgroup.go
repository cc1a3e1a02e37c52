package elasticache

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

func subnetGroupNotFound(name string) error {
	return fault.New(shape.CodeCacheSubnetGroupNotFoundFault, "Cache Subnet Group %s does not exist.", name)
}

func findSubnetGroup(tables *state.Tables, call *awswire.Call, name *string) (*cache.SubnetGroup, error) {
	g, ok := tables.CacheSubnetGroups.Get(cache.SubnetGroupARN(call.Region, call.Account, lower(name)))
	if !ok {
		return nil, subnetGroupNotFound(request.Value(name))
	}
	return g, nil
}

func (a *api) createCacheSubnetGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateCacheSubnetGroupInput,
) (*shape.CreateCacheSubnetGroupOutput, error) {
	name := lower(in.CacheSubnetGroupName)
	if name == "" || len(name) > 255 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, invalid("The subnet group name %q is not valid: it has 1 to 255 letters, digits and hyphens.", name)
	}
	if len(in.SubnetIds) == 0 {
		return nil, invalid("A subnet group needs at least one subnet.")
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	g := &cache.SubnetGroup{ARN: cache.SubnetGroupARN(call.Region, call.Account, name), Account: call.Account,
		Region: call.Region, Name: name,
		Description: *in.CacheSubnetGroupDescription, SubnetIDs: in.SubnetIds, Tags: tags}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.CacheSubnetGroups.Get(g.ARN); ok {
			return fault.New(shape.CodeCacheSubnetGroupAlreadyExists, "Cache subnet group %s already exists.", name)
		}
		tx.CacheSubnetGroups.Put(g)
		return nil
	})
	return &shape.CreateCacheSubnetGroupOutput{CacheSubnetGroup: new(answerSubnetGroup(g))}, err
}

func answerSubnetGroup(g *cache.SubnetGroup) shape.CacheSubnetGroup {
	out := shape.CacheSubnetGroup{
		ARN: &g.ARN, CacheSubnetGroupName: &g.Name, CacheSubnetGroupDescription: &g.Description,
		SupportedNetworkTypes: []string{"ipv4"},
	}
	for _, id := range g.SubnetIDs {
		out.Subnets = append(out.Subnets, shape.Subnet{SubnetIdentifier: &id, SupportedNetworkTypes: []string{"ipv4"}})
	}
	return out
}

func (a *api) describeCacheSubnetGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeCacheSubnetGroupsInput,
) (*shape.DescribeCacheSubnetGroupsOutput, error) {
	snap := a.store.View()
	out := &shape.DescribeCacheSubnetGroupsOutput{}
	if in.CacheSubnetGroupName != nil {
		g, err := findSubnetGroup(&snap.Tables, call, in.CacheSubnetGroupName)
		if err == nil {
			out.CacheSubnetGroups = append(out.CacheSubnetGroups, answerSubnetGroup(g))
		}
		return out, err
	}
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.Marker),
		snap.CacheSubnetGroups.Prefix(cache.SubnetGroupARN(call.Region, call.Account, "")),
		func(g *cache.SubnetGroup) string { return g.Name })
	return &shape.DescribeCacheSubnetGroupsOutput{CacheSubnetGroups: request.Answers(found, answerSubnetGroup),
		Marker: next}, err
}

func (a *api) modifyCacheSubnetGroup(
	ctx context.Context, call *awswire.Call, in *shape.ModifyCacheSubnetGroupInput,
) (*shape.ModifyCacheSubnetGroupOutput, error) {
	var out shape.CacheSubnetGroup
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := findSubnetGroup(&tx.Tables, call, in.CacheSubnetGroupName)
		if err != nil {
			return err
		}
		g := *old
		if in.CacheSubnetGroupDescription != nil {
			g.Description = *in.CacheSubnetGroupDescription
		}
		if len(in.SubnetIds) > 0 {
			g.SubnetIDs = in.SubnetIds
		}
		tx.CacheSubnetGroups.Put(&g)
		out = answerSubnetGroup(&g)
		return nil
	})
	return &shape.ModifyCacheSubnetGroupOutput{CacheSubnetGroup: &out}, err
}

func (a *api) deleteCacheSubnetGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteCacheSubnetGroupInput,
) (*shape.DeleteCacheSubnetGroupOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := findSubnetGroup(&tx.Tables, call, in.CacheSubnetGroupName)
		if err != nil {
			return err
		}
		for c := range clusters(&tx.Tables, call) {
			if c.SubnetGroup == g.Name {
				return fault.New(shape.CodeCacheSubnetGroupInUse,
					"Cache subnet group %s is currently in use by a cache cluster: %s.", g.Name, c.ID)
			}
		}
		tx.CacheSubnetGroups.Delete(g.ARN)
		return nil
	})
}
