//go:build !linux

package cli

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

func newServer(streams) *cobra.Command {
	return linuxOnly("server", "run the control plane and the load balancers (Linux only)")
}

func newAgent(streams) *cobra.Command {
	return linuxOnly("agent", "run the agent of a container instance (Linux only)")
}

func newDemo(streams) *cobra.Command {
	return linuxOnly("demo", "bring up a whole stack (Linux only)")
}

// linuxOnly returns the command for systems where it does not exist.
func linuxOnly(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("this command runs on Linux only, and this is " + runtime.GOOS +
				": run it in a Linux virtual machine or in WSL 2, and use the other commands and AWS's " +
				"tools from here (docs/linux-vm.md)")
		},
	}
}
