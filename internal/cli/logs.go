package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// logLine is one event of CloudWatch Logs, with the task and container that it is from.
type logLine struct {
	Time            time.Time
	Task, Container string
	Message         string
	id              string
}

func newLogs(io streams) *cobra.Command {
	var s subject
	var l logReader
	c := &cobra.Command{
		Use:   "logs SERVICE|TASK",
		Short: "print what the containers of a service or a task write",
		Long: "Prints what the containers of a task, or of all tasks of a service, have written to " +
			"CloudWatch Logs (log driver awslogs), in the order of time. " +
			"With --follow it goes on until Ctrl-C, also with tasks that start meanwhile; of a task until " +
			"it has stopped. " +
			"When nothing of it has ever run, it says why and ends with exit code 1; with --follow it says " +
			"what it waits for.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			from, err := s.connect(io)
			if err != nil {
				return err
			}
			l.io, l.from, l.subject = io, from, &s
			return l.run(c.Context())
		},
	}
	s.flags(c)
	f := c.Flags()
	f.BoolVarP(&l.follow, "follow", "f", false, "print new lines as they come")
	f.DurationVar(&l.since, "since", time.Hour, "how far back to start")
	jsonFlag(c, &l.json, logLine{})
	f.Lookup("json").Usage = "print JSON, one value on a line for each line of the log"
	return c
}

// logReader prints log lines and remembers which ones it has printed.
type logReader struct {
	io           streams
	from         *client
	subject      *subject
	follow, json bool
	since        time.Duration

	began time.Time
	seen  map[string]*streamSeen
	noted map[string]bool // containers with logs elsewhere, for which that was printed
	lines int             // how many lines were printed
	waits string          // what it waits for, as printed last
}

func (l *logReader) run(ctx context.Context) error {
	l.began = time.Now().Add(-l.since)
	l.seen, l.noted = map[string]*streamSeen{}, map[string]bool{}
	last := false
	for {
		var streams []status.Stream
		if err := l.subject.ask(ctx, l.from, "streams", &streams); err != nil {
			return l.end(ctx, err)
		}
		lines, err := l.read(ctx, streams)
		if err != nil {
			return l.end(ctx, err)
		}
		if err := l.print(lines); err != nil {
			return err
		}
		ran := slices.ContainsFunc(streams, func(s status.Stream) bool { return s.Ran })
		over := len(streams) > 0 && !slices.ContainsFunc(streams,
			func(s status.Stream) bool { return !s.Stopped || s.Task != streams[0].Task })
		switch {
		case !l.follow || over && last:
			return l.silence(ctx, ran)
		case !ran:
			l.waiting(ctx)
		}
		last = over // a task's last lines may arrive after its state
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// silence prints why there are no lines. That nothing has ever run is an error.
func (l *logReader) silence(ctx context.Context, ran bool) error {
	if l.lines > 0 || ran && len(l.noted) > 0 {
		return nil
	}
	var a why.Answer
	if err := l.subject.ask(ctx, l.from, "explain", &a); err != nil {
		return err
	}
	if ran {
		quote.Fprintf(l.io.err, "%s %s has written nothing to its logs within the last %s; --since looks "+
			"further back\n", a.Kind, a.Name, l.since)
		return nil
	}
	printAnswer(l.io.err, a)
	return fmt.Errorf("there are no logs: no container of %s %s has ever run", a.Kind, a.Name)
}

// waiting prints what a service or task that has never run waits for, when that has changed.
func (l *logReader) waiting(ctx context.Context) {
	var a why.Answer
	if l.subject.ask(ctx, l.from, "explain", &a) != nil {
		return // the next round asks again
	}
	if now := first(a); age.ReplaceAllString(now, "") != age.ReplaceAllString(l.waits, "") {
		quote.Fprintf(l.io.err, "waiting for %s\n", now)
		l.waits = now
	}
}

// end returns the error with which reading ends: none when the user ends --follow with Ctrl-C.
func (l *logReader) end(ctx context.Context, err error) error {
	if l.follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// read returns the new lines of all streams in the order of time.
func (l *logReader) read(ctx context.Context, streams []status.Stream) (lines []logLine, err error) {
	for _, s := range streams {
		if s.Driver != "awslogs" {
			l.elsewhere(s)
			continue
		}
		if s.Name == "" || s.Group == "" || !s.Ran {
			continue // the container has written nothing
		}
		of, err := l.stream(ctx, s)
		if err != nil {
			return nil, err
		}
		lines = append(lines, of...)
	}
	slices.SortStableFunc(lines,
		func(a, b logLine) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.id, b.id)) })
	return lines, nil
}

// elsewhere prints once where a container's output is, if it is not in CloudWatch Logs.
func (l *logReader) elsewhere(s status.Stream) {
	id := s.Task + "/" + s.Container
	if l.noted[id] || s.RuntimeID == "" {
		return
	}
	l.noted[id] = true
	quote.Fprintf(l.io.err, "container %s of task %.12s logs with %s; on its machine: docker logs %.12s\n",
		s.Container, s.Task, s.Driver, s.RuntimeID)
}

// streamSeen is how much of a stream was printed: everything before a time, and these lines of that time.
type streamSeen struct {
	at  time.Time
	ids map[string]bool
}

// stream reads the new lines of one stream. It reads again from the newest time it has seen, and leaves out
// what was printed.
func (l *logReader) stream(ctx context.Context, s status.Stream) (lines []logLine, err error) {
	from := *l.from
	from.region = cmp.Or(s.Region, from.region)
	key := s.Group + " " + s.Name
	if l.seen[key] == nil {
		l.seen[key] = &streamSeen{l.began, map[string]bool{}}
	}
	seen := l.seen[key]
	begin := seen.at
	for token := ""; ; {
		var page struct {
			Events []struct {
				EventID   string `json:"eventId"`
				Timestamp int64  `json:"timestamp"`
				Message   string `json:"message"`
			} `json:"events"`
			NextToken string `json:"nextToken"`
		}
		ask := map[string]any{
			"logGroupName": s.Group, "logStreamNames": []string{s.Name}, "startTime": begin.UnixMilli(),
		}
		if token != "" {
			ask["nextToken"] = token
		}
		if err := from.logs(ctx, "FilterLogEvents", ask, &page); err != nil {
			if r, ok := errors.AsType[*refused](err); ok && r.code == "ResourceNotFoundException" {
				return lines, nil // nothing was written yet
			}
			return nil, err
		}
		for _, e := range page.Events {
			at := time.UnixMilli(e.Timestamp)
			if seen.ids[e.EventID] {
				continue
			}
			lines = append(lines, logLine{at, s.Task, s.Container, e.Message, e.EventID})
			if at.After(seen.at) {
				seen.at = at
				clear(seen.ids)
			}
			seen.ids[e.EventID] = true
		}
		if token = page.NextToken; token == "" {
			return lines, nil
		}
	}
}

func (l *logReader) print(lines []logLine) error {
	l.lines += len(lines)
	for _, x := range lines {
		if l.json {
			if err := printJSONLine(l.io.out, x); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(l.io.out, "%s %s/%.8s %s\n", x.Time.UTC().Format("15:04:05.000"),
			quote.Text(x.Container), quote.Text(x.Task),
			quote.Lines(x.Message)); err != nil {
			return err
		}
	}
	return nil
}
