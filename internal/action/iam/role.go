package iam

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createRole(ctx context.Context, call *awswire.Call, in *shape.CreateRoleInput) (*shape.CreateRoleOutput, error) {
	r := &role.Role{Account: call.Account, Name: *in.RoleName, Path: cmp.Or(deref(in.Path), "/"), Description: deref(in.Description),
		TrustPolicy: *in.AssumeRolePolicyDocument, MaxSessionSeconds: 3600, Boundary: deref(in.PermissionsBoundary), CreatedAt: call.Now}
	if in.MaxSessionDuration != nil {
		r.MaxSessionSeconds = int(*in.MaxSessionDuration)
	}
	if err := checkRole(r); err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	r.Tags = tags
	return &shape.CreateRoleOutput{Role: new(answerRole(r))}, a.putNew(ctx, r)
}

func checkRole(r *role.Role) error {
	switch {
	case !role.ValidName(r.Name, 64):
		return invalid("The role name %q is not valid: it has 1 to 64 letters, digits and characters of +=,.@-_.", r.Name)
	case !role.ValidPath(r.Path):
		return invalid("The path %q is not valid: it begins and ends with a slash.", r.Path)
	case r.MaxSessionSeconds < 3600 || r.MaxSessionSeconds > 43200:
		return invalid("MaxSessionDuration %d is not between 3600 and 43200.", r.MaxSessionSeconds)
	}
	return policy(r.TrustPolicy)
}

func (a *api) putNew(ctx context.Context, r *role.Role) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Roles.Get(r.Key()); ok {
			return exists("Role with name %s already exists.", r.Name)
		}
		tx.Roles.Put(r)
		return nil
	})
}

// linked are the service-linked roles that ECS stacks use.
var linked = map[string]string{
	"ecs.amazonaws.com":                         "AWSServiceRoleForECS",
	"autoscaling.amazonaws.com":                 "AWSServiceRoleForAutoScaling",
	"elasticloadbalancing.amazonaws.com":        "AWSServiceRoleForElasticLoadBalancing",
	"elasticache.amazonaws.com":                 "AWSServiceRoleForElastiCache",
	"ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
}

func (a *api) createServiceLinkedRole(ctx context.Context, call *awswire.Call, in *shape.CreateServiceLinkedRoleInput) (*shape.CreateServiceLinkedRoleOutput, error) {
	name, ok := linked[*in.AWSServiceName]
	if !ok {
		return nil, invalid("Berth has no service-linked role for %s; it has those of %s.", *in.AWSServiceName, strings.Join(slices.Sorted(maps.Keys(linked)), ", "))
	}
	if in.CustomSuffix != nil {
		name += "_" + *in.CustomSuffix
	}
	r := &role.Role{Account: call.Account, Name: name, Path: "/aws-service-role/" + *in.AWSServiceName + "/", Description: deref(in.Description), MaxSessionSeconds: 3600,
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + *in.AWSServiceName + `"},"Action":"sts:AssumeRole"}]}`,
		CreatedAt:   call.Now}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Roles.Get(r.Key()); ok {
			return invalid("Service role name %s has been taken in this account, please try a different suffix.", r.Name)
		}
		tx.Roles.Put(r)
		return nil
	})
	return &shape.CreateServiceLinkedRoleOutput{Role: new(answerRole(r))}, err
}

func find(tables *state.Tables, call *awswire.Call, name *string) (*role.Role, error) {
	r, ok := tables.Roles.Get(role.Key(call.Account, *name))
	if !ok {
		return nil, noSuchEntity("The role with name %s cannot be found.", *name)
	}
	return r, nil
}

func answerRole(r *role.Role) shape.Role {
	out := shape.Role{Arn: new(r.ARN()), RoleName: &r.Name, Path: &r.Path, RoleId: new(r.ID()), CreateDate: &r.CreatedAt,
		AssumeRolePolicyDocument: encoded(r.TrustPolicy), MaxSessionDuration: new(int32(r.MaxSessionSeconds))}
	if r.Description != "" {
		out.Description = &r.Description
	}
	if r.Boundary != "" {
		out.PermissionsBoundary = &shape.AttachedPermissionsBoundary{PermissionsBoundaryArn: &r.Boundary, PermissionsBoundaryType: "Policy"}
	}
	if len(r.Tags) > 0 {
		out.Tags = answerTags(r.Tags)
	}
	return out
}

