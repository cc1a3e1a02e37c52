// Package cache makes cache clusters true: it starts a redis-server for each, watches over it, and removes it with its data.
//
// A redis-server is a process of its own, in a session of its own, with its data under the cluster's directory: it lives on when
// this program ends, and is found again by asking whoever listens on the port in its configuration which configuration it was started
// with. When there is no redis-server on this machine, a cluster is served inside this program, in memory; events and
// Node.Backend say which. It listens on the address that containers reach only while a fence keeps all others from there. The controller alone writes Node and moves Status from creating to available and from deleting to gone.
package cache

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
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fence"
	"github.com/berthhq/berth/internal/state"
)

// Config says where caches live.
type Config struct {
	Dir string // holds a directory for each cluster; absolute
	// Loopback is where programs of this machine reach caches. Containers tells an address of this machine that containers reach, such as the
	// gateway of Docker's bridge, which may come later than this program: it is asked again and again, and caches that run move there;
	// nil and an invalid address are none. Caches listen on these and nowhere else.
	Loopback     netip.Addr
	Containers   func() netip.Addr
	RedisServer  string // path of the program; "" looks for redis-server on PATH
	EmbeddedOnly bool   // do not look for redis-server
	Now          func() time.Time
	Logger       *slog.Logger
}

// containers is where containers reach a cache that starts now.
func (c Config) containers() netip.Addr {
	if c.Containers == nil {
		return netip.Addr{}
	}
	return c.Containers()
}

// Controller is the reconciler of cache clusters, by their ARNs.
type Controller struct {
	cfg   Config
	store *state.Store

	mu       sync.Mutex
	embedded map[string]*embedded // by cluster ARN; guarded by mu

	fences map[string]*fence.Fence // by cluster ARN; used by Run's worker alone, and when it has ended
}

// New makes a controller; nothing happens before Run.
func New(store *state.Store, cfg Config) (*Controller, error) {
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
	return &Controller{cfg: cfg, store: store, embedded: make(map[string]*embedded), fences: make(map[string]*fence.Fence)}, nil
}

// Run reconciles until ctx ends. Processes live on; what is served inside this program ends.
func (c *Controller) Run(ctx context.Context) error {
	var clock sync.WaitGroup
	if c.cfg.RedisServer == "" {
		clock.Go(func() { c.passTime(ctx) })
	}
	// One worker, so that two clusters do not choose the same port.
	err := control.Run(ctx, c.store, c.cfg.Logger, "cache", 1, c)
	clock.Wait()
	c.closeEmbedded(ctx)
	return err
}

// Keys implements control.Reconciler.
func (c *Controller) Keys(change state.Change) []string {
	for _, v := range []any{change.Old, change.New} {
		if cl, ok := v.(*cache.Cluster); ok && cl != nil {
			return []string{cl.ARN}
		}
	}
	return nil
}

// All implements control.Reconciler: every row, and every directory, whose row may be gone.
func (c *Controller) All(s *state.Snapshot) []string {
	var keys []string
	for cl := range s.CacheClusters.All() {
		keys = append(keys, cl.ARN)
	}
	entries, err := os.ReadDir(c.cfg.Dir)
	if err != nil {
		c.cfg.Logger.Warn("caches left from before cannot be listed", "error", err)
	}
	for _, e := range entries {
		if _, ok := s.CacheClusters.Get(e.Name()); !ok && strings.HasPrefix(e.Name(), "arn:") {
			keys = append(keys, e.Name())
		}
	}
	return keys
}

// How soon to look again: at what is on its way, and at what runs.
const (
	soon   = 20 * time.Millisecond
	health = 500 * time.Millisecond
)

// Reconcile implements control.Reconciler.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	cl, ok := c.store.View().CacheClusters.Get(key)
	if !ok || cl.Status == cache.Deleting {
		return c.remove(ctx, key)
	}
	if c.cfg.RedisServer == "" {
		return c.embed(ctx, cl)
	}
	return c.serve(ctx, cl)
}

