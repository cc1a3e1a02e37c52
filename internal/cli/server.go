package cli

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/server"
)

// list is a flag that adds to values each time it is given.
func list(values *[]string) func(string) error {
	return func(v string) error {
		*values = append(*values, v)
		return nil
	}
}

func runServer(ctx context.Context, io streams, args []string) error {
	var p place
	cfg := server.Config{}
	f := flag.NewFlagSet("server", flag.ContinueOnError)
	p.flags(f)
	verbose := f.Bool("verbose", false, "log more")
	f.StringVar(&cfg.Account, "account", defaultAccount, "the account number, twelve digits")
	f.StringVar(&cfg.EdgeAddr, "edge-addr", "127.0.0.1", "the address load balancers listen on")
	f.BoolVar(&cfg.DevCredentials, "dev-credentials", false, "accept the access key test/test too, allow POST /_berth/reset and pushes without login")
	f.Func("allow-host", "a `name` of this machine that callers use beside localhost, or .name for all under it; may be given again", list(&cfg.AllowedHosts))
	f.Func("allow-origin", "a web `origin`, such as http://127.0.0.1:3000, whose pages may call; may be given again", list(&cfg.AllowedOrigins))
	if err := parse(f, io.err, args); err != nil {
		return err
	}
	cfg.Data, cfg.Listen, cfg.Region = p.data, p.listen, p.region
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	cfg.Logger = slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: level}))
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
	at := place{cfg.Data, s.Addr(), cfg.Region}
	quote.Fprintf(io.err, "Berth listens on %s. In another terminal: eval \"$(%s env %s)\"\n", at.listen, self, at.arguments())
	return s.Run(ctx)
}
