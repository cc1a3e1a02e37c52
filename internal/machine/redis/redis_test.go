package redis_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/control"
	controlcache "github.com/berthhq/berth/internal/control/cache"
	"github.com/berthhq/berth/internal/machine/redis"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// world is a store, and a controller that can be stopped and started like a server.
type world struct {
	*testing.T
	store  *state.Store
	cfg    redis.Config
	stop   func()
	driver *redis.Driver
}

func newWorld(t *testing.T, cfg redis.Config) *world {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dir, cfg.Now, cfg.Logger = t.TempDir(), time.Now, slog.New(slog.DiscardHandler)
	w := &world{T: t, store: store, cfg: cfg}
	w.start()
	t.Cleanup(func() {
		for cl := range store.View().CacheClusters.All() {
			w.change(cl.ARN, func(c *cache.Cluster) { c.Status = cache.Deleting })
		}
		w.until("everything is gone", func(s *state.Snapshot) bool { return s.CacheClusters.Len() == 0 })
		w.stop()
		store.Close()
	})
	return w
}

func (w *world) start() {
	w.Helper()
	driver, err := redis.New(w.cfg)
	w.driver = driver
	if err != nil {
		w.Fatal(err)
	}
	env := control.System(w.store, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { driver.Run(ctx) })
	wg.Go(func() { control.New(env, "cache", 2, controlcache.New(env, driver)).Run(ctx) })
	w.stop = func() { cancel(); wg.Wait() }
}

func (w *world) update(fn func(*state.Tx)) {
	w.Helper()
	if err := w.store.Update(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) create(id string, change func(*cache.Cluster)) string {
	cl := &cache.Cluster{ARN: cache.ClusterARN("us-east-1", "1", id), Region: "us-east-1", Account: "1",
		ID: id, Status: cache.Creating, Engine: "redis", Zone: "us-east-1a"}
	if change != nil {
		change(cl)
	}
	w.update(func(tx *state.Tx) { tx.CacheClusters.Put(cl) })
	return cl.ARN
}

func (w *world) change(arn string, fn func(*cache.Cluster)) {
	w.update(func(tx *state.Tx) {
		if old, ok := tx.CacheClusters.Get(arn); ok {
			cl := *old
			fn(&cl)
			tx.CacheClusters.Put(&cl)
		}
	})
}

// until waits for a change of state that makes ok true.
func (w *world) until(what string, ok func(*state.Snapshot) bool) *state.Snapshot {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	sub := state.Subscribe(w.store, func(state.Change, *state.Snapshot) []string { return []string{"any"} })
	defer sub.Close()
	for {
		if s := w.store.View(); ok(s) {
			return s
		}
		if _, err := sub.Next(ctx); err != nil {
			w.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

func (w *world) available(arn string, more func(cache.Node) bool) *cache.Cluster {
	w.Helper()
	var cl *cache.Cluster
	w.until("the cluster is available", func(s *state.Snapshot) bool {
		cl, _ = s.CacheClusters.Get(arn)
		return cl != nil && cl.Status == cache.Available && (more == nil || more(cl.Node))
	})
	return cl
}

// redis sends one command and returns the first line of the answer, and the line after it when that is a text.
func (w *world) redis(address string, port int, command string) string {
	w.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), 5*time.Second)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	args := strings.Fields(command)
	fmt.Fprintf(conn, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
	}
	r := bufio.NewReader(conn)
	line, _ := r.ReadString('\n')
	if strings.HasPrefix(line, "$") && !strings.HasPrefix(line, "$-1") {
		line, _ = r.ReadString('\n')
	}
	return strings.TrimSpace(line)
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatal("redis-server is missing")
		}
		t.Skip("redis-server is missing")
	}
}

