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
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/state/journal/file"
)

const (
	defaultListen  = "127.0.0.1:4566"
	defaultRegion  = "us-east-1"
	defaultAccount = "123456789012"
)

// defaultData is the server's data directory unless --data is given: for root under /var/lib, for others in
// their home.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/berth"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local/share")), "berth")
	}
	return "berth-data"
}

// place is where a server is and how to call it. "" stands for what is not known yet.
type place struct {
	data, listen, region string
	set                  *pflag.FlagSet // of the command; it knows which flags were given
	exact                bool           // do not use a demo instead of the server
}

// dataFlag adds --data to a command.
func (p *place) dataFlag(c *cobra.Command) {
	p.set = c.Flags()
	p.set.StringVar(&p.data, "data", defaultData(), "the server's data `directory`")
	_ = c.MarkFlagDirname("data") // the flag exists
}

// flags adds the flags of commands that call a server. By default that is the server of the default data
// directory.
func (p *place) flags(c *cobra.Command) {
	p.dataFlag(c)
	p.set.StringVar(&p.listen, "listen", "", "the `address` the server listens on; by default the data directory's")
	p.set.StringVar(&p.region, "region", "",
		"the region to work in; by default that of AWS_REGION, or else the server's")
}

// given reports whether the user gave a flag.
func (p *place) given(flag string) bool { return p.set != nil && p.set.Changed(flag) }

// arguments returns the flags with which another command finds the same server.
func (p *place) arguments() string {
	if p.data == defaultData() {
		return ""
	}
	return " --data " + p.data
}

// exported reports whether the terminal has exported a server and a key for it, and no flag names another
// server.
func (p *place) exported() bool {
	return os.Getenv("AWS_ENDPOINT_URL") != "" && os.Getenv("AWS_ACCESS_KEY_ID") != "" &&
		!p.given("data") && !p.given("listen")
}

// demoPrefix begins the names of demos' data directories, which are in the directory for temporary files.
const demoPrefix = "berth-demo-"

// findDemo takes the data directory of a running demo, if the user has named no server and none runs with the
// default directory. Commands that remove or copy things (exact) do not do that.
func (p *place) findDemo(io streams) error {
	if p.exact || p.given("data") || p.given("listen") || p.exported() {
		return nil
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), demoPrefix+"*"))
	if err != nil {
		return err
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !ownDir(dir) || !running(dir) })
	if len(dirs) == 0 || running(p.data) {
		return nil
	}
	if len(dirs) > 1 {
		return fmt.Errorf("%d demos run and no other server does: name one with --data %s", len(dirs),
			strings.Join(dirs, " or --data "))
	}
	p.data = dirs[0]
	quote.Fprintf(io.err, "No server runs with %s; this is the demo with --data %s\n", defaultData(), p.data)
	return nil
}

// running reports whether a server has the data directory open.
func running(dir string) bool {
	_, err := file.FormatOf(dir)
	return errors.Is(err, file.ErrInUse)
}

// resolve fills in what the user left out: first from the data directory, then with the defaults of berth
// server.
func (p *place) resolve() error {
	last, err := config.LastAddress(p.data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p.listen = cmp.Or(p.listen, last.Listen, defaultListen)
	p.region = cmp.Or(p.region, last.Region, defaultRegion)
	return nil
}

// endpoint returns the URL of the API for a client on this machine.
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

// startTime is how long a server that was just started may take to write its key and address.
const startTime = 5 * time.Second

// started returns the key of the data directory. If a server may be starting, it waits until the directory has
// a key and an address. A directory of an older version has no address.
func (p *place) started(ctx context.Context, io streams) (id, secret string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for tries := 0; ; tries++ {
		_, missing := config.LastAddress(p.data)
		if id, secret, err = config.Credentials(p.data); err == nil && (missing == nil || p.listen != "") {
			return id, secret, nil
		}
		if tries == 5 {
			quote.Fprintf(io.err, "waiting up to %s for a server to start with the data directory %s\n",
				startTime, p.data)
		}
		select {
		case <-ctx.Done():
			return id, secret, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func noServer(data string, err error) error {
	return fmt.Errorf("no server has been started with the data directory %s (%w); name the right one with --data, "+
		"or export the endpoint and the key that berth env, or a demo in its own terminal, prints", data, err)
}
