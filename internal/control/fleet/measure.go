package fleet

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// Feed receives measurements; *feed.Feed implements it.
type Feed interface {
	Merge(name gather.Name, s meter.Summary)
}

// Meter measures groups for AWS/AutoScaling. Each metric that is enabled for a group has one value a minute.
type Meter struct {
	Store *state.Store
	Feed  Feed
	Now   func() time.Time
}

// Run measures in the middle of every minute until ctx ends, and returns its cause.
func (m *Meter) Run(ctx context.Context) error { return control.EachMinute(ctx, m.Now, m.measure) }

// measure looks only at the instances of groups that have metrics enabled.
func (m *Meter) measure() {
	view := m.Store.View()
	for g := range view.AutoScalingGroups.All() {
		if len(g.Metrics) == 0 {
			continue
		}
		for _, one := range g.Measure(view.Instances.By(state.InstancesByAutoScalingGroup, g.Key())) {
			value := float64(one.Value)
			m.Feed.Merge(gather.Name{Scope: meter.Scope(g.Account, g.Region), Namespace: "AWS/AutoScaling",
				Metric: one.Name, Unit: "None",
				Dimensions: [2]meter.Dimension{{Name: "AutoScalingGroupName", Value: g.Name}},
			}, meter.Summary{Count: 1, Sum: value, Min: value, Max: value})
		}
	}
}
