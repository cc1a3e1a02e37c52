package testenv

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisCluster is a Redis Cluster of three masters.
type RedisCluster struct{ Nodes []*Redis }

// StartRedisCluster starts a cluster, which is stopped at the end of the test.
func StartRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	for _, program := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program)
		}
	}
	c := &RedisCluster{}
	for range 3 {
		c.Nodes = append(c.Nodes, startMember(t))
	}
	out, err := exec.Command("redis-cli",
		append(append([]string{"--cluster", "create"}, c.Addrs()...), "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range c.Nodes { // every node must know that all slots have a master
		r.waitFor(t, "cluster info", "cluster_state:ok", "cluster_known_nodes:3")
	}
	return c
}

// startMember starts a server that can become part of a cluster.
func startMember(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), dir: t.TempDir(), bus: FreePort(t)}
	r.more = []string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(r.bus)}
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// StartReplica adds a replica of a master. It becomes the master when the other one has not answered for the given
// time.
func (c *RedisCluster) StartReplica(t testing.TB, master *Redis, after time.Duration) *Redis {
	t.Helper()
	replica := startMember(t)
	all := append(slices.Clone(c.Nodes), replica)
	for _, r := range all {
		r.Do(t, "config set cluster-node-timeout "+strconv.FormatInt(after.Milliseconds(), 10))
	}
	replica.Do(t, fmt.Sprintf("cluster meet 127.0.0.1 %d %d", master.Port, master.bus))
	id := strings.TrimSpace(master.Do(t, "cluster myid"))
	replica.waitFor(t, "cluster info", "cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", len(all)))
	replica.Do(t, "cluster replicate "+id)
	replica.waitFor(t, "info replication", "role:slave", "master_link_status:up")
	for _, r := range c.Nodes { // the nodes that will vote for the replica
		r.waitFor(t, "cluster nodes", "slave "+id)
	}
	return replica
}

// AwaitMaster waits until a replica has become a master and all other nodes know it.
func (c *RedisCluster) AwaitMaster(t testing.TB, replica *Redis) {
	t.Helper()
	replica.waitFor(t, "info replication", "role:master")
	for _, r := range c.Nodes {
		r.waitFor(t, "cluster info", "cluster_state:ok")
	}
}

// Do runs a command and returns what redis-cli prints.
func (r *Redis) Do(t testing.TB, command string) string {
	t.Helper()
	out, err := r.command(command)
	if err != nil || strings.HasPrefix(out, "ERR") {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return out
}

func (r *Redis) command(text string) (string, error) {
	args := append([]string{"-p", strconv.Itoa(r.Port)}, strings.Fields(text)...)
	out, err := exec.Command("redis-cli", args...).CombinedOutput()
	return string(out), err
}

// waitFor repeats a command until its answer contains all texts.
func (r *Redis) waitFor(t testing.TB, command string, texts ...string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, _ := r.command(command)
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(out, text) }) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: got %s, want an answer with %q", command, out, texts)
		}
	}
}

// Addrs returns the addresses of the nodes.
func (c *RedisCluster) Addrs() (all []string) {
	for _, r := range c.Nodes {
		all = append(all, "127.0.0.1:"+strconv.Itoa(r.Port))
	}
	return all
}

// URL returns the redis:// addresses of the nodes, separated by commas.
func (c *RedisCluster) URL() string { return "redis://" + strings.Join(c.Addrs(), ",redis://") }
