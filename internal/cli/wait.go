package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// lookEvery is how often a waiting command asks the server.
const lookEvery = 250 * time.Millisecond

func newWait(io streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "wait",
		Short: "wait for a service, a task or instances, and end with the reason when it fails",
	}
	c.AddCommand(newWaitService(io), newWaitTask(io), newWaitInstances(io))
	return c
}

// waiter waits for something and prints how that ended.
type waiter struct {
	io      streams
	timeout time.Duration
	asJSON  bool
}

// flags adds the flags of a command that waits. value is of the type that it prints with --json.
func (w *waiter) flags(c *cobra.Command, value any) {
	c.Flags().DurationVar(&w.timeout, "timeout", 10*time.Minute, "how long to wait at most")
	jsonFlag(c, &w.asJSON, value)
}

// seen is the answer to one question to the server.
type seen struct {
	done    bool   // the wait is over
	summary string // one line, for the end or for progress
	answer  any    // for --json
}

// look asks the server once. An error ends the wait.
type look func(ctx context.Context) (seen, error)

// age matches how long something has lasted. A reason in which only that has changed is not printed again.
var age = regexp.MustCompile(`\b[0-9hms]*[0-9][hms]\b`)

// until asks again and again. It prints new reasons to standard error. With --json it prints the last answer to
// standard output, however the wait ends.
func (w *waiter) until(ctx context.Context, l look) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	printed := ""
	var last seen
	for {
		now, err := l(ctx)
		if now.answer != nil {
			last = now
		}
		if ctx.Err() == nil && (now.done || err != nil) {
			return w.end(last, err)
		}
		if s := now.summary; s != "" && age.ReplaceAllString(s, "") != age.ReplaceAllString(printed, "") {
			quote.Fprintf(w.io.err, "%s\n", s)
			printed = s
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return w.end(last, fmt.Errorf("not within %s: %s", w.timeout, printed))
			}
			return w.end(last, context.Cause(ctx))
		case <-time.After(lookEvery):
		}
	}
}

// end prints how a wait ended.
func (w *waiter) end(last seen, err error) error {
	switch {
	case w.asJSON && last.answer != nil:
		if failed := printJSON(w.io.out, last.answer); err == nil {
			err = failed
		}
	case err == nil:
		quote.Fprintf(w.io.out, "%s\n", last.summary)
	}
	return err
}

// verdict is the error of a wait that cannot succeed any more. It prints the reasons.
func (w *waiter) verdict(a why.Answer, what string) error {
	w.reasons(a)
	return fmt.Errorf("%s %s %s", a.Kind, a.Name, what)
}

// reasons prints the reasons of an answer. With --json the answer itself is printed at the end.
func (w *waiter) reasons(a why.Answer) {
	if !w.asJSON {
		printAnswer(w.io.err, a)
	}
}

// first returns the first reason of an answer, for a line of progress.
func first(a why.Answer) string {
	s := a.Kind + " " + a.Name + ": " + a.Status
	if len(a.Reasons) > 0 {
		s += "; " + a.Reasons[0].Text
	}
	return s
}

func newWaitService(io streams) *cobra.Command {
	var s subject
	w := waiter{io: io}
	var definition string
	var atOnce bool
	c := &cobra.Command{
		Use:   "service NAME",
		Short: "wait until a service runs all its tasks and its deployment is complete",
		Long: "Waits until a service runs all its tasks, they are healthy and its deployment is complete. " +
			"It ends with exit code 1 and the reasons when the deployment fails, is rolled back or was rolled back " +
			"before, when the service is deleted, when its tasks are larger than every instance, or when without a " +
			"circuit breaker three tasks have failed and none runs well. With --task-definition it waits until the " +
			"service is steady with that revision, also if another one was rolled back to it. Tasks that neither a " +
			"load balancer nor a container health check looks at must have run for 40 seconds, unless --at-once " +
			"is given.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			want := arn.LastID(definition)
			if definition != "" && !oneRevision.MatchString(want) {
				return usagef("%q is not a task definition: name one revision, as in web:3", definition)
			}
			from, err := s.connect(io)
			if err != nil {
				return err
			}
			return w.until(c.Context(), serviceLook(&w, from, &s, want, atOnce))
		},
	}
	s.flags(c)
	w.flags(c, why.Answer{})
	c.Flags().StringVar(&definition, "task-definition", "",
		"the `revision` that the service is to be steady with, as in web:3")
	c.Flags().BoolVar(&atOnce, "at-once", false, "do not wait until tasks that nothing checks have run for a while")
	return c
}

