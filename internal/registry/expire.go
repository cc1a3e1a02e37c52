package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

// Expire removes the images that expire by their repositories' lifecycle policies, and returns how many. A
// later Sweep removes their content. If one policy cannot be carried out, the others still are; the error joins
// all failures.
func (r *Registry) Expire(ctx context.Context) (int, error) {
	total := 0
	var errs []error
	for repo := range r.store.View().Repositories.All() {
		if repo.LifecyclePolicy == "" {
			continue
		}
		n, err := r.expire(ctx, repo.ARN)
		if err != nil {
			errs = append(errs, fmt.Errorf("repository %s in %s: %w", repo.Name, repo.Region, err))
		}
		if total += n; ctx.Err() != nil {
			break
		}
	}
	return total, errors.Join(errs...)
}

func (r *Registry) expire(ctx context.Context, arn string) (n int, err error) {
	now := r.cfg.Now()
	err = r.store.Update(ctx, func(tx *state.Tx) error {
		repo, ok := tx.Repositories.Get(arn)
		if !ok || repo.LifecyclePolicy == "" {
			return nil
		}
		policy, err := repository.ParseLifecycle(repo.LifecyclePolicy)
		if err != nil {
			return err
		}
		gone := policy.Expired(slices.Collect(tx.Images.Prefix(repository.ImageKey(arn, ""))), now)
		for _, img := range gone {
			tx.Images.Delete(img.Key())
		}
		n = len(gone)
		return nil
	})
	return n, err
}
