package cache

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// Feed receives measurements and gives them the present time; *feed.Feed implements it.
type Feed interface {
	Merge(name gather.Name, s meter.Summary)
}

// Meter measures the nodes of caches for AWS/ElastiCache. It remembers the counters of a minute ago, because processes
// count from their start. Each node has one value a minute.
type Meter struct {
	Store *state.Store
	Nodes machine.Caches
	Feed  Feed
	Now   func() time.Time

	seen map[string]look // by cluster ARN
}

// look has the statistics of a node, and the time at which they were read.
type look struct {
	stats cache.Stats
	at    time.Time
}

// Run measures in the middle of every minute until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	return control.EachMinute(ctx, m.Now, func() { m.measure(ctx) })
}

// measure reads the statistics of every node once. It forgets those of clusters that have ended.
func (m *Meter) measure(ctx context.Context) {
	seen := make(map[string]look)
	for cl := range m.Store.View().CacheClusters.All() {
		if cl.Status != cache.Available {
			continue
		}
		stats, ok := m.Nodes.Stats(ctx, cl.ARN)
		if !ok {
			continue
		}
		now := look{stats, m.Now()}
		seen[cl.ARN] = now
		var before *cache.Stats
		was, known := m.seen[cl.ARN]
		if known {
			before = &was.stats
		}
		for _, one := range stats.Since(before, now.at.Sub(was.at)) {
			m.merge(cl, one)
		}
	}
	m.seen = seen
}

// merge adds a value to two metrics, as AWS does: that of the cluster, and that of the cluster and the node.
func (m *Meter) merge(cl *cache.Cluster, one cache.Measure) {
	name := gather.Name{
		Scope: meter.Scope(cl.Account, cl.Region), Namespace: "AWS/ElastiCache", Metric: one.Metric, Unit: one.Unit,
	}
	name.Dimensions[0] = meter.Dimension{Name: "CacheClusterId", Value: cl.ID}
	sum := meter.Values([]float64{one.Value}, []float64{1})
	m.Feed.Merge(name, sum)
	name.Dimensions[1] = meter.Dimension{Name: "CacheNodeId", Value: "0001"}
	m.Feed.Merge(name, sum)
}
