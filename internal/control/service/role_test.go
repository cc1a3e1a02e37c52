package service

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

const missingRole = "arn:aws:iam::123456789012:role/web"

const cannotAssume = "(service web) failed to launch a task with (error ECS was unable to assume the role '" +
	missingRole +
	"' that was provided for this task. Please verify that the role being passed has the proper trust " +
	"relationship and permissions " +
	"and that your IAM user has permissions to pass this role.)."

// need changes a revision so that it needs a role that does not exist.
func (w *world) need(revision int, set func(*ecs.TaskDefinition)) {
	w.put(func(tx *state.Tx) {
		d, _ := tx.TaskDefinitions.Get(definition(revision))
		c := *d
		set(&c)
		tx.TaskDefinitions.Put(&c)
	})
}

func taskRole(d *ecs.TaskDefinition)      { d.TaskRoleARN = missingRole }
func executionRole(d *ecs.TaskDefinition) { d.ExecutionRoleARN = missingRole }

// If its role does not exist, a service starts no tasks. It has one event for each try, the tries have the delays of
// ecs.md 3.4, and when the role exists, the next try starts the tasks.
func TestMissingRoleFailsTheLaunch(t *testing.T) {
	for name, edit := range map[string]func(*ecs.Service){"REPLICA": nil, "DAEMON": daemon} {
		for kind, set := range map[string]func(*ecs.TaskDefinition){"task": taskRole, "execution": executionRole} {
			t.Run(name+" "+kind, func(t *testing.T) {
				run(t, func(w *world) {
					w.instance("a", "us-east-1a")
					w.need(1, set)
					w.service(1, edit)
					settle(time.Millisecond)
					if got := w.events(); len(got) != 1 || got[0] != cannotAssume {
						t.Errorf("events after the first try: %s", strings.Join(got, "\n"))
					}
					settle(13 * time.Second) // more tries after 2 and 6 s, and the next after 14
					if n := told(w, cannotAssume); n != 3 || w.tasks() != 0 {
						t.Errorf("%d tries and %d tasks in 13 seconds, want 3 and none", n, w.tasks())
					}
					if d := w.get().Primary(); d.FailedTasks != 3 || d.RolloutState != ecs.RolloutInProgress {
						t.Errorf("deployment %+v", d)
					}
					w.put(func(tx *state.Tx) {
						tx.Roles.Put(&role.Role{Account: "123456789012", Name: "web", Path: "/"})
					})
					settle(time.Minute)
					if w.running(all)["all"] != 1 || w.get().Primary().RolloutState != ecs.RolloutCompleted {
						t.Errorf("%d tasks run after the role was made, deployment %+v",
							w.running(all)["all"], w.get().Primary())
					}
				})
			})
		}
	}
}

// If the role of a deployment does not exist, the circuit breaker fails it, and the deployment before goes on serving.
func TestMissingRoleIsRolledBack(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.need(2, taskRole)
		w.service(1, breaker(true))
		settle(5 * time.Second)
		w.deploy()
		settle(time.Minute)
		if s := w.get(); s.Current().TaskDefinition != definition(1) || len(s.Deployments) != 1 || w.tasks() != 1 {
			t.Errorf("%d tasks, deployments %+v", w.tasks(), s.Deployments)
		}
		wantEvent(t, w, cannotAssume)
		wantEvent(t, w, "(service web) rolling back to deployment ecs-svc/1.")
	})
}
