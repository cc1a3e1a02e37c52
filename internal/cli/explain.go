package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// subject is the service or task that the user names.
type subject struct {
	place
	cluster, name string
}

// flags adds the flags of a command about a service or task, and completes its argument.
func (s *subject) flags(c *cobra.Command) {
	s.place.flags(c)
	c.Flags().StringVar(&s.cluster, "cluster", "", "the cluster's `name`; by default all clusters of the region")
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.names(c.Context()), cobra.ShellCompDirectiveNoFileComp
	}
}

// names returns the services and tasks for completion, or none if the server does not answer.
func (s *subject) names(ctx context.Context) (names []string) {
	from, err := s.connect(streams{err: io.Discard})
	if err != nil {
		return nil
	}
	var r status.Report
	if from.get(ctx, "status", nil, &r) != nil {
		return nil
	}
	for _, c := range r.Clusters {
		if s.cluster != "" && s.cluster != c.Name {
			continue
		}
		tasks := c.Tasks
		for _, svc := range c.Services {
			names = append(names, quote.Text(svc.Name)+"\tservice of cluster "+quote.Text(c.Name))
			tasks = append(tasks, svc.Tasks...)
		}
		for _, t := range tasks {
			names = append(names, quote.Text(t.ID)+"\ttask of "+quote.Text(t.Definition))
		}
	}
	return names
}

// ask fetches a page about the subject.
func (s *subject) ask(ctx context.Context, from *client, page string, into any) error {
	return from.get(ctx, page, url.Values{"name": {s.name}, "cluster": {s.cluster}}, into)
}

func newExplain(io streams) *cobra.Command {
	var s subject
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain SERVICE|TASK",
		Short: "say why a service or a task does not run",
		Long: "Says why a service or a task does not run as it should, from what the scheduler, the agent, " +
			"health checks and deployments know. " +
			"A task is named by its id or the beginning of it.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			from, err := s.connect(io)
			if err != nil {
				return err
			}
			var a why.Answer
			if err := s.ask(c.Context(), from, "explain", &a); err != nil {
				return err
			}
			if asJSON {
				return printJSON(io.out, a)
			}
			printAnswer(io.out, a)
			return nil
		},
	}
	s.flags(c)
	jsonFlag(c, &asJSON, why.Answer{})
	return c
}

func printAnswer(w io.Writer, a why.Answer) {
	quote.Fprintf(w, "%s %s of cluster %s: %s\n", a.Kind, a.Name, a.Cluster, a.Status)
	if a.OK && len(a.Reasons) == 0 {
		fmt.Fprintln(w, "It runs as it should.")
	}
	if a.Scaling != "" {
		fmt.Fprintf(w, "\n%s\n", quote.Lines(wrap(quote.Text(a.Scaling), width)))
	}
	for _, r := range a.Reasons {
		fmt.Fprintf(w, "\n%s\n", quote.Lines(wrap(quote.Text(r.Source+": "+r.Text), width)))
		if r.Advice != "" {
			fmt.Fprintf(w, "  %s\n", quote.Lines(indent(wrap(quote.Text(r.Advice), width-2), 2)))
		}
	}
}
