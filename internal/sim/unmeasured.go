package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// measures passes on what agents measure, except for traffic, which the model does not have: an instance without tasks
// would have a traffic of 0, and the others none that is known.
type measures struct{ *feed.Feed }

func (m measures) Sample(age time.Duration, name gather.Name, s gather.Sample) {
	if !strings.HasPrefix(name.Metric, "Network") {
		m.Feed.Sample(age, name, s)
	}
}

// unmeasured returns a sentence for each policy and each metric of its alarms that had no value in the simulation. A
// policy can do nothing without the metric, or not what it would do on a server, where something measures it.
func (w *world) unmeasured() (all []string) {
	measured := make(map[string]bool)
	w.points.List(func(s meter.Series) bool {
		m := alarm.Metric{Namespace: s.Metric.Namespace, Name: s.Metric.Name}
		for _, d := range s.Metric.Dimensions {
			m.Dimensions = append(m.Dimensions, alarm.Dimension(d))
		}
		measured[metricText(m)] = true
		return false
	})
	t := &w.store.View().Tables
	look := func(policy, of, arn string) {
		for a := range t.Alarms.By(state.AlarmsByAction, arn) {
			for _, m := range metricsOf(a) {
				if text := metricText(m); !measured[text] {
					all = append(all, fmt.Sprintf("policy %s of %s: the metric %s had no values", policy, of, text))
				}
			}
		}
	}
	for p := range t.ScalingPolicies.All() {
		look(p.Name, p.ResourceID, p.ARN())
	}
	for p := range t.GroupPolicies.All() {
		look(p.Name, "group "+p.Group, p.ARN())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// metricsOf returns the metrics that an alarm compares.
func metricsOf(a *alarm.Alarm) (all []alarm.Metric) {
	if a.Measure.Metric.Name != "" {
		all = append(all, a.Measure.Metric)
	}
	for _, q := range a.Queries {
		if q.Measure != nil {
			all = append(all, q.Measure.Metric)
		}
	}
	return all
}

// metricText returns the metric's namespace, name and dimensions, the same for any order of the dimensions.
func metricText(m alarm.Metric) string {
	var parts []string
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name+"="+d.Value)
	}
	slices.Sort(parts)
	text := m.Namespace + " " + m.Name
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}
