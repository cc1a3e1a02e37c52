package cli

import (
	"context"
	"runtime/debug"

	"github.com/berthhq/berth/internal/quote"
)

// Version is the release; builds of a checkout say which.
const Version = "0.1.0"

func runVersion(_ context.Context, io streams, _ []string) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				revision = " (" + s.Value[:12] + ")"
			}
		}
	}
	quote.Fprintf(io.out, "berth %s%s\n", Version, revision)
	return nil
}
