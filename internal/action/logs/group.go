package logs

import (
	"cmp"
	"context"
	"iter"
	"regexp"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func (a *api) createLogGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateLogGroupInput,
) (*shape.CreateLogGroupOutput, error) {
	if err := loggroup.ValidateGroupName(*in.LogGroupName); err != nil {
		return nil, err
	}
	tags, err := tagRules.New(tag.FromMap(in.Tags))
	if err != nil {
		return nil, err
	}
	g := &loggroup.Group{
		ARN: loggroup.GroupARN(call.Region, call.Account, *in.LogGroupName), Name: *in.LogGroupName,
		ID: newid.Hex(call.Random, 16), CreatedAt: call.Now, Class: in.LogGroupClass, Tags: tags,
		KMSKeyID: request.Value(in.KmsKeyId),
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.LogGroups.Get(g.ARN); ok {
			return fault.New(shape.CodeResourceAlreadyExistsException, "The specified log group already exists")
		}
		tx.LogGroups.Put(g)
		return nil
	})
}

func (a *api) deleteLogGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLogGroupInput,
) (*shape.DeleteLogGroupOutput, error) {
	var gone *loggroup.Group
	err := a.store.Update(ctx, func(tx *state.Tx) (err error) {
		if gone, err = group(&tx.Tables, call, in.LogGroupName, nil); err != nil {
			return err
		}
		for s := range tx.LogStreams.Prefix(loggroup.StreamARN(gone.ARN, "")) {
			tx.LogStreams.Delete(s.ARN)
		}
		for f := range tx.MetricFilters.Prefix(loggroup.FilterARN(gone.ARN, "")) {
			tx.MetricFilters.Delete(f.ARN)
		}
		tx.LogGroups.Delete(gone.ARN)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The group's row is deleted already. If Drop leaves files on the disk, control/retention removes them.
	_ = a.events.Drop(gone.ID)
	return nil, nil
}

// groups yields the groups of the caller whose names begin with prefix, in order of their names.
func groups(tables *state.Tables, call *awswire.Call, prefix string) iter.Seq[*loggroup.Group] {
	return tables.LogGroups.Prefix(loggroup.GroupARN(call.Region, call.Account, prefix))
}

func nameOf(g *loggroup.Group) string { return g.Name }

func (a *api) describeLogGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeLogGroupsInput,
) (*shape.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	prefix, pattern := request.Value(in.LogGroupNamePrefix), request.Value(in.LogGroupNamePattern)
	wanted := map[string]bool{}
	for _, id := range in.LogGroupIdentifiers {
		wanted[loggroup.NameOf(id)] = !elsewhere(call, id)
	}
	snap := a.store.View()
	list := request.Where(groups(&snap.Tables, call, prefix), func(g *loggroup.Group) bool {
		return strings.Contains(g.Name, pattern) && (len(wanted) == 0 || wanted[g.Name]) &&
			(in.LogGroupClass == "" || in.LogGroupClass == class(g))
	})
	found, next, err := request.Cut(call, pages(50).Ask(in.Limit, in.NextToken), list, nameOf,
		append([]string{prefix, pattern, in.LogGroupClass}, in.LogGroupIdentifiers...)...)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLogGroupsOutput{NextToken: next}
	for _, g := range found {
		answer, err := a.answerGroup(&snap.Tables, g)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, answer)
	}
	return out, nil
}

func (a *api) answerGroup(tables *state.Tables, g *loggroup.Group) (shape.LogGroup, error) {
	stats, err := a.events.Stats(g.ID)
	if err != nil {
		return shape.LogGroup{}, err
	}
	var stored int64
	for _, s := range stats {
		stored += s.Bytes
	}
	return shape.LogGroup{
		Arn: new(g.ARN + ":*"), LogGroupArn: new(g.ARN), LogGroupName: new(g.Name), LogGroupClass: class(g),
		CreationTime: new(g.CreatedAt.UnixMilli()), StoredBytes: new(stored),
		MetricFilterCount: new(int32(tables.MetricFiltersOf(g.ARN))),
		RetentionInDays:   request.Optional(int32(g.RetentionDays)), KmsKeyId: request.Optional(g.KMSKeyID),
	}, nil
}

func (a *api) listLogGroups(
	_ context.Context, call *awswire.Call, in *shape.ListLogGroupsInput,
) (*shape.ListLogGroupsOutput, error) {
	pattern, err := regexp.Compile(request.Value(in.LogGroupNamePattern))
	if err != nil {
		return nil, invalid("logGroupNamePattern is not a regular expression.")
	}
	snap := a.store.View()
	list := request.Where(groups(&snap.Tables, call, ""), func(g *loggroup.Group) bool {
		return pattern.MatchString(g.Name) && (in.LogGroupClass == "" || in.LogGroupClass == class(g))
	})
	listed := pages(1000)
	listed.Default = 50
	found, next, err := request.Cut(call, listed.Ask(in.Limit, in.NextToken), list, nameOf, pattern.String(),
		in.LogGroupClass)
	return &shape.ListLogGroupsOutput{NextToken: next,
		LogGroups: request.Answers(found, func(g *loggroup.Group) shape.LogGroupSummary {
			return shape.LogGroupSummary{LogGroupArn: new(g.ARN), LogGroupName: new(g.Name), LogGroupClass: class(g)}
		})}, err
}

func class(g *loggroup.Group) string {
	return cmp.Or(g.Class, "STANDARD")
}

func (a *api) putRetentionPolicy(
	ctx context.Context, call *awswire.Call, in *shape.PutRetentionPolicyInput,
) (*shape.PutRetentionPolicyOutput, error) {
	if err := loggroup.ValidateRetention(int(*in.RetentionInDays)); err != nil {
		return nil, err
	}
	return nil, a.changeGroup(ctx, call, in.LogGroupName, func(g *loggroup.Group) error {
		g.RetentionDays = int(*in.RetentionInDays)
		return nil
	})
}

func (a *api) deleteRetentionPolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRetentionPolicyInput,
) (*shape.DeleteRetentionPolicyOutput, error) {
	return nil, a.changeGroup(ctx, call, in.LogGroupName, func(g *loggroup.Group) error {
		g.RetentionDays = 0
		return nil
	})
}

// changeGroup writes a changed copy of a group.
func (a *api) changeGroup(
	ctx context.Context, call *awswire.Call, name *string, change func(*loggroup.Group) error,
) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := group(&tx.Tables, call, name, nil)
		if err != nil {
			return err
		}
		g := *old
		if err := change(&g); err != nil {
			return err
		}
		tx.LogGroups.Put(&g)
		return nil
	})
}
