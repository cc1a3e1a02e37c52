package ecs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// How long a token of RunTask is remembered: at most a day, and no longer than its tasks and an hour (ecs.md 1.1.11).
const (
	tokenLife      = 24 * time.Hour
	tokenAfterTask = time.Hour
)

// hashOf is the same for inputs, or parts of them, that ask for the same.
func hashOf(in any) string {
	doc, _ := json.Marshal(in) // shapes are plain structs
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// reused refuses a client token that came before with other parameters, and says what that call made.
func reused(token string, made []string) error {
	return fault.New(shape.CodeConflictException, "The clientToken %s was used before with other parameters.", token).WithDetail("resourceIds", made)
}

// runTaskToken checks the client token of a RunTask and gives the row it is remembered by; nil if there is none.
func runTaskToken(call *awswire.Call, c *ecs.Cluster, in *shape.RunTaskInput) (*ecs.Token, error) {
	switch token := deref(in.ClientToken); {
	case token == "":
		return nil, nil
	case !printable(token, 64):
		return nil, invalid("clientToken may have at most 64 printable ASCII characters.")
	default:
		return &ecs.Token{ClusterARN: c.ClusterARN, Action: "RunTask", ClientToken: token, ParameterHash: hashOf(in), ExpiresAt: call.Now.Add(tokenLife)}, nil
	}
}

// printable reports whether s has at most n characters, all of them ASCII that can be seen.
func printable(s string, n int) bool {
	for _, r := range s {
		if r < 33 || r > 126 {
			return false
		}
	}
	return len(s) <= n
}

// replay answers a repeated RunTask with what became of the first one's tasks. done is false when the token is new or forgotten.
func replay(t *state.Tables, token *ecs.Token, now time.Time, out *shape.RunTaskOutput) (done bool, err error) {
	old, ok := t.Tokens.Get(token.Key())
	if !ok || !old.ExpiresAt.After(now) {
		return false, nil
	}
	var known []*ecs.Task
	for _, key := range old.ARNs {
		if task, ok := t.Tasks.Get(key); ok && (task.LastStatus != ecs.Stopped || now.Before(task.StoppedAt.Add(tokenAfterTask))) {
			known = append(known, task)
		}
	}
	if len(known) == 0 {
		return false, nil
	}
	if old.ParameterHash != token.ParameterHash {
		return false, reused(token.ClientToken, old.ARNs)
	}
	for _, task := range known {
		out.Tasks = append(out.Tasks, answerReplayed(t, task))
	}
	return true, nil
}

// answerReplayed gives all of a task that is still there, and of one that has stopped only that it has.
func answerReplayed(t *state.Tables, task *ecs.Task) shape.Task {
	if task.LastStatus != ecs.Stopped {
		return answerTask(t, task, true)
	}
	return shape.Task{TaskArn: &task.TaskARN, LastStatus: new(string(task.LastStatus)), DesiredStatus: new(string(task.DesiredStatus))}
}
