package ecr

import (
	"context"
	"encoding/json"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createRepository(
	ctx context.Context, call *awswire.Call, in *shape.CreateRepositoryInput,
) (*shape.CreateRepositoryOutput, error) {
	r, err := parseRepository(call, in)
	if err != nil {
		return nil, err
	}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Repositories.Get(r.ARN); ok {
			return fault.New(shape.CodeRepositoryAlreadyExistsException,
				"The repository with name '%s' already exists in the registry with id '%s'", r.Name, r.Account)
		}
		tx.Repositories.Put(r)
		return nil
	})
	return &shape.CreateRepositoryOutput{Repository: new(answerRepository(r))}, err
}

func parseRepository(call *awswire.Call, in *shape.CreateRepositoryInput) (*repository.Repository, error) {
	if err := repository.ValidateName(*in.RepositoryName); err != nil {
		return nil, err
	}
	if id := account(call, in.RegistryId); id != call.Account {
		return nil, invalid("A repository can only be created in the caller's own registry, which has the "+
			"id %s and not %s.", call.Account, id)
	}
	r := repository.New(call.Region, call.Account, *in.RepositoryName, call.Now)
	if in.ImageTagMutability != "" {
		if err := checkMutability(in.ImageTagMutability); err != nil {
			return nil, err
		}
		r.TagMutability = in.ImageTagMutability
	}
	if s := in.ImageScanningConfiguration; s != nil {
		r.ScanOnPush = request.Value(s.ScanOnPush)
	}
	if e := in.EncryptionConfiguration; e != nil {
		r.EncryptionType = e.EncryptionType
		r.KMSKey = request.Value(e.KmsKey)
	}
	tags, err := tagRules.New(request.Tags(in.Tags))
	r.Tags = tags
	return r, err
}

func checkMutability(m string) error {
	if m != repository.Mutable && m != repository.Immutable {
		return invalid("imageTagMutability %s is not supported by Berth; use MUTABLE or IMMUTABLE.", m)
	}
	return nil
}

func answerRepository(r *repository.Repository) shape.Repository {
	return shape.Repository{
		RepositoryArn: &r.ARN, RepositoryName: &r.Name, RepositoryUri: new(r.URI()), RegistryId: &r.Account,
		CreatedAt:                  &r.CreatedAt,
		ImageTagMutability:         r.TagMutability,
		ImageScanningConfiguration: &shape.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush},
		EncryptionConfiguration: &shape.EncryptionConfiguration{
			EncryptionType: r.EncryptionType, KmsKey: request.Optional(r.KMSKey),
		},
	}
}

func (a *api) describeRepositories(
	_ context.Context, call *awswire.Call, in *shape.DescribeRepositoriesInput,
) (*shape.DescribeRepositoriesOutput, error) {
	snap, id := a.store.View(), account(call, in.RegistryId)
	out := &shape.DescribeRepositoriesOutput{}
	if len(in.RepositoryNames) > 0 {
		for _, name := range in.RepositoryNames {
			r, err := repo(&snap.Tables, call, in.RegistryId, &name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, answerRepository(r))
		}
		return out, nil
	}
	found, next, err := request.Cut(call, pages.Ask(in.MaxResults, in.NextToken),
		snap.Repositories.Prefix(repository.ARN(call.Region, id, "")),
		func(r *repository.Repository) string { return r.Name }, id)
	out.Repositories, out.NextToken = request.Answers(found, answerRepository), next
	return out, err
}

var pages = request.Pages{Default: 100, Least: 1, Most: 1000, Refuse: func(_, least, most int32) error {
	return repository.Unsatisfied("maxResults", "Member must have value between %d and %d", least, most)
}}