// serve brings the cluster's process closer to running.
func (c *Controller) serve(ctx context.Context, cl *cache.Cluster) (time.Duration, error) {
	p := process{dir: filepath.Join(c.cfg.Dir, cl.ARN)}
	if info, ok := p.ask(ctx); ok {
		at, notice := c.reach(ctx, cl.ARN, info.port)
		// Docker has come: containers are to reach it. Should it go, the address is kept for its return.
		if bind := c.cfg.bind(at); c.cfg.containers().IsValid() && bind != p.bound() {
			if err := p.rebind(ctx, bind); err != nil {
				return 0, err
			}
		}
		return health, c.observe(ctx, cl, cache.Node{
			Backend: cache.RedisServer, Address: c.cfg.Loopback.String(), ContainerAddress: text(at),
			Port: info.port, PID: info.pid, Version: info.version, Notice: notice,
		})
	}
	if p.pid() != 0 {
		return soon, nil // it is starting, or busy
	}
	complaint := p.lastWords()
	port, err := c.port(cl, p)
	if err == nil {
		at, _ := c.reach(ctx, cl.ARN, port)
		err = p.start(ctx, c.cfg.RedisServer, c.cfg.bind(at), port)
	}
	if err == nil && complaint != "" {
		err = fmt.Errorf("redis-server ended: %s", complaint) // it is started again all the same; the error makes us slower
	}
	if err != nil {
		return 0, errors.Join(err, c.observe(ctx, cl, cache.Node{Backend: cache.RedisServer, Problem: err.Error()}))
	}
	return soon, nil
}

// observe writes what was seen, and what it means for statuses and events.
func (c *Controller) observe(ctx context.Context, seen *cache.Cluster, node cache.Node) error {
	if seen.Node == node && (seen.Status == cache.Available) == (node.Problem == "") {
		return nil
	}
	if node.Notice != "" && node.Notice != seen.Node.Notice {
		c.cfg.Logger.Warn("containers do not reach a cache", "cluster", seen.ARN, "reason", node.Notice)
	}
	now := c.cfg.Now()
	return c.store.Update(ctx, func(tx *state.Tx) error {
		cl, ok := tx.CacheClusters.Get(seen.ARN)
		if !ok || cl.Status == cache.Deleting {
			return nil
		}
		next := *cl
		for _, message := range messages(cl, node) {
			next = *next.WithEvent(now, message)
		}
		if next.Node, next.Status = node, cache.Available; node.Problem != "" {
			next.Status = cache.RestoreFailed
			next.Node.Port = cl.Node.Port // it keeps its port when it comes back
		}
		tx.CacheClusters.Put(&next)
		followGroup(tx, &next)
		return nil
	})
}

// messages are the events of a cluster whose node is found to be as told.
func messages(cl *cache.Cluster, node cache.Node) []string {
	if node.Problem != "" {
		return []string{"Cache node 0001 cannot be started: " + node.Problem}
	}
	by := fmt.Sprintf("Cache node 0001 is served by %s %s on port %d", node.Backend, node.Version, node.Port)
	if node.Backend == cache.Embedded {
		by = fmt.Sprintf("Cache node 0001 is served inside of Berth, in memory only, on port %d, since there is no redis-server on PATH", node.Port)
	}
	if node.Notice != "" {
		by += ", for this machine only and not for containers: " + node.Notice
	}
	switch {
	case cl.Status == cache.Creating:
		return []string{"Added cache node 0001 in availability zone " + cl.Zone, "Cache cluster created", by}
	case cl.Node.PID != node.PID:
		return []string{"Cache node 0001 restarted", by}
	}
	return []string{by}
}

// followGroup gives the replication group the status of its only member.
func followGroup(tx *state.Tx, cl *cache.Cluster) {
	if cl.ReplicationGroupID == "" {
		return
	}
	g, ok := tx.CacheReplicationGroups.Get(cache.ReplicationGroupARN(cl.Region, cl.Account, cl.ReplicationGroupID))
	if !ok || g.Status == cache.Deleting || g.Status == cache.Available || cl.Status != cache.Available {
		return
	}
	next := *g
	next.Status = cache.Available
	tx.CacheReplicationGroups.Put(&next)
}

// remove ends what serves a cluster, and then forgets the cluster.
func (c *Controller) remove(ctx context.Context, key string) (time.Duration, error) {
	c.endEmbedded(key)
	p := process{dir: filepath.Join(c.cfg.Dir, key)}
	pid := p.pid()
	if info, ok := p.ask(ctx); ok {
		pid = info.pid
	}
	if pid != 0 {
		return soon, kill(pid) // its data goes with it: no reason to be gentle
	}
	c.unfence(ctx, key) // the directory is what remembers it: it goes last
	if err := os.RemoveAll(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return 0, c.store.Update(ctx, func(tx *state.Tx) error {
		cl, ok := tx.CacheClusters.Get(key)
		if !ok || cl.Status != cache.Deleting {
			return nil
		}
		tx.CacheClusters.Delete(key)
		group := cache.ReplicationGroupARN(cl.Region, cl.Account, cl.ReplicationGroupID)
		if g, ok := tx.CacheReplicationGroups.Get(group); ok && g.Status == cache.Deleting {
			tx.CacheReplicationGroups.Delete(group)
		}
		return nil
	})
}
