package ecr

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/repository"
)

// putLifecyclePolicy stores a policy, which the registry carries out within hours, as on AWS.
func (a *api) putLifecyclePolicy(
	ctx context.Context, call *awswire.Call, in *shape.PutLifecyclePolicyInput,
) (*shape.PutLifecyclePolicyOutput, error) {
	if _, err := repository.ParseLifecycle(*in.LifecyclePolicyText); err != nil {
		return nil, repository.Unsatisfied("LifecyclePolicyText", "Lifecycle policy validation failure: %v", err)
	}
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		r.LifecyclePolicy = *in.LifecyclePolicyText
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutLifecyclePolicyOutput{
		LifecyclePolicyText: &r.LifecyclePolicy, RegistryId: &r.Account, RepositoryName: &r.Name,
	}, nil
}

func noLifecycle(r *repository.Repository) error {
	return fault.New(shape.CodeLifecyclePolicyNotFoundException, "Lifecycle policy does not exist for %s", where(r))
}

func (a *api) getLifecyclePolicy(
	_ context.Context, call *awswire.Call, in *shape.GetLifecyclePolicyInput,
) (*shape.GetLifecyclePolicyOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if r.LifecyclePolicy == "" {
		return nil, noLifecycle(r)
	}
	return &shape.GetLifecyclePolicyOutput{
		LifecyclePolicyText: &r.LifecyclePolicy, RegistryId: &r.Account, RepositoryName: &r.Name,
	}, nil
}

func (a *api) deleteLifecyclePolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLifecyclePolicyInput,
) (*shape.DeleteLifecyclePolicyOutput, error) {
	var old string
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		if old = r.LifecyclePolicy; old == "" {
			return noLifecycle(r)
		}
		r.LifecyclePolicy = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteLifecyclePolicyOutput{
		LifecyclePolicyText: &old, RegistryId: &r.Account, RepositoryName: &r.Name,
	}, nil
}
