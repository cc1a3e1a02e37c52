package logs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
)

func newAPI(t *testing.T) *api {
	t.Helper()
	events, err := logstore.Open(t.TempDir(), logstore.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	return measured(desktest.Store(t), events, Metrics{&points{}, feed{}, slog.New(slog.DiscardHandler)})
}

func (a *api) call() *awswire.Call {
	return desktest.Call(time.Now())
}

// fill makes the group g with streams. Each stream gets, for each of its numbers n, an event "STREAM n" with
// the time base+n.
func (a *api) fill(t *testing.T, base int64, streams map[string][]int64) {
	t.Helper()
	group := new("g")
	if _, err := a.createLogGroup(t.Context(), a.call(), &shape.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		if _, err := a.createLogStream(t.Context(), a.call(),
			&shape.CreateLogStreamInput{LogGroupName: group, LogStreamName: &name}); err != nil {
			t.Fatal(err)
		}
		if len(streams[name]) > 0 {
			a.put(t, name, base, streams[name]...)
		}
	}
}

func (a *api) put(t *testing.T, stream string, base int64, numbers ...int64) {
	t.Helper()
	in := &shape.PutLogEventsInput{LogGroupName: new("g"), LogStreamName: &stream}
	for _, n := range numbers {
		in.LogEvents = append(in.LogEvents,
			shape.InputLogEvent{Timestamp: new(base + n), Message: new(fmt.Sprint(stream, " ", n))})
	}
	if out, err := a.putLogEvents(t.Context(), a.call(), in); err != nil || out.RejectedLogEventsInfo != nil {
		t.Fatalf("%+v %v", out, err)
	}
}

func TestAWSCLI(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	now := time.Now().UnixMilli()
	d.AWS(t, "logs create-log-group --log-group-name /ecs/chat --tags team=web")
	d.Refused(t, "(ResourceAlreadyExistsException) when calling the CreateLogGroup operation: The "+
		"specified log group already exists", "logs create-log-group --log-group-name /ecs/chat")
	d.AWS(t, "logs create-log-stream --log-group-name /ecs/chat --log-stream-name web/1")
	d.Refused(t, "(ResourceAlreadyExistsException) when calling the CreateLogStream operation: The "+
		"specified log stream already exists",
		"logs create-log-stream --log-group-name /ecs/chat --log-stream-name web/1")
	d.Refused(t, "(ResourceNotFoundException) when calling the CreateLogStream operation: The specified "+
		"log group does not exist.",
		"logs create-log-stream --log-group-name nope --log-stream-name s")
	d.Refused(t, "(ResourceNotFoundException) when calling the PutLogEvents operation: The specified log "+
		"stream does not exist.",
		"logs", "put-log-events", "--log-group-name", "/ecs/chat", "--log-stream-name", "nope",
		"--log-events", "timestamp=1,message=x")
	d.AWS(t, "logs", "put-log-events", "--log-group-name", "/ecs/chat", "--log-stream-name", "web/1", "--log-events",
		fmt.Sprintf(`[{"timestamp":%d,"message":"GET / 200"},{"timestamp":%d,"message":"{\"status\":503}"}]`,
			now-2, now-1))
	if got := d.JSON(t, "logs get-log-events --log-group-name /ecs/chat --log-stream-name web/1 --query "+
		"events[].message"); got != `["GET / 200","{\"status\":503}"]` {
		t.Error(got)
	}
	if got := d.JSON(t, "logs", "filter-log-events", "--log-group-name", "/ecs/chat", "--filter-pattern",
		"{ $.status >= 500 }",
		"--query", "events[].[logStreamName,message]"); got != `[["web/1","{\"status\":503}"]]` {
		t.Error(got)
	}
	if got := d.JSON(t, "logs describe-log-streams --log-group-name /ecs/chat --query "+
		"logStreams[].[logStreamName,arn,lastEventTimestamp]"); got !=
		fmt.Sprintf(`[["web/1","arn:aws:logs:us-east-1:123456789012:log-group:/ecs/chat:log-stream:web/1",%d]]`,
			now-1) {
		t.Error(got)
	}
	d.AWS(t, "logs put-retention-policy --log-group-name /ecs/chat --retention-in-days 7")
	d.Refused(t, "(InvalidParameterException)",
		"logs put-retention-policy --log-group-name /ecs/chat --retention-in-days 8")
	if got := d.JSON(t, "logs describe-log-groups --log-group-name-prefix /ecs --query "+
		"logGroups[].[logGroupName,arn,retentionInDays,storedBytes]"); got !=
		`[["/ecs/chat","arn:aws:logs:us-east-1:123456789012:log-group:/ecs/chat:*",7,75]]` {
		t.Error(got)
	}
	if got := d.JSON(t, "logs list-tags-for-resource --resource-arn "+
		"arn:aws:logs:us-east-1:123456789012:log-group:/ecs/chat"); got != `{"tags":{"team":"web"}}` {
		t.Error(got)
	}
	d.Refused(t, "(InvalidOperationException) when calling the StartQuery operation: StartQuery is not "+
		"supported by Berth.",
		"logs start-query --log-group-name /ecs/chat --start-time 0 --end-time 1 --query-string fields")
	other := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got := other.JSON(t, "logs describe-log-groups --query logGroups"); got != "[]" {
		t.Errorf("another region sees %s", got)
	}
	d.AWS(t, "logs delete-log-group --log-group-name /ecs/chat")
	d.AWS(t, "logs create-log-group --log-group-name /ecs/chat")
	d.AWS(t, "logs create-log-stream --log-group-name /ecs/chat --log-stream-name web/1")
	if got := d.JSON(t, "logs get-log-events --log-group-name /ecs/chat --log-stream-name web/1 "+
		"--query events"); got != "[]" {
		t.Errorf("a group that was deleted and made again has old events: %s", got)
	}
}

// Issue 2, section 2: `aws logs tail --follow` prints lines that are written while it runs.
func TestTailFollow(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	now := time.Now().UnixMilli()
	a.fill(t, now, map[string][]int64{"web/1": {-20, -10}, "web/2": {-15}})
	cmd := d.Command(t, "logs", "tail", "g", "--follow", "--format", "short")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "PYTHONUNBUFFERED=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func() string {
		if !lines.Scan() {
			t.Fatal("tail ended")
		}
		_, line, _ := strings.Cut(lines.Text(), " ")
		return line
	}
	if got := []string{next(), next(), next()}; !slices.Equal(got, []string{"web/1 -20", "web/2 -15", "web/1 -10"}) {
		t.Errorf("old lines: %q", got)
	}
	a.put(t, "web/2", now, -5)
	if got := next(); got != "web/2 -5" {
		t.Errorf("new line: %q", got)
	}
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
}

