package launch

import (
	"fmt"
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/sched"
)

// toldInstances is how many instances an explanation names before it only counts the rest.
const toldInstances = 10

// Explain says why each instance refused a task, the closest instance first: "container-instance
// 4f…: needs 512 CPU units, 256 are free; container-instance 7c…: the agent is not connected". No
// refusals means that there was no instance.
func Explain(refusals []sched.Refusal, closest string) string {
	if len(refusals) == 0 {
		return "the cluster has no ACTIVE container instance"
	}
	var lines []string
	for _, first := range []bool{true, false} {
		for _, r := range refusals {
			if (r.InstanceARN == closest) == first {
				lines = append(lines, explain(r))
			}
		}
	}
	return join(lines)
}

// ExplainFailures is Explain for tasks whose instances the caller chose.
func ExplainFailures(failures []sched.Failure) string {
	var lines []string
	for _, f := range failures {
		lines = append(lines, "container-instance "+arn.LastID(f.InstanceARN)+": "+f.Detail)
	}
	return join(lines)
}

func join(lines []string) string {
	if more := len(lines) - toldInstances; more > 0 {
		lines = append(lines[:toldInstances], fmt.Sprintf("and %d more container instances", more))
	}
	return strings.Join(lines, "; ")
}

func explain(r sched.Refusal) string {
	var why []string
	for _, reason := range r.Reasons {
		why = append(why, reason.Detail)
	}
	return "container-instance " + arn.LastID(r.InstanceARN) + ": " + strings.Join(why, ", and ")
}
