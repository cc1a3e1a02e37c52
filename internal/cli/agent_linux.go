package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/quote"
)

// exitTerminal is the exit code of an agent that must not be started again, as of Amazon's agent (ecs-agent.md
// 1.7).
const exitTerminal = exitError(5)

func newAgent(io streams) *cobra.Command {
	var file string
	var verbose bool
	c := &cobra.Command{
		Use:   "agent",
		Short: "run the agent of a container instance: join a cluster and run its tasks",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runAgent(c.Context(), io, file, c.Flags().Changed("config"), newLog(io, verbose))
		},
	}
	c.Flags().StringVar(&file, "config", "/etc/ecs/ecs.config",
		"`file` of NAME=VALUE settings, such as ECS_CLUSTER and ECS_BACKEND_HOST; "+
			"variables of the environment override it")
	c.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return c
}

func newLog(io streams, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: level}))
}

// runAgent runs an agent with the settings of a file. asked says that the caller named the file: then it is an
// error if it does not exist.
func runAgent(ctx context.Context, io streams, file string, asked bool, log *slog.Logger) error {
	settings, err := readConfigFile(file, asked)
	if err != nil {
		return err
	}
	cfg, err := agent.NewConfig(settings, os.Environ())
	if err != nil {
		return err
	}
	for _, name := range cfg.Ignored {
		log.Warn("setting has no meaning here", "name", name)
	}
	rt, err := docker.New(cfg.DockerHost)
	if err != nil {
		return err
	}
	err = agent.Run(ctx, cfg, rt, log)
	switch {
	case errors.Is(err, agent.ErrTerminal), errors.Is(err, agent.ErrOtherCluster):
		fmt.Fprintf(io.err, "berth agent: %s\n", quote.Lines(err.Error()))
		return exitTerminal
	case errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// readConfigFile reads the settings file. It is no error that a file that the caller did not ask for does not
// exist.
func readConfigFile(path string, asked bool) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return agent.ReadSettings(f)
}

// agentCommand is the command with which the server starts agents. Their settings are in the environment; a
// settings file on this machine, which belongs to another agent, is not read.
func agentCommand(self string) []string { return []string{self, "agent", "--config", os.DevNull} }
