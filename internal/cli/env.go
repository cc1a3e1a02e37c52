package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/quote"
)

const (
	defaultListen  = "127.0.0.1:4566"
	defaultRegion  = "us-east-1"
	defaultAccount = "123456789012"
)

// defaultData is where the server keeps its things unless told otherwise: root's under /var/lib, anybody else's in their home.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/berth"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local/share")), "berth")
	}
	return "berth-data"
}

// place is where a server is and how to talk to it.
type place struct{ data, listen, region string }

// dataFlag adds --data to a command.
func (p *place) dataFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.data, "data", defaultData(), "the server's data `directory`")
	_ = c.MarkFlagDirname("data") // the flag exists
}

func (p *place) flags(c *cobra.Command) {
	p.dataFlag(c)
	f := c.Flags()
	f.StringVar(&p.listen, "listen", defaultListen, "the `address` the server listens on")
	f.StringVar(&p.region, "region", defaultRegion, "the region to work in")
}

// follow makes the region that the terminal has exported for AWS clients the default.
func (p *place) follow(c *cobra.Command) {
	p.flags(c)
	p.region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), defaultRegion)
	c.Flags().Lookup("region").DefValue = p.region
}

// arguments are the flags that lead another command to the place; those that say the default are left out.
func (p *place) arguments() string {
	s := "--data " + p.data
	if p.listen != defaultListen {
		s += " --listen " + p.listen
	}
	if p.region != defaultRegion {
		s += " --region " + p.region
	}
	return s
}

// endpoint is the URL of the API for a client on this machine.
func (p *place) endpoint() string {
	host, port, err := net.SplitHostPort(p.listen)
	if err != nil {
		return "http://" + p.listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// startTime is how long a server that was started a moment ago may take to write its key.
const startTime = 5 * time.Second

// started returns the access key of a data directory, and waits for it where a server may just be starting.
func started(ctx context.Context, stderr io.Writer, data string) (id, secret string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for tries := 0; ; tries++ {
		if id, secret, err = config.Credentials(data); err == nil {
			return id, secret, nil
		}
		if tries == 5 {
			quote.Fprintf(stderr, "berth env: waiting up to %s for a server to start with the data directory %s\n", startTime, data)
		}
		select {
		case <-ctx.Done():
			return "", "", err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func noServer(data string, err error) error {
	return fmt.Errorf("no server has been started with the data directory %s (%w); name the right one with --data", data, err)
}

func newEnv(io streams) *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "env",
		Short: "print the environment that points AWS clients at a local server",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runEnv(c.Context(), io, p) },
	}
	p.flags(c)
	return c
}

func runEnv(ctx context.Context, io streams, p place) error {
	id, secret, err := started(ctx, io.err, p.data)
	if err != nil {
		return noServer(p.data, err)
	}
	// The AWS CLI and boto3 read AWS_DEFAULT_REGION; JavaScript's and Java's SDKs read AWS_REGION only.
	quote.Fprintf(io.out, "export AWS_ENDPOINT_URL=%s AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%[4]s AWS_DEFAULT_REGION=%[4]s\n", p.endpoint(), id, secret, p.region)
	return nil
}
