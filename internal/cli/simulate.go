package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/sim"
)

// simulation is what berth simulate was asked for.
type simulation struct {
	place
	stack, export, compare, out string
	loads, faults               []string
	cost, start                 string
	options                     sim.Options
	asJSON                      bool
}

// simulated is what berth simulate prints as JSON. Compared is the report of the stack of --compare, on the same load.
type simulated struct {
	sim.Report
	Compared *sim.Report
}

func newSimulate(std streams) *cobra.Command {
	s := simulation{options: sim.Usual()}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "show what a stack's scaling would do with a load",
		Long: "Runs the real controllers, alarms and schedulers on a clock of their own, beside simulated instances, " +
			"and shows what they would do with a load: a day takes seconds. " +
			"The stack is that of a running server, or of a file that --export has written. " +
			"Nothing of the server changes. " +
			"A load is SERVICE=SHAPE with settings, such as chat=wave,low=20,high=400,peak=14h in requests a second; " +
			"shapes are " + sim.Shapes + " and recorded, which is what the server has counted. " +
			"With clients=RATE a load counts connected clients that stay with their task, " +
			"and make so many requests a second each. A file is CSV: time,SERVICE,… " +
			"docs/simulate.md has all settings.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context(), std) },
	}
	s.place.flags(c)
	f, o := c.Flags(), &s.options
	f.StringVar(&s.export, "export", "", "write the stack of the server to a `file` and end; - is standard output")
	f.StringVar(&s.stack, "stack", "", "simulate the stack of a `file` and not that of a server")
	f.StringVar(&s.compare, "compare", "", "simulate the stack of another `file` on the same load too")
	f.StringVar(&s.out, "out", "", "draw the curves to a `file`: .svg or .html")
	f.StringArrayVar(&s.loads, "load", nil, "a `load`: SERVICE=SHAPE,NAME=VALUE,… or a CSV file; may be repeated")
	f.StringVar(&s.cost, "cost", "", "what a request costs, for loads that do not say: `cpu=10ms,memory=0.05,…`")
	f.StringVar(&s.start, "start", "", "when the load begins, for scheduled actions, as 2030-01-07T00:00:00Z")
	f.DurationVar(&o.Span, "span", 0, "how long it lasts; by default as the recorded load, or a day")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of ids, delays and noise: the same one gives the same output")
	f.DurationVar(&o.Boot, "boot", o.Boot, "from the start of an instance to its registration")
	f.DurationVar(&o.Image, "image", o.Image, "to pull an image that an instance does not have")
	f.DurationVar(&o.Ready, "ready", o.Ready, "from a task's image to its running containers")
	f.DurationVar(&o.Stop, "stop", o.Stop, "from the stop of a task to its end")
	f.DurationVar(&o.Patience, "patience", o.Patience, "how long a request waits before it is given up")
	f.IntSliceVar(&o.Reserved, "reserved", nil, "`numbers` of reserved instances to count hours for")
	f.StringArrayVar(&s.faults, "fault", nil, "something that goes wrong, as `KIND@TIME`; may be repeated")
	jsonFlag(c, &s.asJSON, simulated{})
	return c
}

func (s *simulation) run(ctx context.Context, std streams) error {
	if s.export != "" {
		return s.runExport(ctx, std)
	}
	if err := s.check(); err != nil {
		return err
	}
	stack, err := s.read(ctx, std)
	if err != nil {
		return err
	}
	loads, err := s.readLoads(ctx, std, stack)
	if err != nil {
		return err
	}
	if s.options.Span == 0 {
		s.options.Span = cmp.Or(sim.Length(loads), 24*time.Hour)
	}
	r, err := sim.Run(ctx, stack, loads, s.options)
	if err != nil {
		return err
	}
	all := []*sim.Report{r}
	if s.compare != "" {
		other, err := readStack(s.compare)
		if err != nil {
			return err
		}
		compared, err := sim.Run(ctx, other, loads, s.options)
		if err != nil {
			return fmt.Errorf("%s: %w", s.compare, err)
		}
		all = append(all, compared)
	}
	return s.show(std, all)
}

// check reads the flags that are texts.
func (s *simulation) check() error {
	if len(s.loads) == 0 {
		return usagef("there is no load; give one, such as --load chat=wave,low=20,high=400")
	}
	if ext := strings.ToLower(filepath.Ext(s.out)); s.out != "" && ext != ".svg" && ext != ".html" {
		return usagef("--out %q is neither .svg nor .html", s.out)
	}
	if s.start != "" {
		at, err := time.Parse(time.RFC3339, s.start)
		if err != nil {
			return usagef("--start %q is not a time such as 2030-01-07T00:00:00Z", s.start)
		}
		s.options.Start = at.UTC()
	}
	for _, text := range s.faults {
		f, err := sim.ParseFault(text)
		if err != nil {
			return usageError{err}
		}
		s.options.Faults = append(s.options.Faults, f)
	}
	return nil
}

// read returns the stack of the file or of the server.
func (s *simulation) read(ctx context.Context, std streams) (*blueprint.Stack, error) {
	if s.stack != "" {
		return readStack(s.stack)
	}
	from, err := s.connect(std)
	if err != nil {
		return nil, err
	}
	stack := new(blueprint.Stack)
	if err := from.get(ctx, "blueprint", nil, stack); err != nil {
		return nil, err
	}
	for _, what := range stack.LeftOut {
		quote.Fprintf(std.err, "left out: %s\n", what)
	}
	return stack, stack.Check()
}

