package launch

import (
	"cmp"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

// MissingRole returns the task role or execution role that a task would need and the account does
// not have, or "".
//
// ECS does not look at roles when a definition is registered, but assumes them when a task starts.
func MissingRole(t *state.Tables, account string, d *ecs.TaskDefinition, o ecs.Overrides) string {
	for _, r := range []string{cmp.Or(o.TaskRoleARN, d.TaskRoleARN), cmp.Or(o.ExecutionRoleARN, d.ExecutionRoleARN)} {
		if r != "" && !HasRole(t, account, r) {
			return r
		}
	}
	return ""
}

// CannotAssume returns ECS's text for a task that cannot be started because its role cannot be
// assumed.
func CannotAssume(role string) string {
	return "ECS was unable to assume the role '" + role + "' that was provided for this task. " +
		"Please verify that the role being passed has the proper trust relationship and permissions " +
		"and that your IAM user has permissions to pass this role."
}

// HasRole reports whether an account has the role with a name or ARN.
func HasRole(t *state.Tables, account, nameOrARN string) bool {
	found, ok := t.Roles.Get(role.Key(account, arn.LastID(nameOrARN)))
	return ok && (!arn.Is(nameOrARN) || found.ARN() == nameOrARN)
}

// LinkRole creates the role of an AWS service in an account if it does not exist. AWS does so when
// the service is first used.
func LinkRole(tx *state.Tx, account, service string, now time.Time) {
	r, ok := role.NewLinked(account, service, "", now)
	if _, there := tx.Roles.Get(r.Key()); ok && !there {
		tx.Roles.Put(r)
	}
}