func (a *api) deleteRepository(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRepositoryInput,
) (*shape.DeleteRepositoryOutput, error) {
	var gone *repository.Repository
	err := a.store.Update(ctx, func(tx *state.Tx) (err error) {
		if gone, err = repo(&tx.Tables, call, in.RegistryId, in.RepositoryName); err != nil {
			return err
		}
		for img := range tx.Images.Prefix(repository.ImageKey(gone.ARN, "")) {
			if !request.Value(in.Force) {
				return fault.New(shape.CodeRepositoryNotEmptyException,
					"The repository with name '%s' in registry with id '%s' cannot be deleted because it "+
						"still contains images", gone.Name, gone.Account)
			}
			tx.Images.Delete(img.Key())
		}
		tx.Repositories.Delete(gone.ARN)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteRepositoryOutput{Repository: new(answerRepository(gone))}, nil
}

func (a *api) describeRegistry(
	_ context.Context, call *awswire.Call, _ *shape.DescribeRegistryInput,
) (*shape.DescribeRegistryOutput, error) {
	return &shape.DescribeRegistryOutput{RegistryId: &call.Account,
		ReplicationConfiguration: &shape.ReplicationConfiguration{}}, nil
}

// change writes a changed copy of a repository and returns it.
func (a *api) change(
	ctx context.Context, call *awswire.Call, registryID, name *string, fn func(*repository.Repository) error,
) (*repository.Repository, error) {
	var changed *repository.Repository
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := repo(&tx.Tables, call, registryID, name)
		if err != nil {
			return err
		}
		changed = old.Clone()
		if err := fn(changed); err != nil {
			return err
		}
		tx.Repositories.Put(changed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

func (a *api) putImageTagMutability(
	ctx context.Context, call *awswire.Call, in *shape.PutImageTagMutabilityInput,
) (*shape.PutImageTagMutabilityOutput, error) {
	if err := checkMutability(in.ImageTagMutability); err != nil {
		return nil, err
	}
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		r.TagMutability = in.ImageTagMutability
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutImageTagMutabilityOutput{
		ImageTagMutability: r.TagMutability, RegistryId: &r.Account, RepositoryName: &r.Name,
	}, nil
}

func (a *api) putImageScanningConfiguration(
	ctx context.Context, call *awswire.Call, in *shape.PutImageScanningConfigurationInput,
) (*shape.PutImageScanningConfigurationOutput, error) {
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		r.ScanOnPush = request.Value(in.ImageScanningConfiguration.ScanOnPush)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutImageScanningConfigurationOutput{RegistryId: &r.Account, RepositoryName: &r.Name,
		ImageScanningConfiguration: &shape.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush}}, nil
}

func (a *api) setRepositoryPolicy(
	ctx context.Context, call *awswire.Call, in *shape.SetRepositoryPolicyInput,
) (*shape.SetRepositoryPolicyOutput, error) {
	if !json.Valid([]byte(*in.PolicyText)) {
		return nil, repository.Unsatisfied("PolicyText", "Invalid repository policy provided")
	}
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		r.Policy = *in.PolicyText
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.SetRepositoryPolicyOutput{PolicyText: &r.Policy, RegistryId: &r.Account, RepositoryName: &r.Name}, nil
}

func noPolicy(r *repository.Repository) error {
	return fault.New(shape.CodeRepositoryPolicyNotFoundException, "Repository policy does not exist for %s", where(r))
}

func (a *api) getRepositoryPolicy(
	_ context.Context, call *awswire.Call, in *shape.GetRepositoryPolicyInput,
) (*shape.GetRepositoryPolicyOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if r.Policy == "" {
		return nil, noPolicy(r)
	}
	return &shape.GetRepositoryPolicyOutput{PolicyText: &r.Policy, RegistryId: &r.Account, RepositoryName: &r.Name}, nil
}

func (a *api) deleteRepositoryPolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRepositoryPolicyInput,
) (*shape.DeleteRepositoryPolicyOutput, error) {
	var old string
	r, err := a.change(ctx, call, in.RegistryId, in.RepositoryName, func(r *repository.Repository) error {
		if old = r.Policy; old == "" {
			return noPolicy(r)
		}
		r.Policy = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteRepositoryPolicyOutput{PolicyText: &old, RegistryId: &r.Account, RepositoryName: &r.Name}, nil
}