// oneRevision is a family and a revision.
var oneRevision = regexp.MustCompile(`^[A-Za-z0-9_-]+:[0-9]+$`)

// serviceLook asks about a service. definition is the task definition with which it should become steady; "" is
// the one that was asked for last. With atOnce, tasks that nothing checks need not have run for a while.
func serviceLook(w *waiter, from *client, s *subject, definition string, atOnce bool) look {
	asked := false // a deployment of the definition was seen
	return func(ctx context.Context) (seen, error) {
		var a why.Answer
		if err := s.ask(ctx, from, "explain", &a); err != nil {
			return seen{}, err
		}
		if a.Kind != "service" {
			return seen{}, usagef("%s is a %s; use berth wait %s", a.Name, a.Kind, a.Kind)
		}
		now := seen{summary: first(a), answer: a}
		another := definition != "" && a.Latest != nil && a.Latest.TaskDefinition != definition
		asked = asked || !another
		switch {
		case a.Steady && definition == a.TaskDefinition, a.OK && definition == "":
			now.done, now.summary = true, "service "+a.Name+": "+a.Status
			if !a.ProvenAt.IsZero() && !atOnce {
				now.done = false
				now.summary += fmt.Sprintf("; nothing checks its tasks, so this waits until they have run for %s "+
					"(--at-once does not)", why.Proof)
			}
		case another && a.TaskDefinition == definition && a.RolledBack && a.Latest.FinishedAt.IsZero():
			now.summary = "service " + a.Name + ": it is on its way back to " + definition
		case another && asked:
			return now, w.verdict(a, "was asked to run "+a.Latest.TaskDefinition+
				" before it was steady with "+definition)
		case another:
			now.summary = fmt.Sprintf("service %s: it was last asked to run %s, not %s", a.Name,
				a.Latest.TaskDefinition, definition)
		case a.Latest != nil && a.RolledBack:
			return now, w.verdict(a, fate(a))
		case a.Failed:
			return now, w.verdict(a, "has failed")
		}
		return now, nil
	}
}

// fate describes what became of a deployment that has ended early.
func fate(a why.Answer) string {
	if a.Latest.StoppedByUser {
		return "is rolled back: a user stopped its deployment of " + a.Latest.TaskDefinition
	}
	if a.Latest.FinishedAt.IsZero() {
		return "is rolled back: its deployment of " + a.Latest.TaskDefinition + " has failed"
	}
	return "was rolled back: its deployment of " + a.Latest.TaskDefinition + " failed"
}

func newWaitTask(io streams) *cobra.Command {
	var s subject
	w := waiter{io: io}
	var stopped bool
	c := &cobra.Command{
		Use:   "task ID",
		Short: "wait until a task runs, or with --stopped until it has ended",
		Long: "Waits until a task runs and is healthy, and ends with exit code 1 and the reasons when it " +
			"has stopped instead. With --stopped it waits for the end of " +
			"the task, as of a job, and ends with the exit code of the first container that did not end with 0.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			from, err := s.connect(io)
			if err != nil {
				return err
			}
			return w.until(c.Context(), taskLook(&w, from, &s, stopped))
		},
	}
	s.flags(c)
	w.flags(c, why.Answer{})
	c.Flags().BoolVar(&stopped, "stopped", false, "wait until the task has ended")
	return c
}

