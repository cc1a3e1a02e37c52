package ecs

import (
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// answerCluster gives a cluster as the API has it, with its counts, and with what include asks for.
func answerCluster(t *state.Tables, c *ecs.Cluster, include []string) shape.Cluster {
	out := reshape.Out[shape.Cluster](&ecs.Cluster{
		ClusterARN: c.ClusterARN, ClusterName: c.ClusterName, Status: c.Status,
	})
	out.CapacityProviders = slices.Clone(c.CapacityProviders)
	out.DefaultCapacityProviderStrategy = answerStrategy(c.DefaultStrategy)
	var n clusterCounts
	n.count(t, c)
	out.RegisteredContainerInstancesCount, out.ActiveServicesCount = &n.instances, &n.services
	out.RunningTasksCount, out.PendingTasksCount = &n.running, &n.pending
	full := reshape.Out[shape.Cluster](c)
	if slices.Contains(include, "SETTINGS") {
		out.Settings = full.Settings
	}
	if slices.Contains(include, "TAGS") {
		out.Tags = full.Tags
	}
	if slices.Contains(include, "CONFIGURATIONS") {
		out.Configuration = full.Configuration
	}
	if slices.Contains(include, "ATTACHMENTS") {
		answerAttachments(&out, provider.Attachments(t, c))
	}
	if slices.Contains(include, "STATISTICS") {
		out.Statistics = n.statistics()
	}
	return out
}

// answerAttachments is ecs.md 1.2.4. What is attached is made in the transaction of the call that asks for it, so it is
// always complete.
func answerAttachments(out *shape.Cluster, attached []ecs.Attachment) {
	out.Attachments = reshape.Out[[]shape.Attachment](attached)
	if len(attached) > 0 {
		out.AttachmentsStatus = new("UPDATE_COMPLETE")
	}
}

// clusterCounts are the counters of a cluster (ecs.md 1.2.3); there is no Fargate, so its statistics are zero.
type clusterCounts struct{ instances, services, draining, running, pending int32 }

func (n *clusterCounts) count(t *state.Tables, c *ecs.Cluster) {
	active, draining := t.ServicesIn(c.ClusterARN)
	running, pending := t.TasksOfCluster(c.ClusterARN).RunningAndPending(nil)
	*n = clusterCounts{instances: int32(t.PresentInstances(c.ClusterARN)), services: int32(active),
		draining: int32(draining), running: int32(running), pending: int32(pending)}
}

func (n *clusterCounts) statistics() []shape.KeyValuePair {
	var out []shape.KeyValuePair
	for _, kv := range []struct {
		name  string
		value int32
	}{
		{"runningEC2TasksCount", n.running},
		{"runningFargateTasksCount", 0}, {"pendingEC2TasksCount", n.pending}, {"pendingFargateTasksCount", 0},
		{"activeEC2ServiceCount", n.services}, {"activeFargateServiceCount", 0},
		{"drainingEC2ServiceCount", n.draining}, {"drainingFargateServiceCount", 0},
	} {
		out = append(out, shape.KeyValuePair{Name: &kv.name, Value: new(strconv.Itoa(int(kv.value)))})
	}
	return out
}
