package iam

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createInstanceProfile(
	ctx context.Context, call *awswire.Call, in *shape.CreateInstanceProfileInput,
) (*shape.CreateInstanceProfileOutput, error) {
	p := &role.InstanceProfile{Account: call.Account, Name: *in.InstanceProfileName,
		Path: cmp.Or(request.Value(in.Path), "/"), CreatedAt: call.Now}
	if !role.ValidName(p.Name, 128) || !role.ValidPath(p.Path) {
		return nil, invalid("The instance profile name %q or the path %q is not valid: names have 1 to 128 "+
			"letters, digits and characters of +=,.@-_, paths begin and end with a slash.", p.Name, p.Path)
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	p.Tags = tags
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.InstanceProfiles.Get(p.Key()); ok {
			return exists("Instance Profile %s already exists.", p.Name)
		}
		tx.InstanceProfiles.Put(p)
		return nil
	})
	return &shape.CreateInstanceProfileOutput{InstanceProfile: new(answerProfile(&a.store.View().Tables, p))}, err
}

func findProfile(tables *state.Tables, call *awswire.Call, name *string) (*role.InstanceProfile, error) {
	p, ok := tables.InstanceProfiles.Get(role.Key(call.Account, *name))
	if !ok {
		return nil, noSuchEntity("Instance Profile %s cannot be found.", *name)
	}
	return p, nil
}

func answerProfile(tables *state.Tables, p *role.InstanceProfile) shape.InstanceProfile {
	out := shape.InstanceProfile{Arn: new(p.ARN()), InstanceProfileName: &p.Name,
		InstanceProfileId: new(p.ID()), Path: &p.Path, CreateDate: &p.CreatedAt}
	if r, ok := tables.Roles.Get(role.Key(p.Account, p.RoleName)); ok {
		out.Roles = append(out.Roles, answerRole(r))
	}
	out.Tags = answerTags(p.Tags)
	return out
}

func (a *api) getInstanceProfile(
	_ context.Context, call *awswire.Call, in *shape.GetInstanceProfileInput,
) (*shape.GetInstanceProfileOutput, error) {
	snap := a.store.View()
	p, err := findProfile(&snap.Tables, call, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &shape.GetInstanceProfileOutput{InstanceProfile: new(answerProfile(&snap.Tables, p))}, nil
}

func (a *api) listInstanceProfiles(
	_ context.Context, call *awswire.Call, in *shape.ListInstanceProfilesInput,
) (*shape.ListInstanceProfilesOutput, error) {
	prefix := cmp.Or(request.Value(in.PathPrefix), "/")
	snap := a.store.View()
	list := request.Where(snap.InstanceProfiles.Prefix(role.Key(call.Account, "")),
		func(p *role.InstanceProfile) bool { return strings.HasPrefix(p.Path, prefix) })
	page, next, err := profilePage(&snap.Tables, call, pages.Ask(in.MaxItems, in.Marker), list, prefix)
	return &shape.ListInstanceProfilesOutput{InstanceProfiles: page, IsTruncated: new(next != nil), Marker: next}, err
}

func profilePage(tables *state.Tables, call *awswire.Call, asked request.Asked,
	list iter.Seq[*role.InstanceProfile], bound string) ([]shape.InstanceProfile, *string, error) {
	page, next, err := request.Cut(call, asked, list, func(p *role.InstanceProfile) string { return p.Name }, bound)
	return request.Answers(page, func(p *role.InstanceProfile) shape.InstanceProfile {
		return answerProfile(tables, p)
	}), next, err
}

// profilesOf yields the profiles that carry a role.
func profilesOf(tables *state.Tables, call *awswire.Call, roleName string) iter.Seq[*role.InstanceProfile] {
	return request.Where(tables.InstanceProfiles.Prefix(role.Key(call.Account, "")),
		func(p *role.InstanceProfile) bool { return p.RoleName == roleName })
}

func (a *api) listInstanceProfilesForRole(
	_ context.Context, call *awswire.Call, in *shape.ListInstanceProfilesForRoleInput,
) (*shape.ListInstanceProfilesForRoleOutput, error) {
	snap := a.store.View()
	r, err := find(&snap.Tables, call, in.RoleName)
	if err != nil {
		return nil, err
	}
	page, next, err := profilePage(&snap.Tables, call, pages.Ask(in.MaxItems, in.Marker),
		profilesOf(&snap.Tables, call, r.Name), r.Name)
	return &shape.ListInstanceProfilesForRoleOutput{InstanceProfiles: page, IsTruncated: new(next != nil),
		Marker: next}, err
}

// changeProfile gives fn a copy of a profile to change and to write, or to delete.
func (a *api) changeProfile(
	ctx context.Context, call *awswire.Call, name *string, fn func(*state.Tx, *role.InstanceProfile) error,
) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := findProfile(&tx.Tables, call, name)
		if err != nil {
			return err
		}
		p := *old
		return fn(tx, &p)
	})
}

func (a *api) deleteInstanceProfile(
	ctx context.Context, call *awswire.Call, in *shape.DeleteInstanceProfileInput,
) (*shape.DeleteInstanceProfileOutput, error) {
	return nil, a.changeProfile(ctx, call, in.InstanceProfileName, func(tx *state.Tx, p *role.InstanceProfile) error {
		if p.RoleName != "" {
			return conflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		tx.InstanceProfiles.Delete(p.Key())
		return nil
	})
}

func (a *api) addRoleToInstanceProfile(
	ctx context.Context, call *awswire.Call, in *shape.AddRoleToInstanceProfileInput,
) (*shape.AddRoleToInstanceProfileOutput, error) {
	return nil, a.changeProfile(ctx, call, in.InstanceProfileName, func(tx *state.Tx, p *role.InstanceProfile) error {
		if _, err := find(&tx.Tables, call, in.RoleName); err != nil {
			return err
		}
		if p.RoleName != "" {
			return fault.New(shape.CodeLimitExceeded,
				"Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1").WithStatus(409)
		}
		p.RoleName = *in.RoleName
		tx.InstanceProfiles.Put(p)
		return nil
	})
}

func (a *api) removeRoleFromInstanceProfile(
	ctx context.Context, call *awswire.Call, in *shape.RemoveRoleFromInstanceProfileInput,
) (*shape.RemoveRoleFromInstanceProfileOutput, error) {
	return nil, a.changeProfile(ctx, call, in.InstanceProfileName, func(tx *state.Tx, p *role.InstanceProfile) error {
		if p.RoleName != *in.RoleName {
			return noSuchEntity("The role with name %s cannot be found in instance profile %s.", *in.RoleName, p.Name)
		}
		p.RoleName = ""
		tx.InstanceProfiles.Put(p)
		return nil
	})
}