func (a *api) getRole(_ context.Context, call *awswire.Call, in *shape.GetRoleInput) (*shape.GetRoleOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	out := answerRole(r)
	out.RoleLastUsed = &shape.RoleLastUsed{}
	return &shape.GetRoleOutput{Role: &out}, nil
}

func (a *api) listRoles(_ context.Context, call *awswire.Call, in *shape.ListRolesInput) (*shape.ListRolesOutput, error) {
	prefix := cmp.Or(deref(in.PathPrefix), "/")
	snap := a.store.View()
	list := func(yield func(*role.Role) bool) {
		for r := range snap.Roles.Prefix(role.Key(call.Account, "")) {
			if strings.HasPrefix(r.Path, prefix) && !yield(r) {
				return
			}
		}
	}
	page, truncated, next, err := cut(call, in.Marker, in.MaxItems, list, func(r *role.Role) string { return r.Name }, prefix)
	out := &shape.ListRolesOutput{Roles: []shape.Role{}, IsTruncated: truncated, Marker: next}
	for _, r := range page {
		answer := answerRole(r)
		answer.Tags = nil // as AWS: GetRole has them
		out.Roles = append(out.Roles, answer)
	}
	return out, err
}

// change writes a changed copy of a role.
func (a *api) change(ctx context.Context, call *awswire.Call, name *string, fn func(*role.Role) error) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := find(&tx.Tables, call, name)
		if err != nil {
			return err
		}
		r := old.Clone()
		if err := fn(r); err != nil {
			return err
		}
		tx.Roles.Put(r)
		return nil
	})
}

func (a *api) updateRole(ctx context.Context, call *awswire.Call, in *shape.UpdateRoleInput) (*shape.UpdateRoleOutput, error) {
	return nil, a.change(ctx, call, in.RoleName, func(r *role.Role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSessionSeconds = int(*in.MaxSessionDuration)
		}
		return checkRole(r)
	})
}

func (a *api) updateAssumeRolePolicy(ctx context.Context, call *awswire.Call, in *shape.UpdateAssumeRolePolicyInput) (*shape.UpdateAssumeRolePolicyOutput, error) {
	return nil, a.change(ctx, call, in.RoleName, func(r *role.Role) error {
		r.TrustPolicy = *in.PolicyDocument
		return policy(r.TrustPolicy)
	})
}

func (a *api) deleteRole(ctx context.Context, call *awswire.Call, in *shape.DeleteRoleInput) (*shape.DeleteRoleOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		r, err := find(&tx.Tables, call, in.RoleName)
		switch {
		case err != nil:
			return err
		case len(r.Attached) > 0:
			return conflict("Cannot delete entity, must detach all policies first.")
		case len(r.Inline) > 0:
			return conflict("Cannot delete entity, must delete policies first.")
		}
		for range profilesOf(&tx.Tables, call, r.Name) {
			return conflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		tx.Roles.Delete(r.Key())
		return nil
	})
}

func (a *api) tagRole(ctx context.Context, call *awswire.Call, in *shape.TagRoleInput) (*shape.TagRoleOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, call, in.RoleName, func(r *role.Role) error {
		maps.Copy(r.Tags, tags)
		return checkCount(r.Tags)
	})
}

func (a *api) untagRole(ctx context.Context, call *awswire.Call, in *shape.UntagRoleInput) (*shape.UntagRoleOutput, error) {
	return nil, a.change(ctx, call, in.RoleName, func(r *role.Role) error {
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
		return nil
	})
}

func (a *api) listRoleTags(_ context.Context, call *awswire.Call, in *shape.ListRoleTagsInput) (*shape.ListRoleTagsOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, truncated, next, err := cut(call, in.Marker, in.MaxItems, slices.Values(answerTags(r.Tags)), func(t shape.Tag) string { return *t.Key }, r.Name)
	return &shape.ListRoleTagsOutput{Tags: tags, IsTruncated: truncated, Marker: next}, err
}
