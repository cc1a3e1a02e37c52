package iam

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/role"
)

// attachRolePolicy takes the ARN of any managed policy: Berth has none of its own, and evaluates none.
func (a *api) attachRolePolicy(
	ctx context.Context, call *awswire.Call, in *shape.AttachRolePolicyInput,
) (*shape.AttachRolePolicyOutput, error) {
	if p, err := arn.Parse(*in.PolicyArn); err != nil || p.Service != "iam" || p.Type() != "policy" {
		return nil, invalid("ARN %s is not valid.", *in.PolicyArn)
	}
	return nil, a.changeUnlinked(ctx, call, in.RoleName, func(r *role.Role) error {
		if !slices.Contains(r.Attached, *in.PolicyArn) {
			r.Attached = append(r.Attached, *in.PolicyArn)
		}
		return nil
	})
}

func (a *api) detachRolePolicy(
	ctx context.Context, call *awswire.Call, in *shape.DetachRolePolicyInput,
) (*shape.DetachRolePolicyOutput, error) {
	return nil, a.changeUnlinked(ctx, call, in.RoleName, func(r *role.Role) error {
		i := slices.Index(r.Attached, *in.PolicyArn)
		if i < 0 {
			return noSuchEntity("Policy %s was not found.", *in.PolicyArn)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

func (a *api) listAttachedRolePolicies(
	_ context.Context, call *awswire.Call, in *shape.ListAttachedRolePoliciesInput,
) (*shape.ListAttachedRolePoliciesOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	prefix := cmp.Or(request.Value(in.PathPrefix), "/")
	list := request.Where(slices.Values(slices.Sorted(slices.Values(r.Attached))), func(p string) bool {
		_, path, _ := strings.Cut(p, ":policy")
		return strings.HasPrefix(path, prefix)
	})
	page, next, err := request.Cut(call, pages.Ask(in.MaxItems, in.Marker), list, request.Itself, r.Name, prefix)
	return &shape.ListAttachedRolePoliciesOutput{IsTruncated: new(next != nil), Marker: next,
		AttachedPolicies: request.Answers(page, func(p string) shape.AttachedPolicy {
			return shape.AttachedPolicy{PolicyArn: &p, PolicyName: new(arn.LastID(p))}
		})}, err
}

func (a *api) putRolePolicy(
	ctx context.Context, call *awswire.Call, in *shape.PutRolePolicyInput,
) (*shape.PutRolePolicyOutput, error) {
	if !role.ValidName(*in.PolicyName, 128) {
		return nil, invalid("The policy name %q is not valid: it has 1 to 128 letters, digits and "+
			"characters of +=,.@-_.", *in.PolicyName)
	}
	if err := policy(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, a.changeUnlinked(ctx, call, in.RoleName, func(r *role.Role) error {
		r.Inline[*in.PolicyName] = *in.PolicyDocument
		return nil
	})
}

func noPolicy(name *string) error {
	return noSuchEntity("The role policy with name %s cannot be found.", *name)
}

func (a *api) getRolePolicy(
	_ context.Context, call *awswire.Call, in *shape.GetRolePolicyInput,
) (*shape.GetRolePolicyOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	text, ok := r.Inline[*in.PolicyName]
	if !ok {
		return nil, noPolicy(in.PolicyName)
	}
	return &shape.GetRolePolicyOutput{RoleName: &r.Name, PolicyName: in.PolicyName, PolicyDocument: encoded(text)}, nil
}

func (a *api) deleteRolePolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRolePolicyInput,
) (*shape.DeleteRolePolicyOutput, error) {
	return nil, a.changeUnlinked(ctx, call, in.RoleName, func(r *role.Role) error {
		if _, ok := r.Inline[*in.PolicyName]; !ok {
			return noPolicy(in.PolicyName)
		}
		delete(r.Inline, *in.PolicyName)
		return nil
	})
}

func (a *api) listRolePolicies(
	_ context.Context, call *awswire.Call, in *shape.ListRolePoliciesInput,
) (*shape.ListRolePoliciesOutput, error) {
	r, err := find(&a.store.View().Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	names, next, err := request.Page(call, pages.Ask(in.MaxItems, in.Marker), slices.Collect(maps.Keys(r.Inline)),
		request.Itself, r.Name)
	return &shape.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: new(next != nil), Marker: next}, err
}
