package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/demo"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/server"
)

func newDemo(io streams) *cobra.Command {
	var p place
	var keep, once bool
	var chat string
	cfg := demo.Config{Out: io.out}
	c := &cobra.Command{
		Use:   "demo",
		Short: "bring up a whole stack: cluster, load balancer, Redis and a Socket.IO chat",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := newDemoRun(p, keep, chat, io)
			if err != nil {
				return err
			}
			return d.run(c.Context(), cfg, once)
		},
	}
	f := c.Flags()
	f.StringVar(&p.listen, "listen", defaultListen, "the address the API listens on")
	f.StringVar(&p.region, "region", defaultRegion, "the region to bring the stack up in")
	f.StringVar(&p.data, "data", "", "data directory; the default is a new one that is removed at the end")
	f.BoolVar(&keep, "keep", false,
		"leave everything running when the demo ends: containers, agents, Redis and the data directory")
	f.StringVar(&chat, "chat", "", "the chat server, a static binary; the default is the file chat beside this program")
	f.StringVar(&cfg.Network, "network", "bridge",
		"network mode of the tasks: bridge (dynamic host ports) or awsvpc (an address for each)")
	f.IntVar(&cfg.Tasks, "tasks", 2, "how many chat servers run")
	f.BoolVar(&cfg.Scaling, "scaling", false,
		"put load on the chat, and show how the service and its instances follow; --tasks is 1 then")
	f.BoolVar(&once, "once", false, "end as soon as the chat answers, or the load has come and gone")
	return c
}

// demoRun is a server and the demo's stack on it.
type demoRun struct {
	place
	keep bool
	chat string
	io   streams
}

func newDemoRun(p place, keep bool, chat string, io streams) (*demoRun, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if chat == "" {
		chat = filepath.Join(filepath.Dir(self), "chat")
	}
	if _, err := os.Stat(chat); err != nil {
		return nil, fmt.Errorf("there is no chat server (%w); build it with: make build", err)
	}
	if p.data == "" {
		if p.data, err = os.MkdirTemp("", demoPrefix); err != nil {
			return nil, err
		}
	}
	return &demoRun{place: p, keep: keep, chat: chat, io: io}, nil
}

func (d *demoRun) run(ctx context.Context, cfg demo.Config, once bool) (err error) {
	if err := os.MkdirAll(d.data, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(d.data, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := server.New(ctx, server.Config{
		Data: d.data, Listen: d.listen, Region: d.region, Account: defaultAccount, DevCredentials: true,
		AgentCommand: agentCommand(self), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		return err
	}
	d.listen = s.Addr()
	quote.Fprintf(d.io.out, "Berth demo: the API is at %s,\nits log in %s\n\n", d.endpoint(), log.Name())

	// The server ends after the stack, so the signal that ends the demo must not end it.
	serve, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	var failed error
	up, giveUp := context.WithCancelCause(ctx)
	running.Go(func() {
		if failed = s.Run(serve); failed != nil {
			giveUp(failed)
		}
	})
	cfg.Endpoint, cfg.Region, cfg.Account, cfg.Chat = d.endpoint(), d.region, defaultAccount, d.chat
	cfg.Credentials = sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	err = d.play(up, cfg, once)
	var left error
	if !d.keep {
		left = d.cleanUp(context.WithoutCancel(ctx), s)
	}
	stop()
	running.Wait()
	err = errors.Join(err, failed, s.Close())
	if d.keep {
		quote.Fprintf(d.io.out, "\nEverything is left as it is. Go on with: %s server --dev-credentials "+
			"--data %s --listen %s\n", filepath.Base(self), d.data, d.listen)
		return err
	}
	if left != nil {
		return errors.Join(err, fmt.Errorf("not everything was removed; %s shows what is left: %w", d.data, left))
	}
	return errors.Join(err, os.RemoveAll(d.data))
}

// play brings the stack up and waits until the demo is ended, which is no error.
func (d *demoRun) play(ctx context.Context, cfg demo.Config, once bool) error {
	result, err := demo.Up(ctx, cfg)
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return cause
		}
		return nil
	}
	if err != nil {
		return err
	}
	if !cfg.Scaling || !once {
		printWelcome(d.io.out, d.place, result)
	}
	if !once {
		<-ctx.Done()
		fmt.Fprintln(d.io.out)
	}
	return nil
}

func printWelcome(w io.Writer, p place, r demo.Result) {
	other := r.URL
	if u, err := url.Parse(r.URL); err == nil {
		u.Host = strings.Replace(u.Host, u.Hostname(), "localhost", 1)
		other = u.String()
	}
	quote.Fprintf(w, `
The chat is up. Open it twice: the load balancer keeps a browser with its task
by a cookie, and these two names have cookies of their own, so the windows land
on two different tasks and talk to each other through Redis.

    %[1]s
    %[2]s

Drive the same system with the AWS CLI; the key test/test works here. The alias
is for versions before 2.13, such as Debian's.

    export AWS_ENDPOINT_URL=%[3]s
    export AWS_REGION=%[4]s AWS_DEFAULT_REGION=%[4]s
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    alias aws='aws --endpoint-url %[3]s'
    aws ecs list-tasks --cluster %[5]s
    aws ecs update-service --cluster %[5]s \
        --service %[6]s --desired-count 4

Ctrl-C ends the demo and removes all it has made.
`, r.URL, other, p.endpoint(), p.region, demo.Cluster, demo.Service)
}

// cleanUp removes everything that the demo has created, containers first.
func (d *demoRun) cleanUp(ctx context.Context, s *server.Server) error {
	fmt.Fprintln(d.io.out, "Removing containers, agents, Redis and data ...")
	return s.Reset(ctx, func() {})
}
