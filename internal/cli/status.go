package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

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
	jsonFlag(c, &asJSON)
	return c
}

func runStatus(ctx context.Context, io streams, p place, asJSON bool) error {
	from, err := p.connect()
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
	quote.Fprintf(w, "Region %s\n", r.Region)
	if len(r.Clusters)+len(r.LoadBalancers)+len(r.Caches) == 0 {
		fmt.Fprintln(w, "Nothing is here yet. Regions do not see each other: --region names another.")
	}
	for _, c := range r.Clusters {
		printCluster(w, c)
	}
	for _, lb := range r.LoadBalancers {
		quote.Fprintf(w, "\nLoad balancer %s  (%s)\n", lb.Name, lb.DNSName)
		for _, l := range lb.Listeners {
			var targets []string
			for _, s := range slices.Sorted(maps.Keys(l.Targets)) {
				targets = append(targets, fmt.Sprintf("%d %s", l.Targets[s], s))
			}
			if len(targets) == 0 {
				targets = []string{"none"}
			}
			quote.Fprintf(w, "  port %d  %s  targets: %s%s\n", l.Port, l.URL, strings.Join(targets, ", "), note(l.Notice))
		}
	}
	for _, c := range r.Caches {
		quote.Fprintf(w, "\nCache %s  %s  %s  %s\n", c.ID, c.Status, c.Endpoint, c.Engine)
	}
	if r.Disk != nil {
		printDisk(w, r.Disk)
	}
}

func printCluster(w io.Writer, c status.Cluster) {
	quote.Fprintf(w, "\nCluster %s\n", c.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, i := range c.Instances {
		quote.Fprintf(t, "  instance\t%s\t%s\t%s\t%s\t%d running, %d pending\tfree %d of %d CPU, %d of %d MiB%s\n", i.EC2InstanceID, i.Zone, i.Address, i.Status,
			i.Running, i.Pending, i.FreeCPU, i.CPU, i.FreeMemory, i.Memory, note(i.Notice))
	}
	t.Flush()
	for _, s := range c.Services {
		quote.Fprintf(w, "  service %s  %s  %s  %d of %d running, %d pending  %s\n", s.Name, s.Status, s.TaskDefinition, s.Running, s.Desired, s.Pending, s.Rollout)
		printTasks(w, "    ", s.Tasks)
		if s.LastFailure != "" {
			quote.Fprintf(w, "    a task stopped: %s\n", s.LastFailure)
		}
		if s.Retry != "" {
			quote.Fprintf(w, "    %s\n", s.Retry)
		}
		if s.LastEvent != "" {
			quote.Fprintf(w, "    last event: %s\n", s.LastEvent)
		}
	}
	printTasks(w, "  ", c.Tasks)
}

func printTasks(w io.Writer, indent string, tasks []status.Task) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range tasks {
		quote.Fprintf(t, "%stask\t%s\t%s\t%s\t%s\t%s\t%s%s\n", indent, x.ID, x.Definition, x.Status, x.Zone, x.Instance, x.Address, note(x.Notice))
	}
	t.Flush()
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return "  (" + s + ")"
}
