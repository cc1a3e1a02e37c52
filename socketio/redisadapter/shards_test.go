package redisadapter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

const mainChannel = "socket.io#/#" // the channel of the main namespace

// pair is two servers of the sharded format on a Redis Cluster.
type pair struct {
	cluster *testenv.RedisCluster
	first   *redisadapter.Sharded
	a, b    *goNode
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{cluster: testenv.StartRedisCluster(t)}
	p.first = redisadapter.NewSharded(universal(t, p.cluster), redisadapter.Dynamic, redisadapter.Options{})
	p.a, p.b = startGo(t, "a", p.first.Connect, nil), startGo(t, "b", connector(t, p.cluster, "sharded"), nil)
	ready(t, p.cluster, "sharded", 2)
	return p
}

// owner returns the node that has a channel's slot, and the node's id.
func (p *pair) owner(t *testing.T, slot int64) (at int, ids []string) {
	t.Helper()
	at = -1
	for i, node := range p.cluster.Nodes {
		c := client(t, node)
		id, err := c.ClusterMyID(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		shards, err := c.ClusterShards(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shards {
			owns := slices.ContainsFunc(s.Slots, func(r redis.SlotRange) bool {
				return r.Start <= slot && slot <= r.End
			})
			if owns && slices.ContainsFunc(s.Nodes, func(n redis.Node) bool {
				return n.ID == id && n.Role == "master"
			}) {
				at = i
			}
		}
	}
	return at, ids
}

// When a slot moves to another master, the subscriptions of its channels move too.
func TestSlotMoves(t *testing.T) {
	p := startPair(t)
	pa, pb := join(t, p.a.addr), join(t, p.b.addr)
	slot, err := client(t, p.cluster.Nodes[0]).ClusterKeySlot(t.Context(), mainChannel).Result()
	if err != nil {
		t.Fatal(err)
	}
	from, ids := p.owner(t, slot)
	to := (from + 1) % len(ids)
	for _, i := range []int{to, from, (from + 2) % len(ids)} {
		if err := client(t, p.cluster.Nodes[i]).Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE",
			ids[to]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	ready(t, p.cluster, "sharded", 2)
	if now, _ := p.owner(t, slot); now != to {
		t.Fatalf("node %d has the slot, not %d", now, to)
	}
	if err := p.a.ns.Emit("after", 1); err != nil {
		t.Fatal(err)
	}
	pa.Want(`42["after",1]`)
	pb.Want(`42["after",1]`)
	if all, err := p.b.ns.All().Sockets(t.Context()); err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
}

// A master stops and starts again. Local clients get events all the time, and afterwards those of other servers do,
// too.
func TestMasterLostAndBack(t *testing.T) {
	p := startPair(t)
	pa, pb := join(t, p.a.addr), join(t, p.b.addr)
	slot, err := client(t, p.cluster.Nodes[0]).ClusterKeySlot(t.Context(), mainChannel).Result()
	if err != nil {
		t.Fatal(err)
	}
	at, _ := p.owner(t, slot)
	p.cluster.Nodes[at].Stop()
	for end := time.Now().Add(patience); !p.first.Lost(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the lost master was not noticed")
		}
	}
	if err := p.a.ns.Emit("during"); err != nil {
		t.Fatal(err)
	}
	pa.Want(`42["during"]`)
	p.cluster.Nodes[at].Start(t)
	ready(t, p.cluster, "sharded", 2)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // repeatedly: events that are published while the cluster recovers may be lost
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				_ = p.a.ns.Emit("after")
			}
		}
	}()
	got := pb.Next()
	if got == `42["during"]` { // its publication was still being retried
		got = pb.Next()
	}
	close(stop)
	<-done
	if got != `42["after"]` {
		t.Fatal(got)
	}
	for end := time.Now().Add(patience); p.first.Lost(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no event has arrived after the master came back")
		}
	}
}

// A master stops and does not come back. When its replica has taken its slots over, broadcasts to all clients and to a
// room reach the clients of the other server again, in both directions.
func TestReplicaTakesOver(t *testing.T) {
	p := startPair(t)
	pa, pb := join(t, p.a.addr), join(t, p.b.addr)
	p.a.ns.Socket(pa.ID).Join("room")
	p.b.ns.Socket(pb.ID).Join("room")
	slot, err := client(t, p.cluster.Nodes[0]).ClusterKeySlot(t.Context(), mainChannel).Result()
	if err != nil {
		t.Fatal(err)
	}
	at, _ := p.owner(t, slot)
	master := p.cluster.Nodes[at]
	replica := p.cluster.StartReplica(t, master, time.Second)
	if err := p.a.ns.Emit("before"); err != nil {
		t.Fatal(err)
	}
	pa.Want(`42["before"]`)
	pb.Want(`42["before"]`)
	master.Stop()
	p.cluster.Nodes[at] = replica
	p.cluster.AwaitMaster(t, replica)
	ready(t, p.cluster, "sharded", 2)
	for end := time.Now().Add(patience); p.first.Lost(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the new master is not found")
		}
	}
	for i, send := range []func(string, ...any) error{
		p.a.ns.Emit, p.b.ns.Emit, p.a.ns.To("room").Emit, p.b.ns.To("room").Emit,
	} {
		if err := send("after", i); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`42["after",%d]`, i)
		pa.Want(want)
		pb.Want(want)
	}
	if all, err := p.b.ns.All().Sockets(t.Context()); err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
}

// The channels of many rooms are spread over all masters, and each is subscribed at the master that has its slot.
func TestRoomsOnAllMasters(t *testing.T) {
	p := startPair(t)
	pb := join(t, p.b.addr)
	const rooms = 60
	var names []string
	for i := range rooms {
		names = append(names, "room"+strings.Repeat("x", i))
	}
	p.b.ns.Socket(pb.ID).Join(names...)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		total, nodes := 0, 0
		for _, node := range p.cluster.Nodes {
			channels, err := client(t, node).PubSubShardChannels(t.Context(), mainChannel+"room*").Result()
			if err != nil {
				t.Fatal(err)
			}
			if total += len(channels); len(channels) > 0 {
				nodes++
			}
		}
		if total == rooms && nodes == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d channels on %d masters", total, nodes)
		}
	}
	for _, room := range names {
		if err := p.a.ns.To(room).Emit("to", room); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for range rooms {
		seen[pb.Next()] = true
	}
	if len(seen) != rooms {
		t.Fatalf("%d of %d", len(seen), rooms)
	}
	p.b.ns.Socket(pb.ID).Leave(names...)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, node := range p.cluster.Nodes {
			left += len(client(t, node).PubSubShardChannels(t.Context(), mainChannel+"room*").Val())
		}
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d channels are left", left)
		}
	}
}
