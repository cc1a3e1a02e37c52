package launch

import (
	"cmp"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

// MissingRole returns the task role or the execution role of a task of the given definition and
// overrides when the account has no such role, or "".
//
// ECS does not look at roles when a definition is registered. It assumes them when a task starts.
func MissingRole(t *state.Tables, account string, d *ecs.TaskDefinition, o ecs.Overrides) string {
	for _, r := range []string{cmp.Or(o.TaskRoleARN, d.TaskRoleARN), cmp.Or(o.ExecutionRoleARN, d.ExecutionRoleARN)} {
		if r != "" && !roleExists(t, account, r) {
			return r
		}
	}
	return ""
}

// roleExists reports whether an account has the role of an ARN or a name.
func roleExists(t *state.Tables, account, nameOrARN string) bool {
	found, ok := t.Roles.Get(role.Key(account, arn.LastID(nameOrARN)))
	return ok && (!arn.Is(nameOrARN) || found.ARN() == nameOrARN)
}