// A cluster is created, is killed and restarted with its data, is found by a controller that starts after the first
// one ended, and is deleted with its process and data.
func TestRedisServer(t *testing.T) {
	needRedis(t)
	w := newWorld(t, redis.Config{Loopback: netip.MustParseAddr("127.0.3.1"),
		Containers: func() netip.Addr { return netip.MustParseAddr("127.0.3.2") }})
	arn := w.create("chat", nil)
	cl := w.available(arn, nil)
	if cl.Node.Backend != cache.RedisServer ||
		cl.Node.Port != 6379 || cl.Node.Address != "127.0.3.1" || cl.Node.ContainerAddress != "127.0.3.2" ||
		!strings.HasPrefix(cl.Node.Version, "7.") && !strings.HasPrefix(cl.Node.Version, "6.") {
		t.Errorf("node %+v", cl.Node)
	}
	if last := cl.Events[len(cl.Events)-1].Message; !strings.Contains(last, "served by redis-server") {
		t.Error(last)
	}
	for _, a := range []string{cl.Node.Address, cl.Node.ContainerAddress} {
		if got := w.redis(a, cl.Node.Port, "SET key kept"); got != "+OK" {
			t.Errorf("SET at %s: %s", a, got)
		}
	}
	stats, ok := w.driver.Stats(t.Context(), arn)
	if all := stats.Since(&cache.Stats{PID: stats.PID}, time.Second); !ok || !slices.ContainsFunc(all,
		func(m cache.Measure) bool { return m.Metric == "SetTypeCmds" && m.Value == 2 }) {
		t.Errorf("stats %t: %+v", ok, all)
	}
	if conn, err := net.Dial("tcp", "127.0.3.3:6379"); err == nil {
		conn.Close()
		t.Error("it listens on other addresses, too")
	}
	// appendfsync everysec: make the write durable before the process is killed.
	w.redis(cl.Node.Address, cl.Node.Port, "WAITAOF 1 0 1000")
	w.redis(cl.Node.Address, cl.Node.Port, "BGREWRITEAOF")

	syscall.Kill(cl.Node.PID, syscall.SIGKILL)
	again := w.available(arn, func(n cache.Node) bool { return n.PID != cl.Node.PID })
	if got := w.redis(again.Node.Address, again.Node.Port, "GET key"); got != "kept" ||
		again.Node.Port != cl.Node.Port {
		t.Errorf("after kill -9: %q on port %d", got, again.Node.Port)
	}
	if got := again.Events[len(again.Events)-2].Message; got != "Cache node 0001 restarted" {
		t.Error(got)
	}

	w.stop()
	w.redis(again.Node.Address, again.Node.Port, "SET key meanwhile")
	w.start()
	other := w.create("other", nil)
	second := w.available(other, nil)
	if second.Node.Port == again.Node.Port {
		t.Errorf("two clusters on port %d", second.Node.Port)
	}
	if now := w.available(arn, nil); now.Node.PID != again.Node.PID ||
		w.redis(now.Node.Address, now.Node.Port, "GET key") != "meanwhile" {
		t.Errorf("not adopted: process %d became %d", again.Node.PID, now.Node.PID)
	}

	w.change(arn, func(c *cache.Cluster) { c.Status = cache.Deleting })
	w.until("the cluster is gone", func(s *state.Snapshot) bool { _, ok := s.CacheClusters.Get(arn); return !ok })
	if _, err := os.Stat(filepath.Join(w.cfg.Dir, arn)); err == nil {
		t.Error("its data are still there")
	}
	if conn, err := net.Dial("tcp", "127.0.3.1:6379"); err == nil {
		conn.Close()
		t.Error("its process is still there")
	}
}

// If a row disappears while the server is down, as after a reset, the next start ends its process.
func TestOrphanIsRemoved(t *testing.T) {
	needRedis(t)
	w := newWorld(t, redis.Config{Loopback: netip.MustParseAddr("127.0.3.4")})
	arn := w.create("chat", nil)
	pid := w.available(arn, nil).Node.PID
	w.stop()
	w.update(func(tx *state.Tx) { tx.CacheClusters.Delete(arn) })
	w.start()
	w.available(w.create("later", nil), nil) // reconciled after the orphan, or with it
	dir := filepath.Join(w.cfg.Dir, arn)
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, err := os.Stat(dir); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the orphan's directory remains")
		}
	}
	if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); strings.HasPrefix(cwd, dir) {
		t.Error("the orphan's process remains")
	}
}

func TestTakenPortIsSaid(t *testing.T) {
	needRedis(t)
	l, err := net.Listen("tcp", "127.0.3.5:0")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, redis.Config{Loopback: netip.MustParseAddr("127.0.3.5")})
	port := l.Addr().(*net.TCPAddr).Port
	arn := w.create("chat", func(c *cache.Cluster) { c.WantedPort = port })
	s := w.until("the problem is told", func(s *state.Snapshot) bool {
		cl, _ := s.CacheClusters.Get(arn)
		return cl.Node.Problem != ""
	})
	cl, _ := s.CacheClusters.Get(arn)
	if want := fmt.Sprintf("port %d, which was asked for, is taken on this machine",
		port); cl.Node.Problem != want || cl.Status != cache.RestoreFailed {
		t.Errorf("%s: %s", cl.Status, cl.Node.Problem)
	}
	l.Close()
	if cl := w.available(arn, nil); cl.Node.Port != port {
		t.Errorf("port %d", cl.Node.Port)
	}
}

