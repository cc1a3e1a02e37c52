// Package logs has the actions of Amazon CloudWatch Logs: one file for each thing they act on,
// parse, transaction, answer.
//
// Groups, streams and metric filters are rows in state; events are in logstore under the rows' ids, and what filters
// count is in meter. What the package does not implement it refuses by name: Insights queries, live tail, data
// protection and subscriptions.
package logs

import (
	"context"
	"log/slog"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store  *state.Store
	events *logstore.Store
	counts *counter
	feed   Feed
}

// Metrics is where the actions leave what they measure.
type Metrics struct {
	Points Points // of metric filters
	Feed   Feed   // of AWS/Logs
	Logger *slog.Logger
}

// Feed takes what was measured now; a *feed.Feed is one.
type Feed interface {
	Merge(name gather.Name, s meter.Summary)
}

// Service returns the actions of Amazon CloudWatch Logs.
func Service(store *state.Store, events *logstore.Store, metrics Metrics) awswire.Service {
	a := measured(store, events, metrics)
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.JSON11},
		TargetPrefix:   shape.TargetPrefix,
		ValidationCode: shape.CodeInvalidParameterException,
		// 1 MiB of events, of which each byte may be written as six ("\u0000").
		MaxBody: 8 << 20,
		Operations: append(awswire.Absent(shape.Absent), []awswire.Operation{
			awswire.Op("CreateLogGroup", a.createLogGroup).Refuses("deletionProtectionEnabled"),
			awswire.Op("DeleteLogGroup", a.deleteLogGroup),
			awswire.Op("DescribeLogGroups", a.describeLogGroups).Refuses("accountIdentifiers", "includeLinkedAccounts"),
			awswire.Op("ListLogGroups", a.listLogGroups).
				Refuses("accountIdentifiers", "includeLinkedAccounts", "dataSources",
					"fieldIndexNames", "logGroupTags"),
			awswire.Op("PutRetentionPolicy", a.putRetentionPolicy),
			awswire.Op("DeleteRetentionPolicy", a.deleteRetentionPolicy),
			awswire.Op("CreateLogStream", a.createLogStream),
			awswire.Op("DeleteLogStream", a.deleteLogStream),
			awswire.Op("DescribeLogStreams", a.describeLogStreams),
			awswire.Op("PutLogEvents", a.putLogEvents).Refuses("entity"),
			awswire.Op("GetLogEvents", a.getLogEvents),
			awswire.Op("FilterLogEvents", a.filterLogEvents),
			awswire.Op("PutMetricFilter", a.putMetricFilter).
				Refuses("applyOnTransformedLogs", "emitSystemFieldDimensions", "fieldSelectionCriteria"),
			awswire.Op("DescribeMetricFilters", a.describeMetricFilters),
			awswire.Op("DeleteMetricFilter", a.deleteMetricFilter),
			awswire.Op("TestMetricFilter", a.testMetricFilter),
			awswire.Op("TagLogGroup", a.tagLogGroup),
			awswire.Op("UntagLogGroup", a.untagLogGroup),
			awswire.Op("ListTagsLogGroup", a.listTagsLogGroup),
			awswire.Op("TagResource", a.tagResource),
			awswire.Op("UntagResource", a.untagResource),
			awswire.Op("ListTagsForResource", a.listTagsForResource),
			refused[shape.StartLiveTailInput, shape.StartLiveTailOutput]("StartLiveTail"),
			refused[shape.StartQueryInput, shape.StartQueryOutput]("StartQuery"),
			refused[shape.StopQueryInput, shape.StopQueryOutput]("StopQuery"),
			refused[shape.GetQueryResultsInput, shape.GetQueryResultsOutput]("GetQueryResults"),
		}...),
	}
}

// measured returns the actions, with what they measure of log events.
func measured(store *state.Store, events *logstore.Store, metrics Metrics) *api {
	return &api{store, events, &counter{
		points: metrics.Points, logger: metrics.Logger, seen: make(map[string]*filterState),
	}, metrics.Feed}
}

// refused is an action that exists on AWS and not here.
func refused[I, O any](name string) awswire.Operation {
	return awswire.Op(name, func(context.Context, *awswire.Call, *I) (*O, error) {
		return nil, fault.New(shape.CodeInvalidOperationException,
			"%s is not supported by Berth. Use FilterLogEvents, or `aws logs tail --follow`, which it serves.", name)
	}).With(awswire.Refused)
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameterException, format, args...)
}

// group finds the group a call means by name or, where the action takes one, by identifier (a name or an ARN).
func group(tables *state.Tables, call *awswire.Call, name, identifier *string) (*loggroup.Group, error) {
	switch {
	case name == nil && identifier == nil:
		return nil, invalid("Exactly one of logGroupName and logGroupIdentifier must be given; neither was.")
	case name != nil && identifier != nil:
		return nil, invalid("Exactly one of logGroupName and logGroupIdentifier must be given; both were.")
	case name != nil:
		if err := loggroup.ValidateGroupName(*name); err != nil {
			return nil, err
		}
	case elsewhere(call, *identifier):
		return nil, loggroup.GroupNotFound()
	default:
		name = new(loggroup.NameOf(*identifier))
	}
	g, ok := tables.LogGroups.Get(loggroup.GroupARN(call.Region, call.Account, *name))
	if !ok {
		return nil, loggroup.GroupNotFound()
	}
	return g, nil
}

// elsewhere reports whether an identifier is the ARN of another region's or account's group.
func elsewhere(call *awswire.Call, identifier string) bool {
	a, err := arn.Parse(identifier)
	return err == nil && (a.Region != call.Region || a.Account != call.Account)
}

func stream(tables *state.Tables, g *loggroup.Group, name string) (*loggroup.Stream, error) {
	if err := loggroup.ValidateStreamName(name); err != nil {
		return nil, err
	}
	s, ok := tables.LogStreams.Get(loggroup.StreamARN(g.ARN, name))
	if !ok {
		return nil, loggroup.StreamNotFound()
	}
	return s, nil
}

// pages returns the rules for pages of a list. most is the largest size of a page, and the default.
func pages(most int32) request.Pages {
	return request.Pages{Default: most, Least: 1, Most: most, Refuse: func(size, _, most int32) error {
		if size < 1 {
			return unsatisfied(size, "limit", "Member must have value greater than or equal to 1")
		}
		return unsatisfied(size, "limit", "Member must have value less than or equal to %d", most)
	}}
}

// unsatisfied returns the fault for a value that does not satisfy a constraint of the API's model.
func unsatisfied(value any, at, constraint string, args ...any) *fault.Error {
	return fault.Unsatisfied(shape.CodeInvalidParameterException, value, at, constraint, args...)
}
