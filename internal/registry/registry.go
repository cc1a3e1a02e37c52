// Package registry is the OCI distribution server in place of Amazon ECR's docker endpoint: docker push, docker
// pull and the agent call it under /v2/.
//
// Package cuelabs.dev/go/oci/ociregistry implements the protocol (paths, uploads, ranges, paging, error
// bodies); this package decides what is stored and allowed. Content is in a blob.Store. The images and tags of
// a repository are rows of the state, which action/ecr reads and changes, too. A push is complete when the
// transaction of its manifest is durable.
//
// The path of a repository is ACCOUNT/REGION/NAME. NAME alone means the account and region with which the
// server was started. If that region has no such repository and exactly one other region does, it means that
// one, since docker names no region and all regions share the port. A request with the host
// ACCOUNT.dkr.ecr.REGION.amazonaws.com means that account and region. All methods are safe for concurrent use.
package registry

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

// Config configures a Registry.
type Config struct {
	Account, Region string // for paths without account and region
	// CreateOnPush creates a repository at the first push to its name. Without it such a push is refused, as
	// by ECR.
	CreateOnPush bool
	// ByName means that the names of AWS's registries lead to this one, with TLS.
	ByName bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Registry is the content of all repositories. It implements ociregistry.Interface, where repositories are
// named by paths as described above.
type Registry struct {
	// Funcs answers ErrUnsupported to the interface's methods that Registry does not define. Embedding it is the only
	// way to implement the interface, which has a private method.
	*ociregistry.Funcs
	cfg      Config
	store    *state.Store
	blobs    *blob.Store
	sweeping sync.Mutex // one sweep at a time
	fresh    fresh
}

var _ ociregistry.Interface = (*Registry)(nil)

// New returns a registry of the rows in store and the content in blobs.
func New(cfg Config, store *state.Store, blobs *blob.Store) *Registry {
	return &Registry{cfg: cfg, store: store, blobs: blobs}
}

// ByName reports whether the names of AWS's registries lead to this one.
func (r *Registry) ByName() bool { return r.cfg.ByName }

// Path returns the path of a repository, whatever the registry's own account and region are.
func Path(account, region, name string) string { return account + "/" + region + "/" + name }

var qualified = regexp.MustCompile(`^([0-9]{12})/([a-z]{2}(?:-[a-z]+)+-[0-9]+)/(.+)$`)

// split returns account, region and name of a path.
func (r *Registry) split(path string) (account, region, name string) {
	if m := qualified.FindStringSubmatch(path); m != nil {
		return m[1], m[2], m[3]
	}
	return r.cfg.Account, r.cfg.Region, path
}

// repository returns the repository of a path, or the error NAME_UNKNOWN in ECR's words.
func (r *Registry) repository(tables *state.Tables, path string) (*repository.Repository, error) {
	account, region, name := r.split(path)
	if repo, ok := tables.Repositories.Get(repository.ARN(region, account, name)); ok {
		return repo, nil
	}
	if name == path {
		if repo := onlyOne(tables, account, name); repo != nil {
			return repo, nil
		}
	}
	return nil, ociregistry.NewError(repository.NotFound(name, account).Message, ociregistry.ErrNameUnknown.Code(), nil)
}

// onlyOne returns the repository of a name if exactly one region has one, or nil.
func onlyOne(tables *state.Tables, account, name string) (found *repository.Repository) {
	for repo := range tables.Repositories.By(state.RepositoriesByName, state.RepositoryEntry(account, name)) {
		if found != nil {
			return nil
		}
		found = repo
	}
	return found
}

// pushable is repository for writers: it creates a missing repository if the configuration allows it.
func (r *Registry) pushable(ctx context.Context, path string) (*repository.Repository, error) {
	repo, err := r.repository(&r.store.View().Tables, path)
	if err == nil || !r.cfg.CreateOnPush {
		return repo, err
	}
	account, region, name := r.split(path)
	if err := repository.ValidateName(name); err != nil {
		return nil, ociregistry.NewError(err.Error(), ociregistry.ErrNameInvalid.Code(), nil)
	}
	made, there := repository.New(region, account, name, r.cfg.Now()), false
	err = r.store.Update(ctx, func(tx *state.Tx) error {
		if old, ok := tx.Repositories.Get(made.ARN); ok {
			made, there = old, true
			return nil
		}
		tx.Repositories.Put(made)
		return nil
	})
	if err != nil {
		return nil, wire(err)
	}
	if !there {
		r.cfg.Logger.Info("repository created by a push", "repository", made.ARN)
	}
	return made, nil
}

// image returns an image of a repository by tag or digest.
func (r *Registry) image(path, tag, digest string) (*repository.Image, error) {
	snap := r.store.View()
	repo, err := r.repository(&snap.Tables, path)
	if err != nil {
		return nil, err
	}
	if img := find(&snap.Tables, repo.ARN, tag, digest); img != nil {
		return img, nil
	}
	id := "imageTag:'" + tag + "'"
	if digest != "" {
		id = "imageDigest:'" + digest + "'"
	}
	return nil, ociregistry.NewError(fmt.Sprintf("Requested image not found: the image with imageId {%s} "+
		"does not exist within the repository with name '%s' in the registry with id '%s'",
		id, repo.Name, repo.Account), ociregistry.ErrManifestUnknown.Code(), nil)
}

func find(tables *state.Tables, repositoryARN, tag, digest string) *repository.Image {
	if digest != "" {
		img, _ := tables.Images.Get(repository.ImageKey(repositoryARN, digest))
		return img
	}
	for img := range tables.Images.By(state.ImagesByTag, repository.TagKey(repositoryARN, tag)) {
		return img
	}
	return nil
}

// Manifest returns the bytes of an image's manifest.
func (r *Registry) Manifest(img *repository.Image) ([]byte, error) {
	return r.blobs.Read(img.Digest, repository.MaxManifest)
}

// HasBlob returns the size of a blob, and false if there is none.
func (r *Registry) HasBlob(digest string) (int64, bool) {
	size, err := r.blobs.Stat(digest)
	return size, err == nil
}

// Put stores a manifest as the API's PutImage does, under a tag unless that is empty. The error is a
// *fault.Error, or one of the distribution protocol.
func (r *Registry) Put(
	ctx context.Context, repo *repository.Repository, tag, mediaType string, manifest []byte,
) (*repository.Image, error) {
	img, err := repository.ReadManifest(repo.ARN, mediaType, manifest, r.cfg.Now())
	if err != nil {
		return nil, ociregistry.NewError(err.Error(), ociregistry.ErrManifestInvalid.Code(), nil)
	}
	defer r.blobs.Pin()()
	if err := r.complete(repo, img); err != nil {
		return nil, err
	}
	if _, err := r.blobs.Put(manifest); err != nil {
		return nil, err
	}
	err = r.store.Update(ctx, func(tx *state.Tx) error {
		repo, ok := tx.Repositories.Get(repo.ARN)
		if !ok {
			return ociregistry.ErrNameUnknown
		}
		existing, _ := tx.Images.Get(img.Key())
		var holder *repository.Image
		if tag != "" {
			holder = find(&tx.Tables, repo.ARN, tag, "")
		}
		puts, err := repo.Put(img, existing, holder, tag)
		for _, p := range puts {
			tx.Images.Put(p)
		}
		return err
	})
	// also after an error: the image may exist although the caller stopped waiting (state.ErrUnknown)
	r.fresh.note(img)
	if err != nil {
		return nil, err
	}
	return img, nil
}

// complete returns an error unless everything that the image refers to exists.
func (r *Registry) complete(repo *repository.Repository, img *repository.Image) error {
	for _, b := range img.Blobs {
		if _, err := r.blobs.Stat(b.Digest); err != nil {
			return ociregistry.NewError("the manifest refers to blob "+b.Digest+", which has not been pushed",
				ociregistry.ErrManifestBlobUnknown.Code(), nil)
		}
	}
	snap := r.store.View()
	for _, d := range img.Children {
		if _, ok := snap.Images.Get(repository.ImageKey(repo.ARN, d)); !ok {
			return ociregistry.NewError("the index refers to manifest "+d+", which has not been pushed",
				ociregistry.ErrManifestBlobUnknown.Code(), nil)
		}
	}
	return nil
}

// unfinished is how long content without an image is kept: a push sends blobs first and the manifest last.
const unfinished = 24 * time.Hour

// idleUpload is how long an upload is kept that nobody writes to.
const idleUpload = time.Hour

// Sweep removes content that no image refers to, and returns the number of bytes freed. It is called from time
// to time.
func (r *Registry) Sweep() (int64, error) {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	r.fresh.begin() // before the images are listed: an image that the list misses is noted
	defer r.fresh.end()
	used := r.used()
	return r.blobs.Sweep(r.cfg.Now().Add(-unfinished), func(digest string) bool {
		return used[digest] || r.fresh.has(digest)
	})
}

// fresh has the digests of images that are pushed during a sweep.
type fresh struct {
	mu      sync.Mutex
	digests map[string]bool // nil unless a sweep is running; guarded by mu
}

func (f *fresh) begin() { f.set(map[string]bool{}) }
func (f *fresh) end()   { f.set(nil) }

func (f *fresh) set(digests map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.digests = digests
}

// note is called under the pin under which the image was recorded. Sweep decides about a blob without a pin, so
// it cannot come in between.
func (f *fresh) note(img *repository.Image) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.digests != nil {
		for digest := range img.Content() {
			f.digests[digest] = true
		}
	}
}

