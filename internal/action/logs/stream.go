package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createLogStream(ctx context.Context, call *awswire.Call, in *shape.CreateLogStreamInput) (*shape.CreateLogStreamOutput, error) {
	if err := loggroup.ValidateStreamName(*in.LogStreamName); err != nil {
		return nil, err
	}
	id := newID()
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.LogGroupName, nil)
		if err != nil {
			return err
		}
		s := &loggroup.Stream{ARN: loggroup.StreamARN(g.ARN, *in.LogStreamName), GroupARN: g.ARN, Name: *in.LogStreamName, ID: id, CreatedAt: call.Now}
		if _, ok := tx.LogStreams.Get(s.ARN); ok {
			return fault.New(shape.CodeResourceAlreadyExistsException, "The specified log stream already exists")
		}
		tx.LogStreams.Put(s)
		return nil
	})
}

// deleteLogStream makes a stream's events unreachable at once; their space is given back with the files they are in.
func (a *api) deleteLogStream(ctx context.Context, call *awswire.Call, in *shape.DeleteLogStreamInput) (*shape.DeleteLogStreamOutput, error) {
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

func (a *api) describeLogStreams(_ context.Context, call *awswire.Call, in *shape.DescribeLogStreamsInput) (*shape.DescribeLogStreamsOutput, error) {
	most, err := limit(in.Limit, 50)
	if err != nil {
		return nil, err
	}
	byTime, prefix := in.OrderBy == "LastEventTime", deref(in.LogStreamNamePrefix)
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	descending := in.Descending != nil && *in.Descending
	snap := a.store.View()
	g, err := group(&snap.Tables, call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	page, err := call.Page(in.NextToken, g.ARN, prefix, in.OrderBy, fmt.Sprint(descending))
	if err != nil {
		return nil, err
	}
	list, err := a.streams(&snap.Tables, g, prefix, byTime)
	if err != nil {
		return nil, err
	}
	if descending {
		slices.Reverse(list)
	}
	out := &shape.DescribeLogStreamsOutput{LogStreams: []shape.LogStream{}}
	for _, s := range list {
		if page.After != "" && (s.key == page.After || s.key < page.After != descending) {
			continue
		}
		if len(out.LogStreams) == most {
			break
		}
		out.LogStreams = append(out.LogStreams, answerStream(s))
		out.NextToken = page.Token(s.key)
	}
	if n := len(list); n == 0 || len(out.LogStreams) == 0 || *out.LogStreams[len(out.LogStreams)-1].LogStreamName == list[n-1].Name {
		out.NextToken = nil
	}
	return out, nil
}

// streams lists a group's streams in ascending order.
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
	slices.SortFunc(list, func(a, b described) int { return cmp.Compare(a.key, b.key) })
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
