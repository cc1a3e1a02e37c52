package state

import "github.com/berthhq/berth/internal/ecs"

// OfDaemon reports whether a task belongs to a service of the scheduling strategy DAEMON.
func (t *Tables) OfDaemon(task *ecs.Task) bool {
	s, ok := t.Services.Get(task.ServiceARN)
	return ok && s.SchedulingStrategy == ecs.Daemon
}

// OtherTasks returns the number of tasks on a container instance that have not stopped and are not of a daemon service.
func (t *Tables) OtherTasks(containerInstanceARN string) (n int) {
	for task := range t.Tasks.By(TasksByInstance, containerInstanceARN) {
		if task.LastStatus != ecs.Stopped && !t.OfDaemon(task) {
			n++
		}
	}
	return n
}
