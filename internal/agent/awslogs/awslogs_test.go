package awslogs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
	"github.com/berthhq/berth/internal/fault"
)

// cloud stands in for CloudWatch Logs and has one stream.
type cloud struct {
	mu     sync.Mutex
	events []event
	puts   int
	calls  []string
	before func(action string) error // may make a call fail before it has an effect
	after  func(action string) error // may make a call fail after it had an effect
}

func (c *cloud) Call(_ context.Context, action string, in, out any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, action)
	if c.before != nil {
		if err := c.before(action); err != nil {
			return err
		}
	}
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var request struct {
		LogEvents []event `json:"logEvents"`
		Limit     int     `json:"limit"`
	}
	if err := json.Unmarshal(data, &request); err != nil {
		return err
	}
	switch action {
	case "PutLogEvents":
		c.events = append(c.events, request.LogEvents...)
		c.puts++
	case "GetLogEvents":
		tail, err := json.Marshal(map[string]any{"events": c.events[max(0, len(c.events)-request.Limit):]})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(tail, out); err != nil {
			return err
		}
	}
	if c.after != nil {
		return c.after(action)
	}
	return nil
}

func (c *cloud) messages() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		out = append(out, e.Message)
	}
	return out
}

// tasks is an engine with one task, which only the test changes.
type tasks struct {
	mu      sync.Mutex
	record  engine.Record
	changes chan struct{}
}

func (t *tasks) Tasks() []engine.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record
	r.Containers = slices.Clone(r.Containers)
	return []engine.Record{r}
}

func (t *tasks) Changes() (<-chan struct{}, func()) { return t.changes, func() {} }

func (t *tasks) set(phase engine.Phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record.Containers[0].Phase = phase
	select {
	case t.changes <- struct{}{}:
	default:
	}
}

func boxOf(id string, options map[string]string) engine.Box {
	document, _ := json.Marshal(map[string]any{"LogConfig": map[string]any{"Type": "awslogs", "Config": options}})
	return engine.Box{
		Def:       acs.Container{Name: "web", DockerConfig: acs.DockerConfig{HostConfig: string(document)}},
		RuntimeID: id, Phase: engine.Running, FirstStart: time.Now(),
	}
}

var options = map[string]string{"awslogs-group": "g", "awslogs-stream": "s"}

// talk writes lines at random moments to both streams, as a container.
func talk(lines int, r *rand.Rand) fake.Program {
	return func(ctx context.Context, p *fake.Process) int {
		for i := range lines {
			if r.IntN(4) == 0 {
				p.PrintError(fmt.Sprint("line ", i))
			} else {
				p.Print(fmt.Sprint("line ", i))
			}
			if r.IntN(3) == 0 {
				time.Sleep(time.Duration(r.ExpFloat64() * float64(400*time.Millisecond)))
			}
		}
		return 0
	}
}

// Agents are killed at random moments, also between a request and its answer, and calls of the service fail at random.
// Every line arrives once and in order.
func TestEveryLineArrivesOnce(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { shipped(t, seed) }) })
	}
}

func shipped(t *testing.T, seed uint64) {
	const lines = 3000
	// The first is for the test; the second is for cloud, which uses it under its mutex.
	r, faults := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 3))
	rt := fake.New()
	t.Cleanup(rt.Close)
	rt.Load("talk:1", talk(lines, rand.New(rand.NewPCG(seed, 2))))
	id, err := rt.Create(t.Context(), runtime.Spec{Name: "talk", Image: "talk:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	work := &tasks{changes: make(chan struct{}, 1), record: engine.Record{Containers: []engine.Box{boxOf(id, options)}}}
	c := &cloud{}
	for life := 0; ; life++ {
		ctx, die := context.WithCancelCause(t.Context())
		c.mu.Lock()
		c.before, c.after = nil, nil
		if life < 25 {
			c.before = func(string) error {
				if faults.IntN(10) == 0 {
					return errors.New("the service is not available")
				}
				return nil
			}
			c.after = func(action string) error {
				if action == "PutLogEvents" && faults.IntN(5) == 0 {
					die(errors.New("killed")) // the events are stored, but the agent does not get the answer
					return ctx.Err()
				}
				return nil
			}
		}
		c.mu.Unlock()
		work.set(engine.Running)
		s := New("us-east-1", func(string) API { return c }, rt, store, slog.New(slog.DiscardHandler))
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx, work) }()
		if life >= 25 {
			time.Sleep(time.Hour)
			work.set(engine.Stopped)
			time.Sleep(time.Minute)
			if !s.Done(id) {
				t.Error("the log is not complete")
			}
			die(nil)
			<-ended
			break
		}
		time.Sleep(time.Duration(r.IntN(10)) * time.Second)
		die(nil)
		<-ended
	}
	got := c.messages()
	for i, line := range got {
		if want := fmt.Sprint("line ", i); line != want {
			t.Fatalf("%d lines; at %d there is %q, want %q", len(got), i, line, want)
		}
	}
	if len(got) != lines {
		t.Errorf("%d lines, want %d", len(got), lines)
	}
}

