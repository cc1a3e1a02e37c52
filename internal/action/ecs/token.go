package ecs

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

// How long a token of RunTask is remembered: at most a day, and no longer than its tasks and an hour (ecs.md 1.1.11).
const (
	tokenLife      = 24 * time.Hour
	tokenAfterTask = time.Hour
)

// checkToken refuses a client token that has more than most characters or one that is not visible
// ASCII (ecs.md 1.1.11).
func checkToken(token *string, most int) error {
	s := request.Value(token)
	if len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r < 33 || r > 126 }) {
		return invalid("clientToken may have at most %d printable ASCII characters.", most)
	}
	return nil
}

// reused returns a function for request.Made. It makes the fault for a client token that an earlier
// call used with other parameters; the fault names what that call made.
func reused[T any](token string, arn func(T) string) func([]T) error {
	return func(made []T) error {
		return fault.New(shape.CodeConflictException, "The clientToken %s was used before with other parameters.",
			token).WithDetail("resourceIds", request.Answers(made, arn))
	}
}

// ranBefore returns the tasks that an earlier RunTask with the same token made in the cluster, as long as the token is
// remembered.
func ranBefore(t *state.Tables, c *ecs.Cluster, spec *launch.Spec, now time.Time) ([]*ecs.Task, error) {
	found := t.Tasks.By(state.TasksByClientToken, state.TokenEntry(c.ClusterARN, spec.ClientToken))
	remembered := func(t *ecs.Task) bool {
		return now.Before(t.CreatedAt.Add(tokenLife)) &&
			(t.LastStatus != ecs.Stopped || now.Before(t.StoppedAt.Add(tokenAfterTask)))
	}
	return request.Made(request.Where(found, remembered), spec.ParameterHash,
		func(t *ecs.Task) string { return t.ParameterHash },
		reused(spec.ClientToken, func(t *ecs.Task) string { return t.TaskARN }))
}

// answerReplayed gives all of a task that is still there, and of one that has stopped only that it has.
func answerReplayed(t *state.Tables, task *ecs.Task) shape.Task {
	if task.LastStatus != ecs.Stopped {
		return answerTask(t, task, true)
	}
	return shape.Task{TaskArn: &task.TaskARN, LastStatus: new(string(task.LastStatus)),
		DesiredStatus: new(string(task.DesiredStatus))}
}
