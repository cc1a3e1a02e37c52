package state

import (
	"iter"

	"github.com/berthhq/berth/internal/ecs"
)

// Indexes of the sums of the table of tasks, in the order of define.
const (
	sumsOfInstances = iota
	sumsOfServices
	sumsOfClusters
)

// taskSums keeps an ecs.TaskSums of the tasks with each entry. labels returns what a task is
// counted under.
func taskSums(entry func(*ecs.Task) string, labels func(*ecs.Task) (label, zone string)) sum {
	change := func(kept, row any, how func(*ecs.TaskSums, *ecs.Task, string, string) *ecs.TaskSums) any {
		sums, _ := kept.(*ecs.TaskSums)
		t := row.(*ecs.Task)
		label, zone := labels(t)
		if sums = how(sums, t, label, zone); sums != nil {
			return sums
		}
		return nil
	}
	return sum{
		entry:  func(row any) string { return entry(row.(*ecs.Task)) },
		add:    func(kept, row any) any { return change(kept, row, (*ecs.TaskSums).Add) },
		remove: func(kept, row any) any { return change(kept, row, (*ecs.TaskSums).Remove) },
		same: func(old, new any) bool {
			was, is := old.(*ecs.Task), new.(*ecs.Task)
			label, zone := labels(was)
			labelNow, zoneNow := labels(is)
			return label == labelNow && zone == zoneNow && was.CountsLike(is)
		},
	}
}

// TasksOnInstance returns the sums of the tasks of a container instance, counted by task group.
func (t *Tables) TasksOnInstance(arn string) *ecs.TaskSums { return t.taskSums(sumsOfInstances, arn) }

// TasksOnInstances yields, for each container instance with tasks whose ARN begins with prefix, in the
// order of ARNs, what TasksOnInstance returns. It is quicker than that for many instances.
func (t *Tables) TasksOnInstances(prefix string) iter.Seq2[string, *ecs.TaskSums] {
	return func(yield func(string, *ecs.TaskSums) bool) {
		for arn, kept := range t.Tasks.untyped.rows.sums[sumsOfInstances].under(prefix) {
			if !yield(arn, kept.(*ecs.TaskSums)) {
				return
			}
		}
	}
}

// TasksOfService returns the sums of the tasks of a service, counted by the id of their deployment and
// by availability zone.
func (t *Tables) TasksOfService(arn string) *ecs.TaskSums { return t.taskSums(sumsOfServices, arn) }

// TasksOfCluster returns the sums of the tasks of a cluster, counted by status alone.
func (t *Tables) TasksOfCluster(arn string) *ecs.TaskSums { return t.taskSums(sumsOfClusters, arn) }

func (t *Tables) taskSums(which int, entry string) *ecs.TaskSums {
	kept, _ := t.Tasks.untyped.rows.sums[which].get(entry)
	sums, _ := kept.(*ecs.TaskSums)
	return sums
}
