// Package redis serves cache clusters on this machine, with a redis-server for each. It implements
// machine.Caches.
//
// A redis-server runs in a session of its own, with its data in the cluster's directory. It goes on running
// when this process ends. It is found again by asking the process that listens on the port in its configuration
// which configuration it was started with. If this machine has no redis-server, clusters are served inside this
// process, in memory; Node.Backend says which. A node listens on the address for containers only while a fence
// keeps all others out.
package redis

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fence"
)

// Config configures a Driver.
type Config struct {
	Dir string // has a directory for each cluster; absolute
	// Loopback is the address where programs of this machine reach caches. Containers returns an address of
	// this machine where containers reach them, such as the gateway of Docker's bridge. It is called again and
	// again, as Docker may start later than this process; running caches move to a new address. If it is nil
	// or returns an invalid address, there is none. Caches listen on these addresses only.
	Loopback     netip.Addr
	Containers   func() netip.Addr
	RedisServer  string // path of the program; "" looks for redis-server on PATH
	EmbeddedOnly bool   // do not use redis-server
	Now          func() time.Time
	Logger       *slog.Logger
}

// containers returns the address where containers reach a cache that starts now.
func (c Config) containers() netip.Addr {
	if c.Containers == nil {
		return netip.Addr{}
	}
	return c.Containers()
}

// Driver is a machine.Caches.
type Driver struct {
	cfg Config

	// busy is held by Serve and Remove, so that two clusters do not choose the same port. It guards what
	// follows.
	busy   sync.Mutex
	fences map[string]*fence.Fence // by cluster ARN
	ended  bool                    // Run has ended: no more clusters are served inside this process

	mu       sync.Mutex           // guards embedded
	embedded map[string]*embedded // by cluster ARN
}

// errEnded is why a cluster is not served after Run has ended.
var errEnded = errors.New("the server ends")

// New returns a driver.
func New(cfg Config) (*Driver, error) {
	if !filepath.IsAbs(cfg.Dir) {
		return nil, fmt.Errorf("the directory of caches must be absolute, not %q", cfg.Dir)
	}
	if !cfg.Loopback.IsValid() {
		cfg.Loopback = netip.MustParseAddr("127.0.0.1")
	}
	if cfg.RedisServer == "" && !cfg.EmbeddedOnly {
		if path, err := exec.LookPath("redis-server"); err == nil {
			cfg.RedisServer = path
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	return &Driver{cfg: cfg, embedded: make(map[string]*embedded), fences: make(map[string]*fence.Fence)}, nil
}

// Run lasts until ctx ends. Redis processes go on running; clusters inside this process end.
func (d *Driver) Run(ctx context.Context) error {
	if d.cfg.RedisServer == "" {
		d.passTime(ctx)
	}
	<-ctx.Done()
	d.closeEmbedded(ctx)
	return context.Cause(ctx)
}

// Served implements machine.Caches. It returns every cluster that has a directory.
func (d *Driver) Served() (arns []string, err error) {
	entries, err := os.ReadDir(d.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "arn:") {
			arns = append(arns, e.Name())
		}
	}
	return arns, err
}

// Stats implements machine.Caches. What is served inside this process has none.
func (d *Driver) Stats(ctx context.Context, arn string) (cache.Stats, bool) {
	info, _, ok := process{dir: filepath.Join(d.cfg.Dir, arn)}.info(ctx, "all")
	if !ok {
		return cache.Stats{}, false
	}
	return cache.ParseStats(info), true
}

// Serve implements machine.Caches.
func (d *Driver) Serve(ctx context.Context, cl *cache.Cluster) (*cache.Node, error) {
	d.busy.Lock()
	defer d.busy.Unlock()
	if d.cfg.RedisServer == "" {
		return d.embed(ctx, cl)
	}
	p := process{dir: filepath.Join(d.cfg.Dir, cl.ARN)}
	if info, ok := p.ask(ctx); ok && info.loading {
		return nil, nil
	} else if ok {
		return d.look(ctx, cl, p, info)
	}
	if p.pid() != 0 {
		return nil, nil // it is starting, or does not answer
	}
	complaint := p.lastWords()
	port, err := d.port(cl, p)
	if err == nil {
		at, _ := d.reach(ctx, cl.ARN, port)
		err = p.start(ctx, d.cfg.RedisServer, d.cfg.bind(at), port)
	}
	if err == nil && complaint != "" {
		// it is started again; the error makes the caller wait longer each time
		err = fmt.Errorf("redis-server ended: %s", complaint)
	}
	if err != nil {
		return &cache.Node{Backend: cache.RedisServer, Problem: err.Error()}, err
	}
	return nil, nil
}

// look returns the node of a running process, after it has made it listen where containers reach it.
func (d *Driver) look(ctx context.Context, cl *cache.Cluster, p process, info answer) (*cache.Node, error) {
	at, notice := d.reach(ctx, cl.ARN, info.port)
	// Docker has started: containers should reach the cache. If Docker ends, the address is kept for its next
	// start.
	if bind := d.cfg.bind(at); d.cfg.containers().IsValid() && bind != p.bound() {
		if err := p.rebind(ctx, bind); err != nil {
			return nil, err
		}
	}
	return &cache.Node{
		Backend: cache.RedisServer, Address: d.cfg.Loopback.String(), ContainerAddress: text(at),
		Port: info.port, PID: info.pid, Version: info.version, Notice: notice,
	}, nil
}

// Remove implements machine.Caches.
func (d *Driver) Remove(ctx context.Context, arn string) (gone bool, err error) {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.endEmbedded(arn)
	p := process{dir: filepath.Join(d.cfg.Dir, arn)}
	pid := p.pid()
	if info, ok := p.ask(ctx); ok {
		pid = info.pid
	}
	if pid != 0 {
		return false, kill(pid) // its data is deleted, so it need not save anything
	}
	d.unfence(ctx, arn) // last, because the directory says that there is something to remove
	if err := os.RemoveAll(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}
