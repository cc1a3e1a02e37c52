package cache

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// nodes is a driver without a machine. Tests set what its methods return.
type nodes struct {
	seen    *cache.Node
	err     error
	served  []string
	removed []string
	stays   int          // how often Remove must be called
	pid     atomic.Int64 // of the process that Stats measures; 0 if there is none
}

func (n *nodes) Serve(context.Context, *cache.Cluster) (*cache.Node, error) { return n.seen, n.err }

func (n *nodes) Remove(_ context.Context, arn string) (bool, error) {
	if n.stays > 0 {
		n.stays--
		return false, nil
	}
	n.removed = append(n.removed, arn)
	return true, nil
}

func (n *nodes) Served() ([]string, error) { return n.served, nil }

// world runs the controller step by step, with its own clock.
type world struct {
	*testing.T
	store *state.Store
	nodes *nodes
	now   time.Time
	hand  *control.Manual[string]
}

func newWorld(t *testing.T, served ...string) *world {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{T: t, store: store, nodes: &nodes{served: served}, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	env := control.Env{
		Store: store, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return w.now }, Random: rand.NewChaCha8([32]byte{}),
	}
	w.hand = control.New(env, "cache", 1, New(env, w.nodes)).Manual()
	t.Cleanup(w.hand.Close)
	return w
}

// after advances the clock by d.
func (w *world) after(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, ok := control.Drain(w.Context(), w.hand)
		if !ok || next.After(end) {
			w.now = end
			return
		}
		w.now = next
	}
}

const arn = "arn:aws:elasticache:us-east-1:1:cluster:chat"

func (w *world) put(change func(*cache.Cluster)) {
	w.Helper()
	err := w.store.Update(w.Context(), func(tx *state.Tx) error {
		next := cache.Cluster{ARN: arn, ID: "chat", Status: cache.Creating}
		if old, ok := tx.CacheClusters.Get(arn); ok {
			next = *old
		}
		if change != nil {
			change(&next)
		}
		tx.CacheClusters.Put(&next)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) cluster() *cache.Cluster {
	c, _ := w.store.View().CacheClusters.Get(arn)
	return c
}

func (w *world) lastEvent() string {
	events := w.cluster().Events
	return events[len(events)-1].Message
}

func TestRowFollowsTheNode(t *testing.T) {
	w := newWorld(t)
	w.put(nil)
	w.after(time.Second)
	if c := w.cluster(); c.Status != cache.Creating || len(c.Events) > 0 {
		t.Errorf("while the node starts: %+v", c)
	}
	node := cache.Node{Backend: cache.RedisServer, Address: "127.0.3.1", Port: 6379, PID: 7, Version: "7.2"}
	w.nodes.seen = &node
	w.after(time.Second)
	if c := w.cluster(); c.Status != cache.Available || c.Node != node || len(c.Events) != 3 {
		t.Errorf("when it runs: %+v", c)
	}
	before := w.store.View()
	w.after(time.Hour)
	if w.store.View() != before {
		t.Error("the row of a node that still runs was written again")
	}
	again := node
	again.PID = 8
	w.nodes.seen = &again
	w.after(time.Second)
	if c := w.cluster(); c.Node != again || len(c.Events) != 5 {
		t.Errorf("after it was started again: %+v", c)
	}
}

// The reason why a node cannot be started is one event, and the node's port stays the same.
func TestProblemIsTold(t *testing.T) {
	w := newWorld(t)
	w.nodes.seen = &cache.Node{Backend: cache.RedisServer, Port: 6379, PID: 7}
	w.put(nil)
	w.after(time.Second)
	w.nodes.seen, w.nodes.err = &cache.Node{Backend: cache.RedisServer, Problem: "the disk is full"},
		errors.New("the disk is full")
	w.after(time.Second)
	before, c := w.store.View(), w.cluster()
	if c.Status != cache.RestoreFailed || c.Node.Port != 6379 || !strings.Contains(w.lastEvent(), "the disk is full") {
		t.Errorf("%+v", c)
	}
	w.after(time.Hour)
	if w.store.View() != before {
		t.Error("the same problem has another event")
	}
	w.nodes.seen, w.nodes.err = &cache.Node{Backend: cache.RedisServer, Port: 6379, PID: 8}, nil
	w.after(time.Minute)
	if c := w.cluster(); c.Status != cache.Available {
		t.Errorf("%+v", c)
	}
}

// The row of a deleted cluster is removed after its node. A node without a row is removed too.
func TestDeletedClusterAndOrphan(t *testing.T) {
	const orphan = "arn:aws:elasticache:us-east-1:1:cluster:orphan"
	w := newWorld(t, orphan)
	w.nodes.seen = &cache.Node{Backend: cache.Embedded, Port: 6379}
	w.put(nil)
	w.after(time.Second)
	w.nodes.stays = 3
	w.put(func(c *cache.Cluster) { c.Status = cache.Deleting })
	w.after(2 * soon)
	if w.cluster() == nil {
		t.Error("the row was removed before its node")
	}
	w.after(time.Second)
	if w.cluster() != nil || !slices.Equal(slices.Compact(w.nodes.removed), []string{orphan, arn}) {
		t.Errorf("row %+v, removed %v", w.cluster(), w.nodes.removed)
	}
}
