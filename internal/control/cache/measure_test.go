package cache

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// Stats counts the commands of a process that gets one every second, unless there is none.
func (n *nodes) Stats(context.Context, string) (cache.Stats, bool) {
	pid := n.pid.Load()
	if pid == 0 {
		return cache.Stats{}, false
	}
	seconds := strconv.FormatInt(time.Now().Unix(), 10)
	return cache.ParseStats(map[string]string{
		"process_id": strconv.FormatInt(pid, 10), "cmdstat_get": "calls=" + seconds, "connected_clients": "2",
	}), true
}

// merging keeps what is merged.
type merging struct {
	mu  sync.Mutex
	got merged
}

type merged map[gather.Name]meter.Summary

func (m *merging) Merge(name gather.Name, s meter.Summary) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got[name] = m.got[name].Add(s)
}

// take returns what was merged since the last call.
func (m *merging) take() merged {
	m.mu.Lock()
	defer m.mu.Unlock()
	got := m.got
	m.got = merged{}
	return got
}

func (m merged) value(metric, node string) float64 {
	for name, s := range m {
		if name.Metric == metric && name.Dimensions[1].Value == node && name.Namespace == "AWS/ElastiCache" &&
			name.Dimensions[0] == (meter.Dimension{Name: "CacheClusterId", Value: "chat"}) &&
			name.Scope == "1/us-east-1" {
			return s.Sum
		}
	}
	return -1
}

// Each available node has one value a minute; what happened is counted since the minute before, of the same process.
func TestMeasuresNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		put := func(status string) {
			t.Helper()
			err := w.store.Update(t.Context(), func(tx *state.Tx) error {
				tx.CacheClusters.Put(&cache.Cluster{
					ARN: "a", Account: "1", Region: "us-east-1", ID: "chat", Status: status,
				})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put(cache.Creating)
		w.nodes.pid.Store(7)
		feed := &merging{got: merged{}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		m := &Meter{Store: w.store, Nodes: w.nodes, Feed: feed, Now: time.Now}
		go func() { ended <- m.Run(ctx) }()
		minute := func() merged {
			feed.take()
			time.Sleep(time.Minute)
			synctest.Wait()
			return feed.take()
		}
		if got := minute(); len(got) != 0 {
			t.Errorf("a node that is being created is measured: %v", got)
		}
		put(cache.Available)
		if got := minute(); got.value("CurrConnections", "") != 2 || got.value("GetTypeCmds", "") != -1 {
			t.Errorf("the first minute: %v", got)
		}
		if got := minute(); got.value("GetTypeCmds", "") != 60 || got.value("GetTypeCmds", "0001") != 60 ||
			got.value("EngineCPUUtilization", "") != 0 {
			t.Errorf("the second minute: %v", got)
		}
		w.nodes.pid.Store(8)
		if got := minute(); got.value("GetTypeCmds", "") != -1 || got.value("CurrConnections", "0001") != 2 {
			t.Errorf("another process: %v", got)
		}
		w.nodes.pid.Store(0)
		if got := minute(); len(got) != 0 {
			t.Errorf("no process: %v", got)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
