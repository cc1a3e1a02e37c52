package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/status"
)

func newStatus(io streams) *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "show clusters, services, instances and load balancers at a glance",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runStatus(c.Context(), io, p, asJSON) },
	}
	p.flags(c)
	jsonFlag(c, &asJSON, status.Report{})
	return c
}

func runStatus(ctx context.Context, io streams, p place, asJSON bool) error {
	from, err := p.connect(io)
	if err != nil {
		return err
	}
	var r status.Report
	if err := from.get(ctx, "status", nil, &r); err != nil {
		return err
	}
	if asJSON {
		return printJSON(io.out, r)
	}
	printStatus(io.out, r)
	return nil
}

func printStatus(w io.Writer, r status.Report) {
	p := page{w}
	p.line(0, "Region "+r.Region)
	if len(r.Clusters)+len(r.LoadBalancers)+len(r.Caches) == 0 {
		p.line(0, "Nothing is here yet. Regions do not see each other: --region names another.")
	}
	for _, c := range r.Clusters {
		p.cluster(c)
	}
	for _, lb := range r.LoadBalancers {
		p.balancer(lb)
	}
	for _, c := range r.Caches {
		p.gap()
		p.line(0, "Cache "+c.ID, c.Status, c.Endpoint, c.Engine)
	}
	if r.LaunchFailure != "" {
		p.gap()
		p.line(0, "No instance is being launched: "+r.LaunchFailure)
	}
	if r.AgentFailure != "" {
		p.gap()
		p.line(0, "An agent does not register: "+r.AgentFailure)
	}
	if r.Disk != nil {
		printDisk(w, r.Disk)
	}
}

// page prints lines within the width.
type page struct{ w io.Writer }

func (p page) gap() { fmt.Fprintln(p.w) }

// shortField is the most characters of a field that is not broken: if it does not fit, it goes on the next
// line.
const shortField = 40

// line prints fields with two spaces between them. What does not fit goes on the next line, indented further.
func (p page) line(spaces int, fields ...string) {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", spaces))
	used, begun := spaces, false
	for _, field := range fields {
		field = quote.Text(field)
		words := strings.Fields(field)
		if len([]rune(field)) <= shortField && len(words) > 0 {
			words = []string{field}
		}
		for i, word := range words {
			gap := 1
			if i == 0 {
				gap = 2
			}
			n := len([]rune(word))
			switch {
			case !begun:
			case used+gap+n > width:
				b.WriteString("\n" + strings.Repeat(" ", spaces+4))
				used = spaces + 4
			default:
				b.WriteString(strings.Repeat(" ", gap))
				used += gap
			}
			b.WriteString(word)
			used, begun = used+n, true
		}
	}
	fmt.Fprintln(p.w, quote.Lines(b.String()))
}

func (p page) cluster(c status.Cluster) {
	p.gap()
	p.line(0, "Cluster "+c.Name)
	for _, i := range c.Instances {
		p.line(2, "instance "+i.Name(), i.Zone, i.Address, i.Status,
			fmt.Sprintf("%d running, %d pending", i.Running, i.Pending),
			fmt.Sprintf("free %d of %d CPU, %d of %d MiB", i.FreeCPU, i.CPU, i.FreeMemory, i.Memory), note(i.Notice))
	}
	for _, one := range c.Waiting {
		p.line(2, "capacity provider "+one.CapacityProvider, "tasks wait: "+one.Reason)
	}
	for _, s := range c.Services {
		p.line(2, "service "+s.Name, s.Status, s.TaskDefinition,
			fmt.Sprintf("%d of %d running, %d pending", s.Running, s.Desired, s.Pending), s.Rollout)
		for _, t := range s.Tasks {
			p.task(4, t, s.TaskDefinition)
		}
		if s.LastFailure != "" {
			p.line(4, "a task stopped: "+s.LastFailure)
		}
		if s.Retry != "" {
			p.line(4, s.Retry)
		}
		if s.Scaling != "" {
			p.line(4, s.Scaling)
		}
		if s.LastEvent != "" {
			p.line(4, "last event: "+s.LastEvent)
		}
	}
	if len(c.Tasks) > 0 {
		p.line(2, "tasks of no service")
	}
	for _, t := range c.Tasks {
		p.task(4, t, "")
	}
}

// task prints a task. Its task definition is left out if it is the usual one, that of its service.
func (p page) task(spaces int, t status.Task, usual string) {
	definition, by := t.Definition, ""
	if definition == usual {
		definition = ""
	}
	if t.StartedBy != "" {
		by = "started by " + t.StartedBy
	}
	health := t.Health
	if health == "UNKNOWN" {
		health = ""
	}
	p.line(spaces, "task "+t.ID, t.Status, t.Zone, t.Address, definition, health, by, note(t.Notice))
}

func (p page) balancer(lb status.LoadBalancer) {
	p.gap()
	p.line(0, "Load balancer "+lb.Name, "("+lb.DNSName+")")
	for _, l := range lb.Listeners {
		p.line(2, fmt.Sprintf("port %d", l.Port), l.URL, note(l.Notice))
		for _, r := range l.Rules {
			p.rule(r)
		}
	}
}

func (p page) rule(r status.Rule) {
	when := "otherwise"
	if r.Priority != 0 {
		when = fmt.Sprintf("%d. if %s", r.Priority, strings.Join(r.If, " and "))
	}
	if r.Then != "" {
		p.line(4, when+": "+r.Then)
		return
	}
	var to []string
	for _, g := range r.Groups {
		name := g.Name
		if len(r.Groups) > 1 {
			name += fmt.Sprintf(" (weight %d)", g.Weight)
		}
		to = append(to, name+" with "+targets(g.Targets))
	}
	p.line(4, when+": "+strings.Join(to, "; "))
}

// targets says how many targets are in each state.
func targets(byState map[string]int) string {
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(byState)) {
		parts = append(parts, fmt.Sprintf("%d %s", byState[s], s))
	}
	if len(parts) == 0 {
		return "no targets"
	}
	return strings.Join(parts, ", ")
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}
