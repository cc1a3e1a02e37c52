package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/server"
)

func newServer(io streams) *cobra.Command {
	var p place
	var cfg server.Config
	var verbose bool
	c := &cobra.Command{
		Use:   "server",
		Short: "run the control plane and the load balancers",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg.Logger = newLog(io, verbose)
			return runServer(c.Context(), io, p, cfg)
		},
	}
	p.dataFlag(c)
	f := c.Flags()
	f.StringVar(&p.listen, "listen", defaultListen, "the `address` the API listens on")
	f.StringVar(&p.region, "region", defaultRegion, "the region of the registry's short names, and of berth env")
	f.BoolVar(&verbose, "verbose", false, "log more")
	f.StringVar(&cfg.Account, "account", defaultAccount, "the account number, twelve digits")
	f.StringVar(&cfg.EdgeAddr, "edge-addr", "",
		"the `address` load balancers listen on (default 127.0.0.1, or 127.N.0.1 beside other servers of this machine)")
	f.StringVar(&cfg.RegistryTLS, "registry-tls", "", "serve images with TLS at this `address` too, under "+
		"the names of ECR, such as 127.0.0.2:443 (docs/registry.md)")
	f.BoolVar(&cfg.DevCredentials, "dev-credentials", false,
		"accept the access key test/test too, allow POST /_berth/reset and pushes without login")
	f.StringArrayVar(&cfg.AllowedHosts, "allow-host", nil, "a `name` of this machine that callers use "+
		"beside localhost, or .name for all names under it; may be repeated")
	f.StringArrayVar(&cfg.AllowedOrigins, "allow-origin", nil,
		"a web `origin`, such as http://127.0.0.1:3000, whose pages may call; may be repeated")
	f.Var((*size)(&cfg.DiskBudget), "disk-budget",
		"how many bytes logs, metrics, images and history take together, such as 20G; "+
			"0 is the size of the disk (docs/disk.md)")
	f.Var((*size)(&cfg.MetricsLimit), "metrics-limit",
		"how many bytes metrics take, such as 1G; 0 is the disk budget (docs/cloudwatch.md)")
	f.Var((*pace)(&cfg.Pace), "scaling-pace",
		"aws, or seconds: alarms, cooldowns and their metrics then count a minute as a second (docs/scaling.md)")
	f.BoolVar(&cfg.AWSRestarts, "aws-restarts", false,
		"replace tasks that end soon after they were RUNNING without a delay, and do not count them as failed, "+
			"as AWS does")
	return c
}

func runServer(ctx context.Context, io streams, p place, cfg server.Config) (err error) {
	cfg.Data, cfg.Listen, cfg.Region = p.data, p.listen, p.region
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg.AgentCommand = agentCommand(self)
	if cfg.Data, err = filepath.Abs(cfg.Data); err != nil {
		return err
	}
	s, err := server.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	at := place{data: cfg.Data}
	quote.Fprintf(io.err, "Berth listens on %s. In another terminal: eval \"$(%s env%s)\"\n", s.Addr(),
		self, at.arguments())
	return s.Run(ctx)
}
