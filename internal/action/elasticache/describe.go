package elasticache

import (
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/fault"
)

func (a *api) describeCacheEngineVersions(
	_ context.Context, _ *awswire.Call, in *shape.DescribeCacheEngineVersionsInput,
) (*shape.DescribeCacheEngineVersionsOutput, error) {
	out := &shape.DescribeCacheEngineVersionsOutput{}
	for i, e := range engines {
		newest := i == len(engines)-1 || engines[i+1].name != e.name
		if in.Engine != nil && *in.Engine != e.name || in.EngineVersion != nil && *in.EngineVersion != e.version ||
			in.CacheParameterGroupFamily != nil && *in.CacheParameterGroupFamily != e.family ||
			request.Value(in.DefaultOnly) && !newest {
			continue
		}
		out.CacheEngineVersions = append(out.CacheEngineVersions,
			shape.CacheEngineVersion{Engine: &e.name, EngineVersion: &e.version,
				CacheParameterGroupFamily: &e.family, CacheEngineDescription: &e.name,
				CacheEngineVersionDescription: &e.description})
	}
	return out, nil
}

func (a *api) describeCacheParameterGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeCacheParameterGroupsInput,
) (*shape.DescribeCacheParameterGroupsOutput, error) {
	out := &shape.DescribeCacheParameterGroupsOutput{}
	for i, e := range engines {
		name := "default." + e.family
		if i > 0 && engines[i-1].family == e.family ||
			in.CacheParameterGroupName != nil && *in.CacheParameterGroupName != name {
			continue
		}
		out.CacheParameterGroups = append(out.CacheParameterGroups,
			shape.CacheParameterGroup{CacheParameterGroupName: &name, CacheParameterGroupFamily: &e.family,
				Description: new("Default parameter group for " + e.family), IsGlobal: new(false),
				ARN: new(fmt.Sprintf("arn:aws:elasticache:%s:%s:parametergroup:%s", call.Region, call.Account, name))})
	}
	if in.CacheParameterGroupName != nil && len(out.CacheParameterGroups) == 0 {
		return nil, fault.New(shape.CodeCacheParameterGroupNotFound, "CacheParameterGroup %s not found.",
			*in.CacheParameterGroupName)
	}
	return out, nil
}

// describeEvents lists the events of clusters, oldest first: those of the last hour unless a time
// or a duration in minutes is given.
func (a *api) describeEvents(
	_ context.Context, call *awswire.Call, in *shape.DescribeEventsInput,
) (*shape.DescribeEventsOutput, error) {
	from, to := call.Now.Add(-time.Hour), call.Now
	switch {
	case in.Duration != nil:
		from = call.Now.Add(-time.Duration(*in.Duration) * time.Minute)
	case in.StartTime != nil:
		from = *in.StartTime
	}
	if in.EndTime != nil {
		to = *in.EndTime
	}
	if in.SourceIdentifier != nil && in.SourceType == "" {
		return nil, fault.New(shape.CodeInvalidParameterCombination, "SourceType must be given with SourceIdentifier.")
	}
	type keyed struct {
		shape.Event
		key string
	}
	var list []keyed
	for c := range clusters(&a.store.View().Tables, call) {
		if in.SourceIdentifier != nil && *in.SourceIdentifier != c.ID ||
			in.SourceType != "" && in.SourceType != "cache-cluster" {
			continue
		}
		for i, e := range c.Events {
			if !e.At.Before(from) && !e.At.After(to) {
				list = append(list, keyed{shape.Event{
					Date: &e.At, Message: &e.Message, SourceIdentifier: &c.ID, SourceType: "cache-cluster",
				}, fmt.Sprintf("%020d/%s/%04d", e.At.UnixNano(), c.ID, i)})
			}
		}
	}
	found, next, err := request.Page(call, pages.Ask(in.MaxRecords, in.Marker), list,
		func(k keyed) string { return k.key }, request.Value(in.SourceIdentifier), in.SourceType)
	return &shape.DescribeEventsOutput{Marker: next,
		Events: request.Answers(found, func(k keyed) shape.Event { return k.Event })}, err
}
