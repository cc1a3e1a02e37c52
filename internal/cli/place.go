package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/quote"
)

const (
	defaultListen  = "127.0.0.1:4566"
	defaultRegion  = "us-east-1"
	defaultAccount = "123456789012"
)

// defaultData is where the server keeps its data unless it is started with --data: root's under
// /var/lib, anybody else's in their home.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/berth"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local/share")), "berth")
	}
	return "berth-data"
}

// place is where a server is and how to talk to it. "" stands for what is not known yet.
type place struct {
	data, listen, region string
	set                  *pflag.FlagSet // of the command; it knows what the user gave
}

// dataFlag adds --data to a command.
func (p *place) dataFlag(c *cobra.Command) {
	p.set = c.Flags()
	p.set.StringVar(&p.data, "data", defaultData(), "the server's data `directory`")
	_ = c.MarkFlagDirname("data") // the flag exists
}

// flags adds the flags of commands that talk to a server, which lead to the server of a data
// directory unless they say otherwise.
func (p *place) flags(c *cobra.Command) {
	p.dataFlag(c)
	p.set.StringVar(&p.listen, "listen", "", "the `address` the server listens on; the data directory knows it")
	p.set.StringVar(&p.region, "region", "", "the region to work in; unless given that of AWS_REGION, or else the server's")
}

// given reports whether the user gave a flag.
func (p *place) given(flag string) bool { return p.set != nil && p.set.Changed(flag) }

// arguments are the flags that lead another command to the place.
func (p *place) arguments() string {
	if p.data == defaultData() {
		return ""
	}
	return " --data " + p.data
}

// resolve fills in what the user left out: first what the data directory remembers, then the
// defaults of berth server.
func (p *place) resolve() error {
	last, err := config.LastAddress(p.data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p.listen = cmp.Or(p.listen, last.Listen, defaultListen)
	p.region = cmp.Or(p.region, last.Region, defaultRegion)
	return nil
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

// exportedRegion is the region that the terminal has exported for AWS clients.
func exportedRegion() string { return cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")) }

// startTime is how long a server that was started a moment ago may take to write its key and address.
const startTime = 5 * time.Second

// started waits until the data directory has a key and an address, where a server may just be
// starting, and returns the key. A directory of an older version has no address.
func (p *place) started(ctx context.Context, io streams) (id, secret string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for tries := 0; ; tries++ {
		_, missing := config.LastAddress(p.data)
		if id, secret, err = config.Credentials(p.data); err == nil && (missing == nil || p.listen != "") {
			return id, secret, nil
		}
		if tries == 5 {
			quote.Fprintf(io.err, "waiting up to %s for a server to start with the data directory %s\n", startTime, p.data)
		}
		select {
		case <-ctx.Done():
			return id, secret, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func noServer(data string, err error) error {
	return fmt.Errorf("no server has been started with the data directory %s (%w); name the right one with --data", data, err)
}
