package logs

import (
	"context"
	"math"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/logstore/filter"
	"github.com/berthhq/berth/internal/state"
)

// latestFirstSince is the earliest startTime with which AWS lists the latest events first.
var latestFirstSince = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *api) filterLogEvents(
	_ context.Context, call *awswire.Call, in *shape.FilterLogEventsInput,
) (*shape.FilterLogEventsOutput, error) {
	q, err := parseFilter(in)
	if err != nil {
		return nil, err
	}
	snap := a.store.View()
	g, err := group(&snap.Tables, call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	names, err := streamNames(&snap.Tables, g, in)
	if err != nil {
		return nil, err
	}
	q.Streams = func(id string) bool { return names[id] != "" }
	q.From = earliest(in.StartTime, g, call.Now)
	page, err := call.Page(in.NextToken, append([]string{
		g.ARN, request.Value(in.FilterPattern), request.Value(in.LogStreamNamePrefix),
	}, in.LogStreamNames...)...)
	if err != nil {
		return nil, err
	}
	if err := resume(q, page); err != nil {
		return nil, err
	}
	events, more, err := a.events.Read(g.ID, *q)
	if err != nil {
		return nil, err
	}
	return answerFilter(events, more, q.Backward, page, names), nil
}

func parseFilter(in *shape.FilterLogEventsInput) (*logstore.Query, error) {
	asked := pages(maxBatchEvents).Ask(in.Limit, in.NextToken)
	if err := asked.Check(); err != nil {
		return nil, err
	}
	match, err := filter.Parse(request.Value(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	q := &logstore.Query{Limit: asked.Limit(), Match: match, Backward: in.StartFromHead != nil && !*in.StartFromHead}
	if q.Backward && (in.StartTime == nil || *in.StartTime < latestFirstSince.UnixMilli()) && in.NextToken == nil {
		return nil, invalid("Setting startFromHead to false is supported only when startTime is on or " +
			"after Jan 1, 2024 00:00:00 UTC.")
	}
	if in.EndTime != nil && *in.EndTime < math.MaxInt64 {
		q.To = max(*in.EndTime+1, 1) // endTime is inclusive here
	}
	if in.LogStreamNamePrefix != nil && len(in.LogStreamNames) > 0 {
		return nil, invalid("Only one of logStreamNames and logStreamNamePrefix may be given.")
	}
	if len(in.LogStreamNames) > 100 {
		return nil, unsatisfied(nil, "logStreamNames", "Member must have length less than or equal to 100")
	}
	return q, nil
}

// streamNames maps the ids of the wanted streams to their names.
func streamNames(tables *state.Tables, g *loggroup.Group, in *shape.FilterLogEventsInput) (map[string]string, error) {
	names := make(map[string]string)
	if len(in.LogStreamNames) == 0 {
		for s := range tables.LogStreams.Prefix(loggroup.StreamARN(g.ARN, request.Value(in.LogStreamNamePrefix))) {
			names[s.ID] = s.Name
		}
		return names, nil
	}
	for _, name := range in.LogStreamNames {
		s, err := stream(tables, g, name)
		if err != nil {
			return nil, err
		}
		names[s.ID] = s.Name
	}
	return names, nil
}

// resume continues where a page ended; the token decides the direction.
func resume(q *logstore.Query, page awswire.Page) error {
	if page.After == "" {
		return nil
	}
	at, err := readToken(&page.After, true)
	if err != nil {
		return err
	}
	if q.Backward = at.backward; at.backward {
		q.Before = at.place
	} else {
		q.After = at.place
	}
	return nil
}

// answerFilter lists events in the order asked for, ascending unless backward.
func answerFilter(
	events []logstore.Event, more, backward bool, page awswire.Page, names map[string]string,
) *shape.FilterLogEventsOutput {
	out := &shape.FilterLogEventsOutput{}
	for i := range events {
		e := events[i]
		if backward {
			e = events[len(events)-1-i]
		}
		out.Events = append(out.Events, shape.FilteredLogEvent{
			EventId: new(digits(e.Position())), LogStreamName: new(names[e.Stream]),
			Timestamp: new(e.Time), IngestionTime: new(e.Ingested), Message: new(e.Message),
		})
	}
	if more && len(events) > 0 {
		last := cursor{place: events[len(events)-1].Position()}
		if backward {
			last = cursor{events[0].Position(), true}
		}
		out.NextToken = page.Token(last.String())
	}
	return out
}
