package iam

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createServiceLinkedRole(
	ctx context.Context, call *awswire.Call, in *shape.CreateServiceLinkedRoleInput,
) (*shape.CreateServiceLinkedRoleOutput, error) {
	service, suffix := *in.AWSServiceName, request.Value(in.CustomSuffix)
	r, ok := role.NewLinked(call.Account, service, suffix, call.Now)
	switch {
	case !ok:
		return nil, badInput("Berth has no service-linked role for %s; it has those of %s.", service,
			strings.Join(role.LinkedServices(), ", "))
	case suffix != "" && service != role.ServiceAutoScaling:
		return nil, badInput("Custom suffix is not allowed for %s", service)
	case !role.ValidName(r.Name, 64):
		return nil, invalid("The role name %q is not valid: it has 1 to 64 letters, digits and "+
			"characters of +=,.@-_.", r.Name)
	}
	r.Description = request.Value(in.Description)
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Roles.Get(r.Key()); ok {
			return badInput(
				"Service role name %s has been taken in this account, please try a different suffix.", r.Name)
		}
		tx.Roles.Put(r)
		return nil
	})
	return &shape.CreateServiceLinkedRoleOutput{Role: new(answerRole(r))}, err
}

func badInput(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidInput, format, args...)
}

// protected refuses to change a role that belongs to an AWS service.
func protected(r *role.Role) error {
	if !r.IsLinked() {
		return nil
	}
	return fault.New(shape.CodeUnmodifiableEntity,
		"Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name)
}

// deletionTask begins the id of a deletion, after which come the role's path and name and a UUID.
const deletionTask = "task"

func (a *api) deleteServiceLinkedRole(
	ctx context.Context, call *awswire.Call, in *shape.DeleteServiceLinkedRoleInput,
) (*shape.DeleteServiceLinkedRoleOutput, error) {
	var path string
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		r, err := find(&tx.Tables, call, in.RoleName)
		if err != nil {
			return err
		}
		if !r.IsLinked() {
			return badInput("The role %s is not a service-linked role. DeleteRole deletes it.", r.Name)
		}
		path = r.Path + r.Name
		if len(users(&tx.Tables, r)) == 0 {
			tx.Roles.Delete(r.Key())
		}
		return nil
	})
	return &shape.DeleteServiceLinkedRoleOutput{DeletionTaskId: new(deletionTask + path + "/" + call.RequestID)}, err
}

// getDeletionStatus answers from what is true now: a deletion ends at once, by the role's end or
// because the role is in use.
func (a *api) getDeletionStatus(
	_ context.Context, call *awswire.Call, in *shape.GetServiceLinkedRoleDeletionStatusInput,
) (*shape.GetServiceLinkedRoleDeletionStatusOutput, error) {
	parts := strings.Split(*in.DeletionTaskId, "/")
	if len(parts) != 5 || parts[0] != deletionTask || parts[1] != "aws-service-role" {
		return nil, noSuchEntity("The deletion task %s cannot be found.", *in.DeletionTaskId)
	}
	t := &a.store.View().Tables
	r, ok := t.Roles.Get(role.Key(call.Account, parts[3]))
	var used []string
	if ok {
		used = users(t, r)
	}
	if len(used) == 0 {
		return &shape.GetServiceLinkedRoleDeletionStatusOutput{Status: "SUCCEEDED"}, nil
	}
	return &shape.GetServiceLinkedRoleDeletionStatusOutput{Status: "FAILED",
		Reason: &shape.DeletionTaskFailureReasonType{
			Reason:        new("A service-linked role cannot be deleted while resources use it."),
			RoleUsageList: []shape.RoleUsageType{{Resources: used}},
		}}, nil
}

// users are the ARNs of what works with a service-linked role.
func users(t *state.Tables, r *role.Role) []string {
	var arns []string
	switch strings.TrimSuffix(strings.TrimPrefix(r.Path, "/aws-service-role/"), "/") {
	case role.ServiceECS:
		for c := range t.Clusters.All() {
			if arn.Account(c.ClusterARN) == r.Account && c.Status == ecs.ClusterActive {
				arns = append(arns, c.ClusterARN)
			}
		}
	case role.ServiceAutoScaling:
		for g := range t.AutoScalingGroups.All() {
			if g.ServiceRole == r.ARN() {
				arns = append(arns, g.ARN())
			}
		}
	case role.ServiceAppScaling:
		for s := range t.ScalableTargets.All() {
			if s.Account == r.Account {
				arns = append(arns, s.ARN())
			}
		}
	case role.ServiceELB:
		for lb := range t.LoadBalancers.All() {
			if arn.Account(lb.ARN) == r.Account {
				arns = append(arns, lb.ARN)
			}
		}
	case role.ServiceElastiCache:
		for c := range t.CacheClusters.All() {
			if c.Account == r.Account {
				arns = append(arns, c.ARN)
			}
		}
	}
	return arns
}
