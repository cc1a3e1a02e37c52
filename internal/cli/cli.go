// Package cli is the berth command: a command is a file here, and Main finds it by its name.
//
// Commands write what was asked for to stdout and everything else to stderr. Exit codes: 0 done, 1 failed, 2 used wrongly; the agent
// has codes of its own (see command agent).
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/berthhq/berth/internal/quote"
)

// command is one subcommand. run gets the arguments behind the command's name.
type command struct {
	name, summary string
	run           func(ctx context.Context, io streams, args []string) error
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

func commands() []command {
	return []command{
		{"server", "run the control plane and the load balancers' edge", runServer},
		{"agent", "run the machine end: register with a cluster and run its tasks", runAgent},
		{"demo", "bring up a whole stack: cluster, load balancer, Redis and a Socket.IO chat", runDemo},
		{"env", "print the environment that points AWS clients at a local server", runEnv},
		{"status", "show clusters, services, instances and load balancers at a glance", runStatus},
		{"version", "print the version", runVersion},
	}
}

// exitError ends the program with a code of its own and says nothing.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// errUsage says that the command was used wrongly; flag has told how.
var errUsage = errors.New("usage")

// Main runs the command that args name and returns its exit code. SIGINT, SIGTERM and a closed terminal cancel it; a second SIGINT or
// SIGTERM ends the program at once, while a terminal that closes after Ctrl-C does not keep it from cleaning up.
func Main(args []string, in io.Reader, out, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop() // the second signal takes its default course
	})
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(out)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, streams{in, out, stderr}, args[1:])
		if code, ok := errors.AsType[exitError](err); ok {
			return int(code)
		}
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		}
		fmt.Fprintf(stderr, "berth %s: %s\n", c.name, quote.Lines(err.Error()))
		return 1
	}
	quote.Fprintf(stderr, "berth: there is no command %q\n\n", args[0])
	usage(stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Berth runs Amazon ECS's world on machines you own.\n\nUsage: berth COMMAND [FLAGS]\n\nCommands:\n")
	for _, c := range commands() {
		quote.Fprintf(w, "  %-8s  %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nberth COMMAND --help tells a command's flags.\n")
}

// help tells what a command does and its flags.
func help(w io.Writer, f *flag.FlagSet) {
	quote.Fprintf(w, "Usage: berth %s [FLAGS]\n\n", f.Name())
	for _, c := range commands() {
		if c.name == f.Name() {
			quote.Fprintf(w, "berth %s: %s.\n\nFlags:\n", c.name, c.summary)
		}
	}
	f.VisitAll(func(x *flag.Flag) {
		value, text := flag.UnquoteUsage(x)
		if x.DefValue != "" && x.DefValue != "false" {
			text += " (" + x.DefValue + " unless given)"
		}
		quote.Fprintf(w, "  --%s\n        %s\n", strings.TrimSpace(x.Name+" "+value), text)
	})
}

// parse parses a command's flags; there must be no other arguments.
func parse(f *flag.FlagSet, stderr io.Writer, args []string) error {
	f.SetOutput(stderr)
	f.Usage = func() { help(stderr, f) }
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if f.NArg() > 0 {
		quote.Fprintf(stderr, "berth %s takes no arguments, only flags: %q\n", f.Name(), f.Args())
		return errUsage
	}
	return nil
}
