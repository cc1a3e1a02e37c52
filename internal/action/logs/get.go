package logs

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
)

func (a *api) getLogEvents(
	_ context.Context, call *awswire.Call, in *shape.GetLogEventsInput,
) (*shape.GetLogEventsOutput, error) {
	asked := pages(maxBatchEvents).Ask(in.Limit, in.NextToken)
	if err := asked.Check(); err != nil {
		return nil, err
	}
	snap := a.store.View()
	g, err := group(&snap.Tables, call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	s, err := stream(&snap.Tables, g, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	at, err := readToken(in.NextToken, request.Value(in.StartFromHead))
	if err != nil {
		return nil, err
	}
	q := logstore.Query{Streams: func(id string) bool { return id == s.ID },
		From: earliest(in.StartTime, g, call.Now), Limit: asked.Limit(), Backward: at.backward}
	if in.EndTime != nil {
		q.To = max(*in.EndTime, 1) // exclusive; 0 would mean no end
	}
	events, err := a.page(g, q, at)
	if err != nil {
		return nil, err
	}
	return answerEvents(events, at), nil
}

// earliest is the first time that a reader may see: expired events are not returned any more, even before they are
// deleted.
func earliest(start *int64, g *loggroup.Group, now time.Time) int64 {
	from := request.Value(start)
	if at := g.Expires(now); !at.IsZero() {
		from = max(from, at.UnixMilli())
	}
	return from
}

// page reads the events on the cursor's side of its place.
func (a *api) page(g *loggroup.Group, q logstore.Query, at cursor) ([]logstore.Event, error) {
	if at.backward {
		if q.Before = at.place; at.place == (logstore.Position{}) {
			return nil, nil
		}
	} else {
		q.After = at.place
	}
	events, _, err := a.events.Read(g.ID, q)
	return events, err
}

func answerEvents(events []logstore.Event, at cursor) *shape.GetLogEventsOutput {
	out := &shape.GetLogEventsOutput{}
	first, last := at.place, at.place
	for i, e := range events {
		out.Events = append(out.Events, shape.OutputLogEvent{
			Timestamp: new(e.Time), Message: new(e.Message), IngestionTime: new(e.Ingested),
		})
		if i == 0 {
			first = e.Position()
		}
		last = e.Position()
	}
	// the token of the same direction stays the same, the other one turns round before the same
	// place
	if len(events) == 0 {
		switch {
		case at.backward && at.place.Seq > 0 && at.place.Seq < math.MaxUint64:
			last.Seq--
		case at.backward && at.place.Seq == math.MaxUint64: // an empty stream: whatever comes is after its beginning
			last = logstore.Position{}
		case !at.backward && at.place != (logstore.Position{}):
			first.Seq++
		}
	}
	out.NextForwardToken, out.NextBackwardToken = new(cursor{place: last}.String()),
		new(cursor{place: first, backward: true}.String())
	return out
}

// cursor is a place in a stream and the direction to read from there: a token of GetLogEvents.
type cursor struct {
	place    logstore.Position
	backward bool
}

// String has the form of AWS's tokens: f/ or b/, 56 digits, /s.
func (c cursor) String() string {
	direction := "f/"
	if c.backward {
		direction = "b/"
	}
	return direction + digits(c.place) + "/s"
}

// digits is a position as 56 digits, in the order of positions; it is also the id of the event there.
func digits(p logstore.Position) string { return fmt.Sprintf("%032d%024d", p.Time, p.Seq) }

func readDigits(s string) (p logstore.Position, ok bool) {
	if len(s) != 56 {
		return p, false
	}
	t, err1 := strconv.ParseInt(s[:32], 10, 64)
	n, err2 := strconv.ParseUint(s[32:], 10, 64)
	return logstore.Position{Time: t, Seq: n}, err1 == nil && err2 == nil && t >= 0
}

// readToken reads a token; without one reading begins at the head or, by default, at the tail.
func readToken(token *string, fromHead bool) (cursor, error) {
	if token == nil {
		if fromHead {
			return cursor{}, nil
		}
		return cursor{logstore.Position{Time: math.MaxInt64, Seq: math.MaxUint64}, true}, nil
	}
	direction, rest, ok := strings.Cut(*token, "/")
	rest, ok2 := strings.CutSuffix(rest, "/s")
	place, ok3 := readDigits(rest)
	if !ok || !ok2 || !ok3 || direction != "f" && direction != "b" {
		return cursor{}, invalid("The specified nextToken is invalid.")
	}
	return cursor{place, direction == "b"}, nil
}