// Without redis-server, a cluster is served inside Berth, and its events say so. Its replication group becomes
// available with it.
func TestEmbedded(t *testing.T) {
	w := newWorld(t, redis.Config{EmbeddedOnly: true, Loopback: netip.MustParseAddr("127.0.3.6"),
		Containers: func() netip.Addr { return netip.MustParseAddr("127.0.3.7") }})
	group := &cache.ReplicationGroup{ARN: cache.ReplicationGroupARN("us-east-1", "1", "g"), ID: "g",
		Region: "us-east-1", Account: "1", Status: cache.Creating, MemberID: "g-001"}
	w.update(func(tx *state.Tx) { tx.CacheReplicationGroups.Put(group) })
	arn := w.create("g-001", func(c *cache.Cluster) { c.ReplicationGroupID = "g" })
	cl := w.available(arn, nil)
	if last := cl.Events[len(cl.Events)-1].Message; cl.Node.Backend != cache.Embedded ||
		!strings.Contains(last, "in memory only") {
		t.Errorf("%+v %s", cl.Node, last)
	}
	if got := w.redis(cl.Node.ContainerAddress, cl.Node.Port, "SET a b PX 50"); got != "+OK" {
		t.Error(got)
	}
	for deadline := time.Now().Add(30 * time.Second); w.redis(cl.Node.Address, cl.Node.Port, "GET a") != "$-1"; {
		if time.Now().After(deadline) {
			t.Fatal("keys do not expire")
		}
	}
	if g, _ := w.store.View().CacheReplicationGroups.Get(group.ARN); g.Status != cache.Available {
		t.Errorf("the group is %s", g.Status)
	}
	deleting := *group
	deleting.Status = cache.Deleting
	w.update(func(tx *state.Tx) { tx.CacheReplicationGroups.Put(&deleting) })
	w.change(arn, func(c *cache.Cluster) { c.Status = cache.Deleting })
	w.until("the group is gone", func(s *state.Snapshot) bool { return s.CacheReplicationGroups.Len() == 0 })
}

// If a cache runs before the bridge exists, containers can reach it as soon as there is a bridge, with its data.
func TestBridgeThatComesLater(t *testing.T) {
	for name, only := range map[string]bool{cache.RedisServer: false, cache.Embedded: true} {
		t.Run(name, func(t *testing.T) {
			if !only {
				needRedis(t)
			}
			var bridge atomic.Value
			bridge.Store(netip.Addr{})
			w := newWorld(t, redis.Config{
				EmbeddedOnly: only, Loopback: netip.MustParseAddr("127.0.3.10"),
				Containers: func() netip.Addr { return bridge.Load().(netip.Addr) },
			})
			arn := w.create("early", nil)
			before := w.available(arn, nil).Node
			if before.ContainerAddress != "" {
				t.Errorf("without a bridge: %+v", before)
			}
			if got := w.redis(before.Address, before.Port, "SET key kept"); got != "+OK" {
				t.Error(got)
			}
			bridge.Store(netip.MustParseAddr("127.0.3.11"))
			after := w.available(arn, func(n cache.Node) bool { return n.ContainerAddress != "" }).Node
			if got := w.redis(after.ContainerAddress, after.Port, "GET key"); got != "kept" ||
				after.PID != before.PID || after.Port != before.Port {
				t.Errorf("GET by the bridge: %q, node %+v", got, after)
			}
			if only {
				return
			}
			if got := w.redis(before.Address, after.Port, "GET key"); got != "kept" {
				t.Errorf("GET as before: %q", got)
			}
			syscall.Kill(after.PID, syscall.SIGKILL) // it is started again with both
			again := w.available(arn, func(n cache.Node) bool { return n.PID != after.PID }).Node
			if got := w.redis(again.ContainerAddress, again.Port, "PING"); got != "+PONG" {
				t.Errorf("after a restart: %s", got)
			}
		})
	}
}
