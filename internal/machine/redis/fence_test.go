package redis_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fence"
	"github.com/berthhq/berth/internal/machine/redis"
	"github.com/berthhq/berth/internal/state"
)

// fenced reads the rules of iptables that name a cluster.
func (w *world) fenced(arn string) (rules []string) {
	w.Helper()
	out, err := exec.Command("iptables", "-w", "10", "-S").CombinedOutput()
	if err != nil {
		w.Fatalf("iptables: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, filepath.Join(w.cfg.Dir, arn)) {
			rules = append(rules, strings.TrimSpace(line))
		}
	}
	return rules
}

// bridge makes a bridge for the test, and returns its address.
func bridge(t *testing.T) netip.Addr {
	t.Helper()
	for _, program := range []string{"ip", "iptables"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			if os.Getenv("BERTH_CI") == "1" {
				t.Fatal("root or " + program + " is missing")
			}
			t.Skip("root or " + program + " is missing")
		}
	}
	const name, address = "berthcachetest", "10.213.90.1"
	exec.Command("ip", "link", "delete", name).Run() // of a run that was killed
	t.Cleanup(func() { exec.Command("ip", "link", "delete", name).Run() })
	for _, args := range []string{"link add " + name + " type bridge",
		"address add " + address + "/24 dev " + name, "link set " + name + " up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return netip.MustParseAddr(address)
}

// There is a fence around an address and port that containers reach, for as long as the cache listens. (The tests of
// package fence show what a fence does.)
func TestFenceAroundTheBridge(t *testing.T) {
	for name, only := range map[string]bool{cache.RedisServer: false, cache.Embedded: true} {
		t.Run(name, func(t *testing.T) {
			if !only {
				needRedis(t)
			}
			at := bridge(t)
			w := newWorld(t, redis.Config{EmbeddedOnly: only, Loopback: netip.MustParseAddr("127.0.3.12"),
				Containers: func() netip.Addr { return at }})
			arn := w.create("chat", nil)
			n := w.available(arn, nil).Node
			if n.ContainerAddress != at.String() || n.Notice != "" ||
				w.redis(n.ContainerAddress, n.Port, "PING") != "+PONG" {
				t.Errorf("node %+v", n)
			}
			rules := w.fenced(arn)
			if len(rules) < 4 || !strings.HasPrefix(rules[0],
				fmt.Sprintf("-A INPUT -d %s/32 -p tcp -m tcp --dport %d ", at, n.Port)) ||
				!strings.Contains(rules[2], "-i berthcachetest ") ||
				!strings.HasSuffix(rules[len(rules)-1], "-j DROP") {
				t.Errorf("rules\n%s", strings.Join(rules, "\n"))
			}
			// A redis-server goes on when this program ends, and so does its fence. The fence of an embedded server is
			// removed.
			w.stop()
			if left := w.fenced(arn); only && len(left) != 0 || !only && !slices.Equal(left, rules) {
				t.Errorf("after the end of this program:\n%s", strings.Join(left, "\n"))
			}
			// The row is deleted while no controller runs, as when this program is killed in a reset.
			if err := fence.New(filepath.Join(w.cfg.Dir, arn)).Put(t.Context(),
				netip.AddrPortFrom(at, uint16(n.Port))); err != nil {
				t.Fatal(err)
			}
			w.update(func(tx *state.Tx) { tx.CacheClusters.Delete(arn) })
			w.start()
			for deadline := time.Now().Add(30 * time.Second); ; {
				if _, err := os.Stat(filepath.Join(w.cfg.Dir, arn)); err != nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the cluster's directory remains")
				}
			}
			if left := w.fenced(arn); len(left) > 0 {
				t.Errorf("the fence remains:\n%s", strings.Join(left, "\n"))
			}
			if _, err := net.Dial("tcp", netip.AddrPortFrom(at, uint16(n.Port)).String()); err == nil {
				t.Error("without a fence it still listens")
			}
			second := w.create("second", nil)
			w.available(second, nil)
			w.change(second, func(c *cache.Cluster) { c.Status = cache.Deleting })
			w.until("the cluster is gone",
				func(s *state.Snapshot) bool { _, ok := s.CacheClusters.Get(second); return !ok })
			if left := w.fenced(second); len(left) > 0 {
				t.Errorf("the fence of a deleted cluster remains:\n%s", strings.Join(left, "\n"))
			}
		})
	}
}

// If there can be no fence, a cache listens on loopback only, and its event says why.
func TestNoFenceNoBridge(t *testing.T) {
	for name, only := range map[string]bool{cache.RedisServer: false, cache.Embedded: true} {
		t.Run(name, func(t *testing.T) {
			if !only {
				needRedis(t)
			}
			at := bridge(t)
			program, _ := exec.LookPath("redis-server")
			t.Setenv("PATH", t.TempDir()) // here there is no iptables
			w := newWorld(t, redis.Config{
				EmbeddedOnly: only, RedisServer: program, Loopback: netip.MustParseAddr("127.0.3.13"),
				Containers: func() netip.Addr { return at },
			})
			cl := w.available(w.create("chat", nil), nil)
			n := cl.Node
			last := cl.Events[len(cl.Events)-1].Message
			if n.ContainerAddress != "" || !strings.Contains(n.Notice,
				`"iptables": executable file not found`) || !strings.HasSuffix(last, n.Notice) {
				t.Errorf("node %+v, event %q", n, last)
			}
			if got := w.redis("127.0.3.13", n.Port, "PING"); got != "+PONG" {
				t.Error(got)
			}
			if _, err := net.Dial("tcp", netip.AddrPortFrom(at, uint16(n.Port)).String()); err == nil {
				t.Error("it listens on the bridge")
			}
		})
	}
}