func TestMultilinePattern(t *testing.T) {
	where, err := targetOf("arn:x/task", "us-east-1",
		boxOf("id", map[string]string{"awslogs-group": "g", "awslogs-multiline-pattern": "^BEGIN"}))
	if err != nil {
		t.Fatal(err)
	}
	b := &batch{target: where}
	for i, line := range []string{"BEGIN a\n", " b\n", "BEGIN c\n"} {
		b.add(int64(i), 0, runtime.LogEntry{At: time.Now(), Text: []byte(line)})
	}
	b.closeAll()
	if len(b.events) != 2 || b.events[0].Message != "BEGIN a\n b" || b.events[1].Message != "BEGIN c" {
		t.Errorf("events %+v", b.events)
	}
}

// An event begins with a line that has a date in the format, anywhere in the line.
func TestDatetimeFormat(t *testing.T) {
	for _, c := range []struct {
		format        string
		begins, other []string
	}{
		{"%Y-%m-%d %H:%M:%S", []string{"2026-11-23 10:14:08 up", "[INFO] 2026-01-02 23:59:60"},
			[]string{"2026-11-23", "2026-13-23 10:14:08", "\tat main"}},
		{`\[%b %d, %Y %I:%M:%S %p\]`, []string{"[Nov 23, 2026 10:14:08 AM] x"},
			[]string{"Nov 23, 2026 10:14:08 AM", "[Nov 23, 2026 13:14:08 PM]"}},
		{"%d/%b/%Y:%H:%M:%S %z", []string{`127.0.0.1 - - [23/Nov/2026:10:14:08 +0100] "GET /"`},
			[]string{"23/Nov/2026:10:14:08"}},
		{"%H:%M:%S.%L", []string{"10:14:08.123"}, []string{"10:14:08"}},
		{"%H:%M:%S%L", []string{"10:14:08.123"}, []string{"10:14:08.12"}},
		{"%S.%f", []string{"08.123456"}, []string{"08.123"}},
		{"%A %B %j %w %y %Z 100%%", []string{"Monday November 327 1 26 CET 100%"},
			[]string{"Monday November 367 1 26 CET 100%"}},
		{"%a", []string{"on Mon 3"}, []string{"mon"}},
	} {
		where, err := targetOf("arn:x/task", "us-east-1",
			boxOf("id", map[string]string{"awslogs-group": "g", "awslogs-datetime-format": c.format}))
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		for _, first := range c.begins {
			b := &batch{target: where}
			for _, line := range append([]string{first}, c.other...) {
				b.add(0, 0, runtime.LogEntry{At: time.Now(), Text: []byte(line + "\n")})
			}
			b.add(0, 0, runtime.LogEntry{At: time.Now(), Text: []byte(first + "\n")})
			b.closeAll()
			if len(b.events) != 2 || b.events[1].Message != first {
				t.Errorf("%s: %d events %+v, want 2", c.format, len(b.events), b.events)
			}
		}
	}
	for _, format := range []string{"%", "%Y-%", "%q", "(%Y"} {
		if _, err := datetimePattern(format); err == nil {
			t.Errorf("format %q is accepted", format)
		}
	}
}

// The options are those of ecs.md 7.10, and no option is ignored.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		options map[string]string
		stream  string
		fails   bool
	}{
		{map[string]string{"awslogs-group": "g"}, "id", false},
		{map[string]string{"awslogs-group": "g", "awslogs-stream": "given"}, "given", false},
		{map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}, "p/web/0123", false},
		{map[string]string{}, "", true},
		{map[string]string{"awslogs-group": "g", "awslogs-datetime-format": "%Y-%Q"}, "", true},
		{map[string]string{"awslogs-group": "g", "awslogs-multiline-pattern": "("}, "", true},
	} {
		got, err := targetOf("arn:aws:ecs:us-east-1:1:task/agt/0123", "eu-west-1", boxOf("id", c.options))
		if c.fails != errors.Is(err, engine.ErrLogs) ||
			!c.fails && (got.Stream != c.stream || got.Region != "eu-west-1") {
			t.Errorf("%v: %+v, %v", c.options, got, err)
		}
	}
}

func TestPrepareMakesTheStream(t *testing.T) {
	c := &cloud{}
	s := New("us-east-1", func(string) API { return c }, nil, nil, slog.New(slog.DiscardHandler))
	c.before = func(string) error { return fault.New("ResourceAlreadyExistsException", "it is there") }
	if err := s.Prepare(t.Context(), "arn", boxOf("id", options)); err != nil ||
		!slices.Equal(c.calls, []string{"CreateLogStream"}) {
		t.Errorf("%v, %v", c.calls, err)
	}
	with := boxOf("id", map[string]string{"awslogs-group": "g", "awslogs-create-group": "true"})
	if err := s.Prepare(t.Context(), "arn", with); err != nil ||
		!slices.Equal(c.calls[1:], []string{"CreateLogGroup", "CreateLogStream"}) {
		t.Errorf("%v, %v", c.calls, err)
	}
	c.before = func(string) error {
		return fault.New("ResourceNotFoundException", "The specified log group does not exist.")
	}
	if err := s.Prepare(t.Context(), "arn", boxOf("id", options)); !errors.Is(err, engine.ErrLogs) {
		t.Errorf("a missing group: %v", err)
	}
	c.before = func(string) error { return errors.New("not available") }
	if err := s.Prepare(t.Context(), "arn", boxOf("id", options)); err == nil || errors.Is(err, engine.ErrLogs) {
		t.Errorf("a service that is not available: %v", err)
	}
}
