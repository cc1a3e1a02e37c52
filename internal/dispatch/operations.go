package dispatch

import (
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// Operations returns the actions of the ECS API that agents call.
func (d *Dispatcher) Operations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("RegisterContainerInstance", d.registerContainerInstance),
		awswire.Op("DiscoverPollEndpoint", d.discoverPollEndpoint),
		awswire.Op("SubmitTaskStateChange", d.submitTaskStateChange),
		awswire.Op("SubmitContainerStateChange", d.submitContainerStateChange),
		awswire.Op("SubmitAttachmentStateChanges", d.submitAttachmentStateChanges),
	}
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidParameterException", format, args...)
}

// cluster returns the ACTIVE cluster that an agent refers to by name or ARN.
func cluster(t *state.Tables, call *awswire.Call, ref *string) (*ecs.Cluster, error) {
	key := request.Value(ref)
	if key == "" {
		key = ecs.DefaultCluster
	}
	if !arn.Is(key) {
		key = ecs.ARN(call.Region, call.Account, ecs.TypeCluster, key)
	}
	c, ok := t.Clusters.Get(key)
	if a, err := arn.Parse(key); !ok || err != nil || a.Account != call.Account || a.Region != call.Region {
		return nil, fault.New("ClusterNotFoundException", "Cluster not found.")
	}
	if c.Status != ecs.ClusterActive {
		return nil, fault.New("ClusterNotFoundException", "The referenced cluster was inactive.")
	}
	return c, nil
}

// ownTask returns the task that a report is about, among those of the caller's account and region.
// An unknown task is no error: the report is late (ecs-agent.md 11.5).
func ownTask(t *state.Tables, call *awswire.Call, ref *string) (*ecs.Task, bool) {
	if !strings.HasPrefix(request.Value(ref), ecs.ARN(call.Region, call.Account, ecs.TypeTask, "")) {
		return nil, false
	}
	return t.Tasks.Get(*ref)
}

// acknowledgment is the answer to every report.
const acknowledgment = "ok"