func readStack(path string) (*blueprint.Stack, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := blueprint.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// runExport writes the stack of the server to a file.
func (s *simulation) runExport(ctx context.Context, std streams) error {
	if s.stack != "" || len(s.loads) > 0 || s.compare != "" || s.out != "" {
		return usagef("--export goes with no other flag but those that name the server")
	}
	stack, err := s.read(ctx, std)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(stack, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if s.export == "-" {
		_, err = std.out.Write(text)
		return err
	}
	if err := os.WriteFile(s.export, text, 0o600); err != nil {
		return err
	}
	quote.Fprintf(std.err, "%d services and %d groups of region %s are in %s\n", len(stack.Services), len(stack.Groups),
		stack.Region, s.export)
	return nil
}

// readLoads reads the loads of the flags.
func (s *simulation) readLoads(ctx context.Context, std streams, stack *blueprint.Stack) ([]sim.Load, error) {
	cost, err := sim.ParseCost(s.cost, sim.UsualCost())
	if err != nil {
		return nil, usagef("--cost: %w", err)
	}
	var all []sim.Load
	for _, text := range s.loads {
		service, rest, shaped := strings.Cut(text, "=")
		shape, settings, _ := strings.Cut(rest, ",")
		switch {
		case !shaped:
			more, err := readCSV(text, cost)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
			continue
		case shape == "recorded":
			l, err := s.recorded(ctx, std, stack, service, settings, cost)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
			continue
		}
		l, err := sim.ParseLoad(text, cost)
		if err != nil {
			return nil, usageError{err}
		}
		all = append(all, l)
	}
	return all, nil
}

func readCSV(path string, cost sim.Cost) ([]sim.Load, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w; a load that is no file is SERVICE=SHAPE,NAME=VALUE,…", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	loads, err := sim.ReadCSV(f, cost)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return loads, nil
}

// recordedFor is how much of a recorded metric is read.
const recordedFor = 24 * time.Hour

// recorded returns what the load balancers of the server have counted of a service's requests in the last day.
func (s *simulation) recorded(ctx context.Context, std streams, stack *blueprint.Stack, service, settings string,
	cost sim.Cost) (sim.Load, error) {
	from, err := s.connect(std)
	if err != nil {
		return sim.Load{}, err
	}
	balancer, group, err := stack.Balanced(service)
	if err != nil {
		return sim.Load{}, err
	}
	end := time.Now().Truncate(time.Minute)
	curve, err := from.requests(ctx, balancer, group, end.Add(-recordedFor), end)
	if err != nil {
		return sim.Load{}, err
	}
	if len(curve.Times) == 0 {
		return sim.Load{}, fmt.Errorf("the server has counted no request of %s in the last %v", service, recordedFor)
	}
	return sim.RecordedLoad(service, curve, settings, cost)
}

// requests returns the requests a second of a target group, minute by minute. Minutes without a point had none.
func (c *client) requests(ctx context.Context, balancer, group string, start, end time.Time) (sim.Recorded, error) {
	dimension := func(name, value string) map[string]string { return map[string]string{"Name": name, "Value": value} }
	in := map[string]any{
		"StartTime": start.Unix(), "EndTime": end.Unix(), "ScanBy": "TimestampAscending",
		"MetricDataQueries": []any{map[string]any{"Id": "r", "MetricStat": map[string]any{"Period": 60, "Stat": "Sum",
			"Metric": map[string]any{"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount",
				"Dimensions": []any{
					dimension("LoadBalancer", balancer), dimension("TargetGroup", group)}}}}},
	}
	body, err := json.Marshal(in)
	if err != nil {
		return sim.Recorded{}, err
	}
	var out struct {
		MetricDataResults []struct {
			Timestamps []float64
			Values     []float64
		}
	}
	if err := c.call(ctx, "POST", "monitoring", "/", body, "GraniteServiceVersion20100801.GetMetricData",
		&out); err != nil {
		return sim.Recorded{}, err
	}
	perMinute := map[int64]float64{}
	first := end.Unix()
	for _, r := range out.MetricDataResults {
		for i, at := range r.Timestamps {
			if i < len(r.Values) {
				perMinute[int64(at)] += r.Values[i]
				first = min(first, int64(at))
			}
		}
	}
	var curve sim.Recorded
	for at := first; at < end.Unix(); at += 60 {
		curve.Times = append(curve.Times, time.Duration(at-first)*time.Second)
		curve.Values = append(curve.Values, perMinute[at]/60)
	}
	if n := len(curve.Times); n > 0 { // the last minute lasts as long as the others
		curve.Times = append(curve.Times, curve.Times[n-1]+time.Minute)
		curve.Values = append(curve.Values, curve.Values[n-1])
	}
	return curve, nil
}

// show writes the reports to the terminal, as JSON if that was asked for, and to the file of --out.
func (s *simulation) show(std streams, all []*sim.Report) error {
	names := []string{cmp.Or(s.stack, "the server"), s.compare}[:len(all)]
	if s.out != "" {
		draw := sim.SVG
		if strings.EqualFold(filepath.Ext(s.out), ".html") {
			draw = sim.HTML
		}
		if err := writeFile(s.out, func(w io.Writer) error { return draw(w, names, all) }); err != nil {
			return err
		}
	}
	if s.asJSON {
		v := simulated{Report: *all[0]}
		if len(all) > 1 {
			v.Compared = all[1]
		}
		return printJSON(std.out, v)
	}
	for i, r := range all {
		if len(all) > 1 {
			quote.Fprintf(std.out, "%s%s\n\n", strings.Repeat("\n", i), names[i])
		}
		sim.Text(std.out, r, width)
	}
	if len(all) > 1 {
		sim.Differences(std.out, names, all)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
