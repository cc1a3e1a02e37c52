package registry

import (
	"context"
	"iter"
	"slices"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

// Repositories implements ociregistry.Lister. Outside the server's own account and region, paths are long ones.
func (r *Registry) Repositories(ctx context.Context, startAfter string) iter.Seq2[string, error] {
	if notesOf(ctx).wantsNothing() {
		return after(nil, "")
	}
	var paths []string
	for repo := range r.store.View().Repositories.All() {
		path := repo.Name
		if repo.Account != r.cfg.Account || repo.Region != r.cfg.Region {
			path = Path(repo.Account, repo.Region, repo.Name)
		}
		paths = append(paths, path)
	}
	return after(paths, startAfter)
}

// Tags implements ociregistry.Lister.
func (r *Registry) Tags(ctx context.Context, path string, startAfter string) iter.Seq2[string, error] {
	snap := r.store.View()
	repo, err := r.repository(&snap.Tables, path)
	if err != nil {
		return ociregistry.ErrorSeq[string](err)
	}
	if notesOf(ctx).wantsNothing() {
		return after(nil, "")
	}
	tags := []string{}
	for img := range snap.Images.Prefix(repository.ImageKey(repo.ARN, "")) {
		tags = append(tags, img.Tags...)
	}
	return after(tags, startAfter)
}

// after yields the names after start, in order.
func after(names []string, start string) iter.Seq2[string, error] {
	slices.Sort(names)
	return func(yield func(string, error) bool) {
		for _, n := range names {
			if n > start && !yield(n, nil) {
				return
			}
		}
	}
}

// Referrers implements ociregistry.Lister.
func (r *Registry) Referrers(
	_ context.Context, path string, d ociregistry.Digest, artifactType string,
) iter.Seq2[ociregistry.Descriptor, error] {
	snap := r.store.View()
	repo, err := r.repository(&snap.Tables, path)
	if err != nil {
		return ociregistry.ErrorSeq[ociregistry.Descriptor](err)
	}
	return func(yield func(ociregistry.Descriptor, error) bool) {
		for img := range snap.Images.Prefix(repository.ImageKey(repo.ARN, "")) {
			if img.Subject != d.String() || artifactType != "" && img.ArtifactType != artifactType {
				continue
			}
			desc := descriptor(img)
			desc.ArtifactType, desc.Annotations = img.ArtifactType, img.Notes
			if !yield(desc, nil) {
				return
			}
		}
	}
}

// DeleteManifest implements ociregistry.Deleter. It deletes the image with all its tags.
func (r *Registry) DeleteManifest(ctx context.Context, path string, d ociregistry.Digest) error {
	img, err := r.image(path, "", d.String())
	if err != nil {
		return err
	}
	return wire(r.store.Update(ctx, func(tx *state.Tx) error {
		tx.Images.Delete(img.Key())
		return nil
	}))
}

// DeleteTag implements ociregistry.Deleter. The image stays and is found by its digest.
func (r *Registry) DeleteTag(ctx context.Context, path, tag string) error {
	was, err := r.image(path, tag, "")
	if err != nil {
		return err
	}
	return wire(r.store.Update(ctx, func(tx *state.Tx) error {
		if img := find(&tx.Tables, was.RepositoryARN, tag, ""); img != nil {
			tx.Images.Put(img.WithoutTag(tag))
		}
		return nil
	}))
}
