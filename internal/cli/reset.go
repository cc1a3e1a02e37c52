package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
)

func newReset(io streams) *cobra.Command {
	return newRemoval(io, "reset", "remove everything a server has: containers, agents, caches, images, logs",
		"Removes containers, agents, caches, images, logs and all rows of a running server. Its access key "+
			"stays, and the server goes on, empty.", false)
}

func newDown(io streams) *cobra.Command {
	return newRemoval(io, "down", "reset a server and stop it",
		"Removes containers, agents, caches, images, logs and all rows of a running server, and stops it. "+
			"Its data directory, with the access key, stays.", true)
}

// removed is what berth reset and berth down print.
type removed struct {
	Endpoint string
	Removed  bool
	Stopped  bool
	Left     []string // what could not be removed, with the command that removes it
}

// removal is a run of berth reset or berth down.
type removal struct {
	place
	io                streams
	stop, yes, asJSON bool
}

func newRemoval(io streams, name, short, long string, stop bool) *cobra.Command {
	r := removal{place: place{exact: true}, io: io, stop: stop}
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long + " It needs the key of the server's data directory, or a server with --dev-credentials.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := r.connect(io)
			if err != nil {
				return err
			}
			if !r.yes && !confirmed(io, to.endpoint) {
				return errors.New("nothing was removed; answer yes, or give --yes")
			}
			done, err := r.run(c.Context(), to)
			if r.asJSON && done.Removed {
				err = errors.Join(err, printJSON(io.out, done))
			}
			return err
		},
	}
	r.flags(c)
	jsonFlag(c, &r.asJSON, removed{})
	c.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	return c
}

// confirmed asks the user whether everything may be removed.
func confirmed(io streams, endpoint string) bool {
	quote.Fprintf(io.err,
		"This removes everything that the server at %s runs and stores.\nType yes to go on: ", endpoint)
	line, _ := bufio.NewReader(io.in).ReadString('\n') // no answer is no
	return strings.TrimSpace(line) == "yes"
}

// removalTime bounds a removal. The server's own bound is shorter.
const removalTime = 2 * time.Minute

// run resets the server and, for berth down, stops it and waits until it has ended.
func (r *removal) run(ctx context.Context, to *client) (done removed, err error) {
	to.http.Timeout = removalTime
	done = removed{Endpoint: to.endpoint, Left: []string{}}
	page, into := "reset", any(nil)
	var answer struct{ Left []string }
	if r.stop {
		page, into = "reset?wait=all&stop=true", &answer
		defer r.progress("Docker is removing its containers and networks")()
	}
	if err := to.post(ctx, page, into); err != nil {
		return done, err
	}
	done.Removed = true
	done.Left = append(done.Left, answer.Left...)
	r.say("Removed everything that the server at %s had.\n", to.endpoint)
	if len(done.Left) > 0 {
		r.say("What could not be removed:\n")
		for _, left := range done.Left {
			r.say("  %s\n", left)
		}
	}
	if r.stop {
		err := to.post(ctx, "stop", nil)
		// A server may end before its answer arrives. Then gone decides whether it has stopped.
		if _, lost := errors.AsType[*unreachable](err); err != nil && !lost {
			return done, err
		}
		if gone := r.gone(ctx, to); gone != nil {
			return done, errors.Join(err, gone)
		}
		done.Stopped = true
		r.say("Stopped it.\n")
	}
	if len(done.Left) > 0 {
		return done, errors.New("not everything was removed")
	}
	return done, nil
}

// say prints a line for people.
func (r *removal) say(format string, args ...any) {
	if !r.asJSON {
		quote.Fprintf(r.io.out, format, args...)
	}
}

// progressEvery is how often a waiting command prints what it waits for.
const progressEvery = 3 * time.Second

// progress prints every few seconds what is waited for, until the returned function is called.
func (r *removal) progress(what string) (end func()) {
	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				quote.Fprintf(r.io.err, "%s (%s)\n", what, now.Sub(began).Round(time.Second))
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// gone waits until the server has ended: it does not listen any more, and no server has the data directory open
// if that is on this machine.
func (r *removal) gone(ctx context.Context, to *client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, down := errors.AsType[*unreachable](to.get(ctx, "health", nil, nil))
		if down && (r.exported() || !running(r.data)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at %s has not stopped: %w", to.endpoint, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