func texts(events []shape.OutputLogEvent) string {
	var s []string
	for _, e := range events {
		_, n, _ := strings.Cut(*e.Message, " ")
		s = append(s, n)
	}
	return strings.Join(s, " ")
}

// A call of GetLogEvents without a token returns the latest events. The tokens of each page lead to the pages
// before and after it. At either end of the stream the same token is returned again.
func TestGetLogEventsTokens(t *testing.T) {
	a := newAPI(t)
	base := time.Now().UnixMilli() - 1000
	a.fill(t, base, map[string][]int64{"s": {1, 2, 3, 4, 5}, "other": {1, 2, 3}, "empty": nil})
	get := func(stream string, token *string, head bool) *shape.GetLogEventsOutput {
		t.Helper()
		out, err := a.getLogEvents(t.Context(), a.call(), &shape.GetLogEventsInput{
			LogGroupName: new("g"), LogStreamName: &stream, Limit: new(int32(2)), NextToken: token,
			StartFromHead: &head})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tail := get("s", nil, false)
	middle := get("s", tail.NextBackwardToken, false)
	first := get("s", middle.NextBackwardToken, false)
	none := get("s", first.NextBackwardToken, false)
	if texts(tail.Events) != "4 5" || texts(middle.Events) != "2 3" || texts(first.Events) != "1" ||
		texts(none.Events) != "" {
		t.Errorf("backward: %q %q %q %q", texts(tail.Events), texts(middle.Events),
			texts(first.Events), texts(none.Events))
	}
	if *none.NextBackwardToken != *first.NextBackwardToken {
		t.Error("at the beginning the token changes")
	}
	if got := texts(get("s", none.NextForwardToken, true).Events); got != "1 2" {
		t.Errorf("turning round at the beginning: %q", got)
	}
	if got := texts(get("s", middle.NextForwardToken, true).Events); got != "4 5" {
		t.Errorf("forward from the middle: %q", got)
	}
	end := get("s", tail.NextForwardToken, true)
	if texts(end.Events) != "" || *end.NextForwardToken != *tail.NextForwardToken {
		t.Errorf("at the end: %q, token %s then %s", texts(end.Events), *tail.NextForwardToken, *end.NextForwardToken)
	}
	if got := texts(get("s", end.NextBackwardToken, false).Events); got != "4 5" {
		t.Errorf("turning round at the end: %q", got)
	}
	a.put(t, "s", base, 6)
	if got := texts(get("s", end.NextForwardToken, true).Events); got != "6" {
		t.Errorf("a new event: %q", got)
	}
	for _, head := range []bool{true, false} {
		empty := get("empty", nil, head)
		a.put(t, "empty", base, 7)
		if got := texts(get("empty", empty.NextForwardToken, true).Events); !strings.HasPrefix(got, "7") {
			t.Errorf("the first event of an empty stream, head %v: %q", head, got)
		}
	}
	for _, bad := range []string{
		"", "f/1/s", "x/" + strings.Repeat("0", 56) + "/s", "f/" + strings.Repeat("-", 56) + "/s",
	} {
		_, err := a.getLogEvents(t.Context(), a.call(),
			&shape.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), NextToken: &bad})
		if !errors.Is(err, fault.New("InvalidParameterException", "")) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
}

