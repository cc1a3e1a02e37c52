// Package cli is the berth command.
//
// Commands write their result to standard output, and everything else to standard error. Exit codes: 0 done,
// 1 failed, 2 used wrongly; the agent has its own codes (see command agent).
//
// # How to add a command
//
// A command is one file with one function that returns it, and one line in the list in commands:
//
//	func newCheck(io streams) *cobra.Command {
//		var p place
//		var asJSON bool
//		c := &cobra.Command{
//			Use:   "check [FILE]",
//			Short: "verify the data directory of a stopped server",  // no capital, no full stop
//			Long:  "Full sentences for berth check --help.",         // optional; wrapped when printed
//			Args:  cobra.MaximumNArgs(1),
//			RunE: func(c *cobra.Command, args []string) error {
//				return check(c.Context(), io, p.data, args)
//			},
//		}
//		p.dataFlag(c)          // --data
//		jsonFlag(c, &asJSON, checked{})   // --json, with what is printed
//		return c
//	}
//
// The frame does the rest: flags may stand before or after arguments, --help prints to standard
// output within 80 columns, an error of RunE is printed as "berth check: ..." with exit code 1, and
// wrong flags or arguments with exit code 2. RunE returns usagef(...) for wrong use that it finds
// itself, and exitError(n) to end with a code of its own. The context ends with Ctrl-C.
//
// Commands print with package quote: quote.Fprintf, quote.Lines for logs, printJSON for --json. Lines
// stay within 80 columns. A command that works on Linux only lives in a file named *_linux.go, and linuxOnly in
// cli_other.go stands for it elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

func commands(io streams) []*cobra.Command {
	return []*cobra.Command{
		newServer(io),
		newAgent(io),
		newDemo(io),
		newEnv(io),
		newCA(io),
		newStatus(io),
		newSimulate(io),
		newExplain(io),
		newWait(io),
		newLogs(io),
		newReset(io),
		newDown(io),
		newCheck(io),
		newBackup(io),
		newRestore(io),
		newCompletion(io),
		newVersion(io),
	}
}

// exitError ends the program with an exit code and prints nothing.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is the error for a command that was used wrongly.
type usageError struct{ error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs the command that args name and returns its exit code. SIGINT, SIGTERM and a closed
// terminal cancel it; a second SIGINT or SIGTERM ends the program at once, while a terminal that
// closes after Ctrl-C does not keep it from cleaning up.
func Main(args []string, in io.Reader, out, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop() // a second signal has its default effect
	})
	return run(ctx, args, streams{in, out, stderr})
}

func run(ctx context.Context, args []string, io streams) int {
	root, started := newRoot(io)
	root.SetArgs(append([]string{}, args...)) // Cobra takes nil for the arguments of the process
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	fmt.Fprintf(io.err, "%s: %s\n", c.CommandPath(), quote.Lines(err.Error()))
	if _, wrong := errors.AsType[usageError](err); wrong || !*started {
		quote.Fprintf(io.err, "%s --help shows how to use it.\n", c.CommandPath())
		return 2
	}
	return 1
}

// newRoot returns the berth command, and whether one of its commands has started to run. Errors before that are
// errors of use.
func newRoot(io streams) (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:               "berth",
		Long:              "Berth runs Amazon ECS on machines you own.",
		SilenceErrors:     true, // run prints them
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { *started = true },
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { printHelp(io.out, c) })
	root.SetHelpCommand(newHelp(io))
	root.AddCommand(commands(io)...)
	return root, started
}

func newHelp(io streams) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "show what a command does and its flags",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q", strings.Join(args, " "))
			}
			printHelp(io.out, about)
			return nil
		},
	}
}

// width is the number of columns for all text that people read.
const width = 80

func printHelp(w io.Writer, c *cobra.Command) {
	if about := c.Long; about != "" {
		fmt.Fprintln(w, wrap(about, width))
	} else {
		fmt.Fprintln(w, wrap(c.CommandPath()+": "+c.Short+".", width))
	}
	if c.HasAvailableSubCommands() {
		quote.Fprintf(w, "\nUsage: %s COMMAND\n\nCommands:\n", c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(w, "  %-10s  %s\n", sub.Name(), quote.Lines(indent(wrap(sub.Short, width-14), 14)))
			}
		}
		quote.Fprintf(w, "\n%s COMMAND --help shows how to use one of them.\n", c.CommandPath())
		return
	}
	quote.Fprintf(w, "\nUsage: %s\n", c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", quote.Lines(c.Example))
	}
	if flags := c.LocalFlags().FlagUsagesWrapped(width); flags != "" {
		fmt.Fprintf(w, "\nFlags:\n%s", quote.Lines(flags))
	}
	if shape := jsonShape(c); shape != "" {
		fmt.Fprintf(w, "\nJSON:\n  %s\n", quote.Lines(indent(wrap(shape, width-2), 2)))
	}
}

// indent puts spaces before each line of text except the first.
func indent(text string, spaces int) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces))
}

// wrap breaks lines at spaces so that they fit into a number of columns where possible.
func wrap(text string, columns int) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		used := 0
		for word := range strings.FieldsSeq(line) {
			n := len([]rune(word))
			switch {
			case used == 0:
			case used+1+n > columns:
				b.WriteByte('\n')
				used = 0
			default:
				b.WriteByte(' ')
				used++
			}
			b.WriteString(word)
			used += n
		}
	}
	return b.String()
}
