package dispatch

import (
	"context"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// Container Insights are the metrics of namespace ECS/ContainerInsights (ecs.md 7.9), of clusters that have the
// setting containerInsights. A task is a sample of what it uses and reserves, so that Sum is the total.

// hasInsights reports whether a cluster has Container Insights. Those with "enhanced" have the same metrics as those
// with "enabled".
func hasInsights(c *ecs.Cluster) bool {
	for _, s := range c.Settings {
		if s.Name == "containerInsights" {
			return s.Value == "enabled" || s.Value == "enhanced"
		}
	}
	return false
}

// insight returns the name of a metric of the cluster, or of something in it that a dimension names.
func (m metrics) insight(metric, unit, dimension, value string) gather.Name {
	n := gather.Name{Scope: m.scope, Namespace: "ECS/ContainerInsights", Metric: metric, Unit: unit,
		Dimensions: [2]meter.Dimension{{Name: "ClusterName", Value: m.cluster}}}
	if value != "" {
		n.Dimensions[1] = meter.Dimension{Name: dimension, Value: value}
	}
	return n
}

// insight passes on what a task uses and what it has reserved, for its cluster, its service and its family.
func (t *Gauge) insight(names metrics, k kind, task *ecs.Task, used float64, reserved int, age time.Duration) {
	family, _, _ := strings.Cut(arn.LastID(task.TaskDefinitionARN), ":")
	for _, of := range [][2]string{
		{"", ""}, {"ServiceName", arn.LastID(task.ServiceARN)}, {"TaskDefinitionFamily", family},
	} {
		if of[0] != "" && of[1] == "" {
			continue // it is of no service
		}
		s := single(task.TaskARN, 1, used)
		s.Even = true
		t.Feed.Sample(age, names.insight(k.utilized, k.unit, of[0], of[1]), s)
		if reserved > 0 {
			t.Feed.Sample(age, names.insight(k.reserved, k.unit, of[0], of[1]),
				single(task.TaskARN, 1, float64(reserved)))
		}
	}
}

// countEvery is how often tasks, services and instances are counted: once for each point.
const countEvery = time.Minute

// count counts until ctx ends, in the middle of each minute.
func (d *Dispatcher) count(ctx context.Context) {
	for {
		now := time.Now()
		next := now.Truncate(countEvery).Add(countEvery / 2)
		if !next.After(now) {
			next = next.Add(countEvery)
		}
		select {
		case <-time.After(next.Sub(now)):
			d.countAll(&d.store.View().Tables)
		case <-ctx.Done():
			return
		}
	}
}

// countAll counts what is in clusters that have Container Insights. Each number is a point of its own, so the cost is
// that of the points.
func (d *Dispatcher) countAll(t *state.Tables) {
	for c := range t.Clusters.All() {
		at, err := arn.Parse(c.ClusterARN)
		if err != nil || c.Status != ecs.ClusterActive || !hasInsights(c) {
			continue
		}
		names := metricsOf(t, at)
		put := func(metric, service string, n int) {
			d.cfg.Feed.Sample(0, names.insight(metric, "Count", "ServiceName", service), single("", 1, float64(n)))
		}
		services, instances := 0, 0
		for s := range t.Services.By(state.ServicesByCluster, c.ClusterARN) {
			if s.Status == ecs.ServiceInactive {
				continue
			}
			services++
			running, pending := t.TasksOfService(s.ServiceARN).RunningAndPending(nil)
			put("RunningTaskCount", s.ServiceName, running)
			put("PendingTaskCount", s.ServiceName, pending)
			put("TaskSetCount", s.ServiceName, 0)
			if p, ok := t.ServiceProgress.Get(s.ServiceARN); ok {
				put("DesiredTaskCount", s.ServiceName, p.DesiredCount(s))
				put("DeploymentCount", s.ServiceName, len(p.Deployments))
			}
		}
		for i := range t.ContainerInstances.By(state.ContainerInstancesByCluster, c.ClusterARN) {
			if i.Status == ecs.InstanceActive || i.Status == ecs.InstanceDraining {
				instances++
			}
		}
		running, _ := t.TasksOfCluster(c.ClusterARN).RunningAndPending(nil)
		put("TaskCount", "", running)
		put("ServiceCount", "", services)
		put("ContainerInstanceCount", "", instances)
	}
}