func TestFilterPages(t *testing.T) {
	a := newAPI(t)
	base := time.Now().UnixMilli() - 1000
	a.fill(t, base, map[string][]int64{"a/1": {1, 4}, "a/2": {2, 5}, "b/1": {3, 6}})
	all := func(in shape.FilterLogEventsInput) string {
		var got []string
		in.LogGroupName, in.Limit = new("g"), new(int32(2))
		for {
			out, err := a.filterLogEvents(t.Context(), a.call(), &in)
			if err != nil {
				return err.Error()
			}
			for _, e := range out.Events {
				got = append(got, *e.Message)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(got, ",")
			}
		}
	}
	for _, c := range []struct {
		in   shape.FilterLogEventsInput
		want string
	}{
		{shape.FilterLogEventsInput{}, "a/1 1,a/2 2,b/1 3,a/1 4,a/2 5,b/1 6"},
		{shape.FilterLogEventsInput{LogStreamNamePrefix: new("a/")}, "a/1 1,a/2 2,a/1 4,a/2 5"},
		{shape.FilterLogEventsInput{LogStreamNames: []string{"b/1", "a/2"}}, "a/2 2,b/1 3,a/2 5,b/1 6"},
		// The start and the end are both included.
		{shape.FilterLogEventsInput{StartTime: new(base + 2), EndTime: new(base + 4)}, "a/2 2,b/1 3,a/1 4"},
		{shape.FilterLogEventsInput{FilterPattern: new(`"a/1"`)}, "a/1 1,a/1 4"},
		{shape.FilterLogEventsInput{StartTime: new(base), StartFromHead: new(false)},
			"b/1 6,a/2 5,a/1 4,b/1 3,a/2 2,a/1 1"},
		{shape.FilterLogEventsInput{StartFromHead: new(false)}, "InvalidParameterException: Setting " +
			"startFromHead to false is supported only when startTime is on or after Jan 1, 2024 00:00:00 UTC."},
		{shape.FilterLogEventsInput{LogStreamNames: []string{"nope"}},
			"ResourceNotFoundException: The specified log stream does not exist."},
		{shape.FilterLogEventsInput{LogStreamNames: []string{"b/1"}, LogStreamNamePrefix: new("b")},
			"InvalidParameterException: Only one of logStreamNames and logStreamNamePrefix may be given."},
		{shape.FilterLogEventsInput{NextToken: new("nonsense")}, ""},
	} {
		if got := all(c.in); got != c.want && !(c.want == "" && strings.HasPrefix(got, "InvalidParameterException")) {
			t.Errorf("%+v:\n%s\nwant\n%s", c.in, got, c.want)
		}
	}
}

// The limits of a batch, from the API reference of PutLogEvents.
func TestPutBounds(t *testing.T) {
	event := func(at int64, n int) shape.InputLogEvent {
		return shape.InputLogEvent{Timestamp: &at, Message: new(strings.Repeat("x", n))}
	}
	for _, c := range []struct {
		events []shape.InputLogEvent
		want   string
	}{
		{nil, "Member must have length greater than or equal to 1"},
		{slices.Repeat([]shape.InputLogEvent{event(1, 1)}, 10000), ""},
		{slices.Repeat([]shape.InputLogEvent{event(1, 1)}, 10001),
			"Member must have length less than or equal to 10000"},
		{[]shape.InputLogEvent{event(1, 1<<20-26)}, ""},
		{[]shape.InputLogEvent{event(1, 1<<20-25)}, "Upload too large: 1048577 bytes exceeds limit of 1048576"},
		{[]shape.InputLogEvent{event(2, 1), event(1, 1)},
			"Log events in a single PutLogEvents request must be in chronological order."},
		{[]shape.InputLogEvent{event(0, 1), event(24*3600*1000, 1)}, ""},
		{[]shape.InputLogEvent{event(0, 1), event(24*3600*1000+1, 1)}, "cannot span more than 24 hours"},
		{[]shape.InputLogEvent{event(1, 0)}, "Value '' at 'logEvents.1.member.message'"},
		{[]shape.InputLogEvent{event(-1, 1)}, "logEvents.1.member.timestamp"},
	} {
		_, err := parseEvents(c.events)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d events: %v, want %q", len(c.events), err, c.want)
		}
	}
}

