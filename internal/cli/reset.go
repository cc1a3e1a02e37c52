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
		"Removes containers, agents, caches, images, logs and all rows of a running server. Its access key stays, and the server goes on, empty.", false)
}

func newDown(io streams) *cobra.Command {
	return newRemoval(io, "down", "reset a server and stop it",
		"Removes containers, agents, caches, images, logs and all rows of a running server, and stops it. What stays is its data directory with the access key.", true)
}

func newRemoval(io streams, name, short, long string, stop bool) *cobra.Command {
	var p place
	var yes bool
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long + " It needs the key of the server's data directory, or a server with --dev-credentials.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := p.connect()
			if err != nil {
				return err
			}
			to.http.Timeout = 2 * time.Minute
			if !yes && !confirmed(io, to.endpoint) {
				return errors.New("nothing was removed; answer yes, or give --yes")
			}
			return remove(c.Context(), io, to, stop)
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// confirmed asks the user whether everything may be removed.
func confirmed(io streams, endpoint string) bool {
	quote.Fprintf(io.err, "This removes everything that the server at %s runs and stores.\nType yes to go on: ", endpoint)
	line, _ := bufio.NewReader(io.in).ReadString('\n') // no answer is no
	return strings.TrimSpace(line) == "yes"
}

func remove(ctx context.Context, io streams, to *client, stop bool) error {
	if err := to.post(ctx, "reset"); err != nil {
		return err
	}
	quote.Fprintf(io.out, "Removed everything that the server at %s had.\n", to.endpoint)
	if !stop {
		return nil
	}
	if err := to.post(ctx, "stop"); err != nil {
		return err
	}
	if err := to.gone(ctx); err != nil {
		return err
	}
	fmt.Fprintln(io.out, "Stopped it.")
	return nil
}

// gone waits until the server does not listen any more.
func (c *client) gone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, down := errors.AsType[*unreachable](c.get(ctx, "health", nil, nil)); down {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at %s has not stopped: %w", c.endpoint, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
