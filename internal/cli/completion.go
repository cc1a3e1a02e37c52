package cli

import (
	"github.com/spf13/cobra"
)

func newCompletion(io streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "print a script that completes berth's commands in a shell",
		Long:  "Prints a script that makes a shell complete commands, flags and the names of services and tasks.",
		Example: `  bash  source <(berth completion bash)      # in ~/.bashrc
  zsh   source <(berth completion zsh)       # in ~/.zshrc, after compinit
  fish  berth completion fish | source       # in ~/.config/fish/config.fish`,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:             []string{"bash", "zsh", "fish"},
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			switch root := c.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(io.out, true)
			case "zsh":
				return root.GenZshCompletion(io.out)
			default:
				return root.GenFishCompletion(io.out, true)
			}
		},
	}
}
