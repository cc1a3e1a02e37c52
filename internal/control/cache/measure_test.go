package cache

import (
	"context"
	"errors"
	"strconv"
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
	if n.pid == "" {
		return cache.Stats{}, false
	}
	seconds := strconv.FormatInt(time.Now().Unix(), 10)
	return cache.ParseStats(map[string]string{
		"process_id": n.pid, "cmdstat_get": "calls=" + seconds, "connected_clients": "2",
	}), true
}

// merged keeps what is merged.
type merged map[gather.Name]meter.Summary

func (m merged) Merge(name gather.Name, s meter.Summary) { m[name] = m[name].Add(s) }

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
		w.nodes.pid = "7"
		got := merged{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		m := &Meter{Store: w.store, Nodes: w.nodes, Feed: got, Now: time.Now}
		go func() { ended <- m.Run(ctx) }()
		minute := func() merged {
			clear(got)
			time.Sleep(time.Minute)
			synctest.Wait()
			return got
		}
		if len(minute()) != 0 {
			t.Errorf("a node that is being created is measured: %v", got)
		}
		put(cache.Available)
		if minute(); got.value("CurrConnections", "") != 2 || got.value("GetTypeCmds", "") != -1 {
			t.Errorf("the first minute: %v", got)
		}
		if minute(); got.value("GetTypeCmds", "") != 60 || got.value("GetTypeCmds", "0001") != 60 ||
			got.value("EngineCPUUtilization", "") != 0 {
			t.Errorf("the second minute: %v", got)
		}
		w.nodes.pid = "8"
		if minute(); got.value("GetTypeCmds", "") != -1 || got.value("CurrConnections", "0001") != 2 {
			t.Errorf("another process: %v", got)
		}
		w.nodes.pid = ""
		if len(minute()) != 0 {
			t.Errorf("no process: %v", got)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
