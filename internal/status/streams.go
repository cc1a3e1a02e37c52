package status

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/why"
)

// Stream is the destination of one container's output.
type Stream struct {
	Task, Container string
	Driver          string // awslogs, or another log driver
	Group, Name     string `json:",omitempty"` // of awslogs
	Region          string `json:",omitempty"`
	RuntimeID       string `json:",omitempty"` // the container's id at the container runtime
	Stopped         bool
	Ran             bool // the container has started at least once
}

// Streams returns the destinations of the output of a task's containers, or of those of all tasks of a service. The
// oldest task comes first.
func Streams(t *state.Tables, s why.Subject) []Stream {
	tasks := []*ecs.Task{s.Task}
	if s.Service != nil {
		tasks = nil
		for task := range t.Tasks.By(state.TasksByService, s.Service.ServiceARN) {
			tasks = append(tasks, task)
		}
		slices.SortFunc(tasks, func(a, b *ecs.Task) int { return a.CreatedAt.Compare(b.CreatedAt) })
	}
	streams := []Stream{}
	for _, task := range tasks {
		d, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN)
		if !ok {
			continue
		}
		for _, c := range task.Containers {
			if def := d.Container(c.Name); def != nil {
				streams = append(streams, streamOf(task, &c, def))
			}
		}
	}
	return streams
}

func streamOf(task *ecs.Task, c *ecs.Container, def *ecs.ContainerDefinition) Stream {
	out := Stream{Task: arn.LastID(task.TaskARN), Container: c.Name, Driver: "json-file",
		RuntimeID: c.RuntimeID, Stopped: task.LastStatus == ecs.Stopped,
		Ran: c.LastStatus == ecs.Running || c.ExitCode != nil}
	log := def.LogConfiguration
	if log == nil {
		return out
	}
	out.Driver = cmp.Or(log.LogDriver, out.Driver)
	if out.Driver != "awslogs" {
		return out
	}
	// The stream's name, as the agent forms it (ecs.md 7.10).
	out.Group, out.Name, out.Region = log.Options["awslogs-group"], log.Options["awslogs-stream"],
		log.Options["awslogs-region"]
	if prefix := log.Options["awslogs-stream-prefix"]; out.Name == "" && prefix != "" {
		out.Name = prefix + "/" + c.Name + "/" + out.Task
	}
	out.Name = cmp.Or(out.Name, c.RuntimeID)
	return out
}
