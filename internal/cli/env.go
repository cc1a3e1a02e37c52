package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
)

// environment is what an AWS client needs to call a server; the JSON names are those of its variables.
type environment struct {
	Endpoint  string `json:"AWS_ENDPOINT_URL"`
	KeyID     string `json:"AWS_ACCESS_KEY_ID"`
	Secret    string `json:"AWS_SECRET_ACCESS_KEY"`
	Region    string `json:"AWS_REGION"`
	OldRegion string `json:"AWS_DEFAULT_REGION"`
}

func newEnv(io streams) *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:     "env",
		Short:   "print the environment that points AWS clients at a local server",
		Example: `  eval "$(berth env)"`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runEnv(c.Context(), io, p, asJSON) },
	}
	p.flags(c)
	c.Flags().Lookup("region").Usage = "the region to work in; by default the server's"
	jsonFlag(c, &asJSON, environment{})
	return c
}

func runEnv(ctx context.Context, io streams, p place, asJSON bool) error {
	if err := p.findDemo(io); err != nil {
		return err
	}
	id, secret, err := p.started(ctx, io)
	if err != nil {
		return noServer(p.data, err)
	}
	if err := p.resolve(); err != nil {
		return err
	}
	// The AWS CLI and boto3 read AWS_DEFAULT_REGION; JavaScript's and Java's SDKs read AWS_REGION only.
	e := environment{p.endpoint(), id, secret, p.region, p.region}
	if asJSON {
		return printJSON(io.out, e)
	}
	// Clients would use a token or a profile of a real AWS account together with this key, or instead of it.
	_, err = quote.Fprintf(io.out, "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE; "+
		"export AWS_ENDPOINT_URL=%s AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s "+
		"AWS_DEFAULT_REGION=%s\n",
		e.Endpoint, e.KeyID, e.Secret, e.Region, e.OldRegion)
	return err
}
