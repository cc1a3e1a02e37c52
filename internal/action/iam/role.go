package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createRole(
	ctx context.Context, call *awswire.Call, in *shape.CreateRoleInput,
) (*shape.CreateRoleOutput, error) {
	r := &role.Role{Account: call.Account, Name: *in.RoleName, Path: cmp.Or(request.Value(in.Path), "/"),
		Description: request.Value(in.Description),
		TrustPolicy: *in.AssumeRolePolicyDocument, MaxSessionSeconds: 3600,
		Boundary: request.Value(in.PermissionsBoundary), CreatedAt: call.Now}
	if in.MaxSessionDuration != nil {
		r.MaxSessionSeconds = int(*in.MaxSessionDuration)
	}
	if err := checkRole(r); err != nil {
		return nil, err
	}
	if r.IsLinked() {
		return nil, invalid("The path %s begins with a prefix that is reserved for service-linked roles: "+
			"use CreateServiceLinkedRole.", r.Path)
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
		return invalid("The role name %q is not valid: it has 1 to 64 letters, digits and "+
			"characters of +=,.@-_.", r.Name)
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

func find(tables *state.Tables, call *awswire.Call, name *string) (*role.Role, error) {
	r, ok := tables.Roles.Get(role.Key(call.Account, *name))
	if !ok {
		return nil, noSuchEntity("The role with name %s cannot be found.", *name)
	}
	return r, nil
}

func answerRole(r *role.Role) shape.Role {
	out := shape.Role{Arn: new(r.ARN()), RoleName: &r.Name, Path: &r.Path, RoleId: new(r.ID()),
		CreateDate: &r.CreatedAt, Description: request.Optional(r.Description), Tags: answerTags(r.Tags),
		AssumeRolePolicyDocument: encoded(r.TrustPolicy), MaxSessionDuration: new(int32(r.MaxSessionSeconds))}
	if r.Boundary != "" {
		out.PermissionsBoundary = &shape.AttachedPermissionsBoundary{
			PermissionsBoundaryArn: &r.Boundary, PermissionsBoundaryType: "Policy",
		}
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

func (a *api) listRoles(
	_ context.Context, call *awswire.Call, in *shape.ListRolesInput,
) (*shape.ListRolesOutput, error) {
	prefix := cmp.Or(request.Value(in.PathPrefix), "/")
	snap := a.store.View()
	list := request.Where(snap.Roles.Prefix(role.Key(call.Account, "")),
		func(r *role.Role) bool { return strings.HasPrefix(r.Path, prefix) })
	page, next, err := request.Cut(call, pages.Ask(in.MaxItems, in.Marker), list,
		func(r *role.Role) string { return r.Name }, prefix)
	out := &shape.ListRolesOutput{Roles: request.Answers(page, answerRole), IsTruncated: new(next != nil), Marker: next}
	for i := range out.Roles {
		out.Roles[i].Tags = nil // as AWS: GetRole has them
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

// changeUnlinked is change for what nobody may change of a service-linked role.
func (a *api) changeUnlinked(ctx context.Context, call *awswire.Call, name *string, fn func(*role.Role) error) error {
	return a.change(ctx, call, name, func(r *role.Role) error {
		if err := protected(r); err != nil {
			return err
		}
		return fn(r)
	})
}

func (a *api) updateRole(
	ctx context.Context, call *awswire.Call, in *shape.UpdateRoleInput,
) (*shape.UpdateRoleOutput, error) {
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

func (a *api) updateAssumeRolePolicy(
	ctx context.Context, call *awswire.Call, in *shape.UpdateAssumeRolePolicyInput,
) (*shape.UpdateAssumeRolePolicyOutput, error) {
	return nil, a.changeUnlinked(ctx, call, in.RoleName, func(r *role.Role) error {
		r.TrustPolicy = *in.PolicyDocument
		return policy(r.TrustPolicy)
	})
}

func (a *api) deleteRole(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRoleInput,
) (*shape.DeleteRoleOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		r, err := find(&tx.Tables, call, in.RoleName)
		switch {
		case err != nil:
			return err
		case r.IsLinked():
			return protected(r)
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
	return nil, a.retag(ctx, call, in.RoleName, request.AddTags(&tagRules, request.Tags(in.Tags)))
}

func (a *api) untagRole(
	ctx context.Context, call *awswire.Call, in *shape.UntagRoleInput,
) (*shape.UntagRoleOutput, error) {
	return nil, a.retag(ctx, call, in.RoleName, request.RemoveTags(in.TagKeys...))
}

func (a *api) retag(ctx context.Context, call *awswire.Call, name *string, change request.Change) error {
	return a.change(ctx, call, name, func(r *role.Role) (err error) {
		r.Tags, err = change(r.Tags)
		return err
	})
}

func (a *api) listRoleTags(
	_ context.Context, call *awswire.Call, in *shape.ListRoleTagsInput,
) (*shape.ListRoleTagsOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, next, err := request.Cut(call, pages.Ask(in.MaxItems, in.Marker), slices.Values(answerTags(r.Tags)),
		func(t shape.Tag) string { return *t.Key }, r.Name)
	return &shape.ListRoleTagsOutput{Tags: tags, IsTruncated: new(next != nil), Marker: next}, err
}