func taskLook(w *waiter, from *client, s *subject, stopped bool) look {
	return func(ctx context.Context) (seen, error) {
		var a why.Answer
		if err := s.ask(ctx, from, "explain", &a); err != nil {
			return seen{}, err
		}
		if a.Kind != "task" {
			return seen{}, usagef("%s is a %s; use berth wait %s", a.Name, a.Kind, a.Kind)
		}
		now := seen{summary: first(a), answer: a}
		state := "task " + a.Name + ": " + a.Status
		ended := a.Status == "STOPPED"
		switch {
		case ended && stopped && a.ExitCode != nil && *a.ExitCode == 0, a.OK && !stopped:
			now.done, now.summary = true, state
		case ended && stopped && a.ExitCode != nil:
			w.reasons(a)
			return now, exitError(*a.ExitCode)
		case ended:
			return now, w.verdict(a, "has stopped")
		case stopped && a.OK:
			now.summary = state
		}
		return now, nil
	}
}

// instancesSeen is what berth wait instances prints with --json.
type instancesSeen struct {
	Cluster       string
	Wanted, Ready int
	Waiting       []status.Instance // those that are not ready
	LaunchFailure string            `json:",omitempty"`
	AgentFailure  string            `json:",omitempty"`
}

func newWaitInstances(io streams) *cobra.Command {
	var p place
	var cluster string
	w := waiter{io: io}
	c := &cobra.Command{
		Use:   "instances COUNT",
		Short: "wait until a cluster has so many ACTIVE instances that can run tasks",
		Long: "Waits until a cluster has so many ACTIVE container instances whose agents are connected and whose " +
			"container runtime works. It ends with exit code 1 and the reason when an agent of the cluster may not " +
			"use Docker or ends again and again, or when no instance is coming and the last launch of an Auto " +
			"Scaling group has failed.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			count, err := strconv.Atoi(args[0])
			if err != nil || count < 0 {
				return usagef("%q is not a number of instances", args[0])
			}
			from, err := p.connect(io)
			if err != nil {
				return err
			}
			return w.until(c.Context(), instancesLook(from, cluster, count))
		},
	}
	p.flags(c)
	c.Flags().StringVar(&cluster, "cluster", defaultCluster, "the cluster's `name`")
	w.flags(c, instancesSeen{})
	return c
}

// defaultCluster is the cluster of agents without ECS_CLUSTER.
const defaultCluster = "default"

// others counts the instances in the default cluster, if that is not the one that is waited for.
func others(r status.Report, cluster string) (n int) {
	for _, c := range r.Clusters {
		if c.Name == defaultCluster && c.Name != cluster {
			n += len(c.Instances)
		}
	}
	return n
}

func instancesLook(from *client, cluster string, count int) look {
	return func(ctx context.Context) (seen, error) {
		var r status.Report
		if err := from.get(ctx, "status", nil, &r); err != nil {
			return seen{}, err
		}
		at := slices.IndexFunc(r.Clusters, func(c status.Cluster) bool { return c.Name == cluster })
		if at < 0 {
			return seen{}, fmt.Errorf("there is no cluster %s in region %s", cluster, r.Region)
		}
		found := instancesSeen{
			Cluster: cluster, Wanted: count, Waiting: []status.Instance{}, LaunchFailure: r.LaunchFailure,
			AgentFailure: r.Clusters[at].AgentFailure,
		}
		notice, failed := "", false
		for _, i := range r.Clusters[at].Instances {
			if i.Status == "ACTIVE" && i.Connected && i.Notice == "" {
				found.Ready++
				continue
			}
			found.Waiting = append(found.Waiting, i)
			if !failed {
				notice = "; instance " + i.Name() + " is " + i.Status + " " + note(i.Notice)
			}
			failed = failed || i.Failed
		}
		if n := others(r, cluster); n > 0 && found.Ready < count {
			notice += fmt.Sprintf("; %d in cluster %s, which instances join whose user data sets no ECS_CLUSTER", n,
				defaultCluster)
		}
		now := seen{answer: found, summary: fmt.Sprintf("cluster %s: %d of %d instances%s", cluster,
			found.Ready, count, notice)}
		switch {
		case found.Ready >= count:
			now.done = true
		case failed:
			return now, errors.New(now.summary)
		case found.AgentFailure != "":
			return now, errors.New(now.summary + ": " + found.AgentFailure)
		case r.LaunchFailure != "":
			return now, errors.New(now.summary + ": " + r.LaunchFailure)
		}
		return now, nil
	}
}
