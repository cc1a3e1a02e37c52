package dispatch

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

// A role's credentials are valid for credentialsLife. They are renewed early enough that no
// container has credentials that are about to expire.
const (
	credentialsLife  = 6 * time.Hour
	credentialsRenew = 5 * time.Hour
)

// renewBackoff returns the delays after renewals that failed.
func renewBackoff() acs.Backoff {
	return acs.Backoff{First: 5 * time.Second, Most: 5 * time.Minute, Factor: 2}
}

// renewal is when a task's credentials will be renewed, and how often that has failed in a row.
type renewal struct {
	due      time.Time
	failures int
}

// next returns the renewal that follows one at now, which may have failed.
func (r renewal) next(now time.Time, failed bool) renewal {
	if !failed {
		return renewal{due: now.Add(credentialsRenew)}
	}
	return renewal{due: now.Add(renewBackoff().Wait(r.failures, 0)), failures: r.failures + 1}
}

// roles returns the task role and the execution role, as ARNs; "" for none.
func roles(t *ecs.Task, def *ecs.TaskDefinition) (task, execution string) {
	return roleARN(t, cmp.Or(t.Overrides.TaskRoleARN, def.TaskRoleARN)),
		roleARN(t, cmp.Or(t.Overrides.ExecutionRoleARN, def.ExecutionRoleARN))
}

// roleARN returns the ARN of a role that may be given by name.
func roleARN(t *ecs.Task, role string) string {
	if role == "" || arn.Is(role) {
		return role
	}
	a, err := arn.Parse(t.TaskARN)
	if err != nil {
		return ""
	}
	return arn.New("iam", "", a.Account, "role/"+role).String()
}

func (s *session) mint(role, id string, t *ecs.Task, now time.Time) (*acs.RoleCredentials, error) {
	if role == "" || id == "" {
		return nil, nil
	}
	c, err := s.d.cfg.Minter.Mint(role, arn.LastID(t.TaskARN), now.Add(credentialsLife).Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return &acs.RoleCredentials{
		ID: id, RoleARN: role, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey,
		SessionToken: c.SessionToken,
		Expiration:   c.Expiration.UTC().Format(time.RFC3339),
	}, nil
}

// addCredentials adds the credentials of both roles to a payload.
func (s *session) addCredentials(task *acs.Task, t *ecs.Task, def *ecs.TaskDefinition, now time.Time) (err error) {
	if missing := launch.MissingRole(&s.d.cfg.Store.View().Tables, arn.Account(t.TaskARN), def,
		t.Overrides); missing != "" {
		return errors.New(launch.CannotAssume(missing))
	}
	role, execution := roles(t, def)
	if task.RoleCredentials, err = s.mint(role, t.CredentialsID, t, now); err != nil {
		return err
	}
	task.ExecutionRoleCredentials, err = s.mint(execution, t.ExecutionCredentialsID, t, now)
	s.renewals[t.TaskARN] = renewal{due: now.Add(credentialsRenew)}
	return err
}

// renewCredentials sends new credentials when they are due: before the old ones expire, and at once
// to an agent that reports it has none (ecs-agent.md 8). It returns when they are due next.
func (s *session) renewCredentials(
	ctx context.Context, snap *state.Snapshot, t *ecs.Task, sentNow string, now time.Time,
) (time.Time, error) {
	last, known := s.renewals[t.TaskARN]
	due := last.due
	switch {
	case t.CredentialsID == "" && t.ExecutionCredentialsID == "" || sentNow == acs.DesiredRunning || !reported(t):
		return time.Time{}, nil // a missing report arrives as a change, which calls this again
	case !known && !s.hello.sendCredentials:
		// An earlier session sent them. They are valid for an hour after the renewal was due,
		// whenever that was.
		due = now.Add(credentialsLife - credentialsRenew)
		s.renewals[t.TaskARN] = renewal{due: due}
		return due, nil
	case known && now.Before(due):
		return due, nil
	}
	def, ok := snap.TaskDefinitions.Get(t.TaskDefinitionARN)
	if !ok {
		return time.Time{}, nil
	}
	failed := false
	role, execution := roles(t, def)
	for _, r := range []struct{ kind, arn, id string }{
		{acs.RoleTypeTask, role, t.CredentialsID}, {acs.RoleTypeExecution, execution, t.ExecutionCredentialsID},
	} {
		c, err := s.mint(r.arn, r.id, t, now)
		if err != nil || c == nil {
			if failed = failed || err != nil; err != nil {
				s.log.Error("credentials could not be renewed", "task", t.TaskARN, "error", err)
			}
			continue
		}
		m := &acs.RoleCredentialsUpdate{MessageID: messageID(), TaskARN: t.TaskARN, ClusterARN: t.ClusterARN,
			RoleType: r.kind, Credentials: c}
		if err := s.write(ctx, m); err != nil {
			return due, err
		}
	}
	s.renewals[t.TaskARN] = last.next(now, failed)
	return s.renewals[t.TaskARN].due, nil
}