// Events are rejected when they are older than 14 days, older than the retention, or more than 2 hours in the
// future. The answer says which were rejected.
func TestWindow(t *testing.T) {
	now := time.UnixMilli(100 * 24 * 3600 * 1000)
	at := func(d time.Duration) logstore.Entry { return logstore.Entry{Time: now.Add(d).UnixMilli()} }
	events := []logstore.Entry{at(-15 * 24 * time.Hour), at(-14 * 24 * time.Hour), at(-2 * 24 * time.Hour),
		at(0), at(2 * time.Hour), at(2*time.Hour + time.Millisecond)}
	for _, c := range []struct {
		retention int
		kept      []logstore.Entry
		info      string
	}{
		{0, events[1:5], `{"expiredLogEventEndIndex":null,"tooNewLogEventStartIndex":5,"tooOldLogEventEndIndex":1}`},
		{1, events[3:5], `{"expiredLogEventEndIndex":3,"tooNewLogEventStartIndex":5,"tooOldLogEventEndIndex":1}`},
	} {
		kept, info := window(events, &loggroup.Group{RetentionDays: c.retention}, now)
		text, _ := json.Marshal(info)
		if !slices.Equal(kept, c.kept) || string(text) != c.info {
			t.Errorf("retention %d: stored %v, %s", c.retention, kept, text)
		}
	}
	if _, info := window(events[2:4], &loggroup.Group{}, now); info != nil {
		t.Errorf("all events were stored, but the answer has %+v", info)
	}
}

func TestExpiredEventsAreNotRead(t *testing.T) {
	a := newAPI(t)
	a.fill(t, time.Now().UnixMilli(), map[string][]int64{"s": {-3 * 24 * 3600 * 1000}})
	a.put(t, "s", time.Now().UnixMilli(), 0)
	if _, err := a.putRetentionPolicy(t.Context(), a.call(),
		&shape.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(1))}); err != nil {
		t.Fatal(err)
	}
	out, err := a.getLogEvents(t.Context(), a.call(),
		&shape.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s")})
	if err != nil || texts(out.Events) != "0" {
		t.Errorf("%v %v", texts(out.Events), err)
	}
}

func TestDescribeLogStreamsOrders(t *testing.T) {
	a := newAPI(t)
	streams := map[string][]int64{}
	for i := range 5 {
		streams["s"+strconv.Itoa(i)] = []int64{int64((i * 3) % 5)}
	}
	a.fill(t, time.Now().UnixMilli()-1000, streams)
	for _, c := range []struct {
		orderBy    string
		descending bool
		want       string
	}{{"", false, "s0 s1 s2 s3 s4"}, {"LogStreamName", true, "s4 s3 s2 s1 s0"},
		{"LastEventTime", false, "s0 s2 s4 s1 s3"}, {"LastEventTime", true, "s3 s1 s4 s2 s0"}} {
		var got []string
		in := &shape.DescribeLogStreamsInput{
			LogGroupIdentifier: new(loggroup.GroupARN(desktest.Region, desktest.Account, "g") + ":*"),
			OrderBy:            c.orderBy, Descending: &c.descending, Limit: new(int32(2))}
		for {
			out, err := a.describeLogStreams(t.Context(), a.call(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range out.LogStreams {
				got = append(got, *s.LogStreamName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %v: %v", c.orderBy, c.descending, got)
		}
	}
}

// Issue 2, section 9: the error names the full disk.
func TestFullDisk(t *testing.T) {
	err := full(fmt.Errorf("write: %w", syscall.ENOSPC))
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.HTTPStatus() != 503 || !strings.Contains(f.Message, "no space left") {
		t.Error(err)
	}
	if err := full(logstore.ErrClosed); err != logstore.ErrClosed {
		t.Error(err)
	}
}
