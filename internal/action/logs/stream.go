package logs

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createLogStream(
	ctx context.Context, call *awswire.Call, in *shape.CreateLogStreamInput,
) (*shape.CreateLogStreamOutput, error) {
	if err := loggroup.ValidateStreamName(*in.LogStreamName); err != nil {
		return nil, err
	}
	id := newid.Hex(call.Random, 16)
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.LogGroupName, nil)
		if err != nil {
			return err
		}
		s := &loggroup.Stream{ARN: loggroup.StreamARN(g.ARN, *in.LogStreamName), GroupARN: g.ARN,
			Name: *in.LogStreamName, ID: id, CreatedAt: call.Now}
		if _, ok := tx.LogStreams.Get(s.ARN); ok {
			return fault.New(shape.CodeResourceAlreadyExistsException, "The specified log stream already exists")
		}
		tx.LogStreams.Put(s)
		return nil
	})
}

// deleteLogStream makes a stream's events unreachable at once; their space is given back with the files they are in.
func (a *api) deleteLogStream(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLogStreamInput,
) (*shape.DeleteLogStreamOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.LogGroupName, nil)
		if err != nil {
			return err
		}
		s, err := stream(&tx.Tables, g, *in.LogStreamName)
		if err != nil {
			return err
		}
		tx.LogStreams.Delete(s.ARN)
		return nil
	})
}

// described is a stream in a list, with the key it is sorted by.
type described struct {
	*loggroup.Stream
	stats logstore.Stats
	key   string
}

func (a *api) describeLogStreams(
	_ context.Context, call *awswire.Call, in *shape.DescribeLogStreamsInput,
) (*shape.DescribeLogStreamsOutput, error) {
	byTime, prefix := in.OrderBy == "LastEventTime", request.Value(in.LogStreamNamePrefix)
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	asked := pages(50).Ask(in.Limit, in.NextToken)
	asked.Descending = request.Value(in.Descending)
	snap := a.store.View()
	g, err := group(&snap.Tables, call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	list, err := a.streams(&snap.Tables, g, prefix, byTime)
	if err != nil {
		return nil, err
	}
	found, next, err := request.Page(call, asked, list, func(s described) string { return s.key },
		g.ARN, prefix, in.OrderBy, fmt.Sprint(asked.Descending))
	return &shape.DescribeLogStreamsOutput{LogStreams: request.Answers(found, answerStream), NextToken: next}, err
}

// streams are a group's streams with their keys.
func (a *api) streams(tables *state.Tables, g *loggroup.Group, prefix string, byTime bool) ([]described, error) {
	stats, err := a.events.Stats(g.ID)
	if err != nil {
		return nil, err
	}
	var list []described
	for s := range tables.LogStreams.Prefix(loggroup.StreamARN(g.ARN, prefix)) {
		d := described{Stream: s, stats: stats[s.ID], key: s.Name}
		if byTime {
			d.key = fmt.Sprintf("%020d/%s", d.stats.Last, s.Name)
		}
		list = append(list, d)
	}
	return list, nil
}

func answerStream(s described) shape.LogStream {
	out := shape.LogStream{
		Arn: new(s.ARN), LogStreamName: new(s.Name), CreationTime: new(s.CreatedAt.UnixMilli()),
		StoredBytes: new(int64(0)), // as AWS answers since 2019
	}
	if s.stats.Events > 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp = new(s.stats.First), new(s.stats.Last)
		out.LastIngestionTime = new(s.stats.LastIngested)
		out.UploadSequenceToken = new(strings.Repeat("0", 36) + fmt.Sprintf("%020d", s.stats.LastIngested))
	}
	return out
}