func (f *fresh) has(digest string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.digests[digest]
}

func (r *Registry) used() map[string]bool {
	used := make(map[string]bool)
	for img := range r.store.View().Images.All() {
		for digest := range img.Content() {
			used[digest] = true
		}
	}
	return used
}

// Run expires images and sweeps from time to time until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	tick, uploads := time.NewTicker(unfinished/4), time.NewTicker(idleUpload/6)
	defer tick.Stop()
	defer uploads.Stop()
	r.tidy(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.tidy(ctx)
		case <-uploads.C:
			if _, err := r.blobs.SweepUploads(r.cfg.Now().Add(-idleUpload)); err != nil {
				r.cfg.Logger.Warn("unfinished uploads could not be removed; it is tried again", "error", err)
			}
		}
	}
}

func (r *Registry) tidy(ctx context.Context) {
	expired, err := r.Expire(ctx)
	if err != nil {
		r.cfg.Logger.Warn("lifecycle policies could not be carried out; it is tried again", "error", err)
	}
	freed, err := r.Sweep()
	if err != nil {
		r.cfg.Logger.Warn("unused image content could not be removed; it is tried again", "error", err)
	}
	if expired > 0 || freed > 0 {
		r.cfg.Logger.Info("images tidied up", "expired", expired, "bytes", freed)
	}
}

// Reset removes all content. The caller removes the rows.
func (r *Registry) Reset() error { return r.blobs.Reset() }
