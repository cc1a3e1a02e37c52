package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
)

// Version is the version of the release. Builds from a checkout also have the commit.
const Version = "0.1.0"

// build is what berth version prints.
type build struct {
	Version  string
	Commit   string `json:",omitempty"` // "" when the build does not know it
	Modified bool   // whether the checkout had uncommitted changes
	Go       string
	Platform string
}

func newVersion(io streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "print the version and the commit it was built from",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if asJSON {
				return printJSON(io.out, b)
			}
			_, err := quote.Fprintf(io.out, "%s\n", b)
			return err
		},
	}
	jsonFlag(c, &asJSON, build{})
	return c
}

func thisBuild() build {
	b := build{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	s := "berth " + b.Version
	if len(b.Commit) >= 12 {
		s += " (" + b.Commit[:12]
		if b.Modified {
			s += ", modified"
		}
		s += ")"
	}
	return s + " " + b.Platform
}
