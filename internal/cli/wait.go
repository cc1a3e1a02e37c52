package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// lookEvery is how often a command that waits looks again.
const lookEvery = 250 * time.Millisecond

func newWait(io streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "wait",
		Short: "wait for a service, a task or instances, and end with the reason when it fails",
	}
	c.AddCommand(newWaitService(io), newWaitTask(io), newWaitInstances(io))
	return c
}

// timeoutFlag adds --timeout to a command.
func timeoutFlag(c *cobra.Command, timeout *time.Duration) {
	c.Flags().DurationVar(timeout, "timeout", 10*time.Minute, "how long to wait at most")
}

// look is one look at what is waited for: done ends the wait well, an error ends it badly, and otherwise
// missing says what is not yet as it should be.
type look func(ctx context.Context) (done bool, missing string, err error)

// age is how long something has lasted, in a reason: that alone is no news.
var age = regexp.MustCompile(`\b[0-9hms]*[0-9][hms]\b`)

// await looks again and again. Whatever is new in what is missing goes to standard error.
func await(ctx context.Context, io streams, timeout time.Duration, l look) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	told := ""
	for {
		done, missing, err := l(ctx)
		if ctx.Err() == nil && (done || err != nil) {
			return err
		}
		if age.ReplaceAllString(missing, "") != age.ReplaceAllString(told, "") && missing != "" {
			quote.Fprintf(io.err, "%s\n", missing)
			told = missing
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not within %s: %s", timeout, told)
			}
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// verdict is the error of a wait that has failed for certain: the reasons follow the first line.
func verdict(io streams, a why.Answer, what string) error {
	printAnswer(io.err, a)
	return fmt.Errorf("%s %s %s", a.Kind, a.Name, what)
}

// first is the first reason of an answer, for a line of progress.
func first(a why.Answer) string {
	s := a.Kind + " " + a.Name + ": " + a.Status
	if len(a.Reasons) > 0 {
		s += "; " + a.Reasons[0].Text
	}
	return s
}

func newWaitService(io streams) *cobra.Command {
	var s subject
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "service NAME",
		Short: "wait until a service runs all its tasks and its deployment is complete",
		Long: "Waits until a service runs all its tasks, they are healthy and its deployment is complete. It ends with exit code 1 and the reasons " +
			"when the deployment fails or is rolled back, when the service is deleted, or when without a circuit breaker three tasks have failed and none runs.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			from, err := s.connect()
			if err != nil {
				return err
			}
			return await(c.Context(), io, timeout, serviceLook(io, from, &s))
		},
	}
	s.flags(c)
	timeoutFlag(c, &timeout)
	return c
}

func serviceLook(io streams, from *client, s *subject) look {
	var newest time.Time // deployment that was seen; a primary one that is older is a rollback of it
	return func(ctx context.Context) (bool, string, error) {
		var a why.Answer
		if err := s.ask(ctx, from, "explain", &a); err != nil {
			return false, "", err
		}
		back := a.DeployedAt.Before(newest)
		if !back {
			newest = a.DeployedAt
		}
		switch {
		case a.Kind != "service":
			return false, "", usagef("%s is a %s; use berth wait %s", a.Name, a.Kind, a.Kind)
		case a.RolledBack, back:
			return false, "", verdict(io, a, "is rolled back: its deployment has failed")
		case a.OK:
			quote.Fprintf(io.out, "service %s: %s\n", a.Name, a.Status)
			return true, "", nil
		case a.Failed:
			return false, "", verdict(io, a, "has failed")
		}
		return false, first(a), nil
	}
}

func newWaitTask(io streams) *cobra.Command {
	var s subject
	var timeout time.Duration
	var stopped bool
	c := &cobra.Command{
		Use:   "task ID",
		Short: "wait until a task runs, or with --stopped until it has ended",
		Long: "Waits until a task runs and is healthy, and ends with exit code 1 and the reasons when it has stopped instead. With --stopped it waits for the end of " +
			"the task, as of a job, and ends with the exit code of the first container that did not end with 0.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.name = args[0]
			from, err := s.connect()
			if err != nil {
				return err
			}
			return await(c.Context(), io, timeout, taskLook(io, from, &s, stopped))
		},
	}
	s.flags(c)
	timeoutFlag(c, &timeout)
	c.Flags().BoolVar(&stopped, "stopped", false, "wait until the task has ended")
	return c
}

func taskLook(io streams, from *client, s *subject, stopped bool) look {
	return func(ctx context.Context) (bool, string, error) {
		var a why.Answer
		if err := s.ask(ctx, from, "explain", &a); err != nil {
			return false, "", err
		}
		ended := a.Status == "STOPPED"
		switch {
		case a.Kind != "task":
			return false, "", usagef("%s is a %s; use berth wait %s", a.Name, a.Kind, a.Kind)
		case ended && stopped && a.ExitCode != nil && *a.ExitCode == 0, a.OK && !stopped:
			quote.Fprintf(io.out, "task %s: %s\n", a.Name, a.Status)
			return true, "", nil
		case ended && stopped && a.ExitCode != nil:
			printAnswer(io.err, a)
			return false, "", exitError(*a.ExitCode)
		case ended:
			return false, "", verdict(io, a, "has stopped")
		case stopped:
			return false, "task " + a.Name + ": " + a.Status, nil
		}
		return false, first(a), nil
	}
}

func newWaitInstances(io streams) *cobra.Command {
	var p place
	var cluster string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "instances COUNT",
		Short: "wait until a cluster has so many ACTIVE instances with connected agents",
		Long: "Waits until a cluster has so many ACTIVE container instances whose agents are connected. It ends with exit code 1 and the reason when no instance " +
			"is coming and the last launch of an Auto Scaling group has failed.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			count, err := strconv.Atoi(args[0])
			if err != nil || count < 0 {
				return usagef("%q is not a number of instances", args[0])
			}
			from, err := p.connect()
			if err != nil {
				return err
			}
			return await(c.Context(), io, timeout, instancesLook(io, from, cluster, count))
		},
	}
	p.flags(c)
	c.Flags().StringVar(&cluster, "cluster", "default", "the cluster's `name`")
	timeoutFlag(c, &timeout)
	return c
}

func instancesLook(io streams, from *client, cluster string, count int) look {
	return func(ctx context.Context) (bool, string, error) {
		var r status.Report
		if err := from.get(ctx, "status", nil, &r); err != nil {
			return false, "", err
		}
		for _, c := range r.Clusters {
			if c.Name != cluster {
				continue
			}
			ready, notice := 0, ""
			for _, i := range c.Instances {
				if i.Status == "ACTIVE" && i.Connected {
					ready++
				} else {
					notice = "; instance " + i.Name() + " is " + i.Status + " " + note(i.Notice)
				}
			}
			missing := fmt.Sprintf("cluster %s: %d of %d instances%s", cluster, ready, count, notice)
			switch {
			case ready >= count:
				quote.Fprintf(io.out, "%s\n", missing)
				return true, "", nil
			case r.LaunchFailure != "":
				return false, "", errors.New(missing + ": " + r.LaunchFailure)
			}
			return false, missing, nil
		}
		return false, "", fmt.Errorf("there is no cluster %s in region %s", cluster, r.Region)
	}
}
