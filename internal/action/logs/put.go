package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

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

// Bounds of a batch, from the API reference of PutLogEvents.
const (
	maxBatchBytes  = 1 << 20
	maxBatchEvents = 10000
	maxBatchSpan   = 24 * time.Hour
	maxPast        = 14 * 24 * time.Hour
	maxFuture      = 2 * time.Hour
)

func (a *api) putLogEvents(
	_ context.Context, call *awswire.Call, in *shape.PutLogEventsInput,
) (*shape.PutLogEventsOutput, error) {
	events, err := parseEvents(in.LogEvents)
	if err != nil {
		return nil, err
	}
	snap := a.store.View()
	g, err := group(&snap.Tables, call, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	s, err := stream(&snap.Tables, g, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	accepted, rejected := window(events, g, call.Now)
	if err := a.events.Append(g.ID, s.ID, call.Now, accepted); err != nil {
		return nil, full(err)
	}
	if len(accepted) > 0 {
		a.measure(&snap.Tables, g, accepted, call.Now)
	}
	// Sequence tokens have had no meaning since 2023; AWS still answers one.
	next := strings.Repeat("0", 36) + fmt.Sprintf("%020d", call.Now.UnixMilli())
	return &shape.PutLogEventsOutput{NextSequenceToken: &next, RejectedLogEventsInfo: rejected}, nil
}

// measure makes points of metrics of events that were stored.
func (a *api) measure(tables *state.Tables, g *loggroup.Group, events []logstore.Entry, now time.Time) {
	bytes := 0
	for _, e := range events {
		bytes += len(e.Message) + logstore.Overhead
	}
	name := gather.Name{Scope: meter.Scope(arn.Account(g.ARN), arn.Region(g.ARN)), Namespace: "AWS/Logs"}
	for _, one := range []struct {
		metric, unit string
		value        float64
	}{{"IncomingLogEvents", "Count", float64(len(events))}, {"IncomingBytes", "Bytes", float64(bytes)}} {
		name.Metric, name.Unit, name.Dimensions = one.metric, one.unit, [2]meter.Dimension{}
		sum := meter.Values([]float64{one.value}, []float64{1})
		a.feed.Merge(name, sum)
		name.Dimensions[0] = meter.Dimension{Name: "LogGroupName", Value: g.Name}
		a.feed.Merge(name, sum)
	}
	a.counts.count(tables, g, events, now)
}

// full says what a full disk means to the caller; other errors stay our own.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fault.New(shape.CodeServiceUnavailableException,
			"There is no space left on the disk that holds the log events. None of the batch was stored; "+
				"it may be sent again.").WithStatus(503).With(err)
	}
	return err
}

// parseEvents checks what can be told from the batch alone.
func parseEvents(in []shape.InputLogEvent) ([]logstore.Entry, error) {
	if n := len(in); n < 1 || n > maxBatchEvents {
		bound, most := "greater than or equal to", 1
		if n > maxBatchEvents {
			bound, most = "less than or equal to", maxBatchEvents
		}
		return nil, unsatisfied(nil, "logEvents", "Member must have length %s %d", bound, most)
	}
	out, bytes := make([]logstore.Entry, len(in)), 0
	for i, e := range in {
		out[i] = logstore.Entry{Time: *e.Timestamp, Message: *e.Message}
		switch {
		case out[i].Message == "":
			return nil, unsatisfied("", fmt.Sprintf("logEvents.%d.member.message", i+1),
				"Member must have length greater than or equal to 1")
		case out[i].Time < 0:
			return nil, unsatisfied(out[i].Time, fmt.Sprintf("logEvents.%d.member.timestamp", i+1),
				"Member must have value greater than or equal to 0")
		case i > 0 && out[i].Time < out[i-1].Time:
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		bytes += len(out[i].Message) + logstore.Overhead
	}
	if bytes > maxBatchBytes {
		return nil, invalid("Upload too large: %d bytes exceeds limit of %d", bytes, maxBatchBytes)
	}
	if out[len(out)-1].Time-out[0].Time > maxBatchSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return out, nil
}

// window leaves out the events that are too old or too new to be taken, and says which. The events
// are in the order of their times.
func window(
	events []logstore.Entry, g *loggroup.Group, now time.Time,
) ([]logstore.Entry, *shape.RejectedLogEventsInfo) {
	before := func(at time.Time) int {
		n := 0
		for n < len(events) && events[n].Time < at.UnixMilli() {
			n++
		}
		return n
	}
	var info shape.RejectedLogEventsInfo
	from, to := before(now.Add(-maxPast)), before(now.Add(maxFuture).Add(time.Millisecond))
	if from > 0 {
		info.TooOldLogEventEndIndex = new(int32(from))
	}
	if at := g.Expires(now); !at.IsZero() {
		if n := before(at); n > from {
			info.ExpiredLogEventEndIndex, from = new(int32(n)), n
		}
	}
	if to < len(events) {
		info.TooNewLogEventStartIndex = new(int32(to))
	}
	if from == 0 && to == len(events) {
		return events, nil
	}
	return events[from:max(from, to)], &info
}
