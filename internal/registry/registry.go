// Package registry is the OCI distribution server that stands for Amazon ECR's docker endpoint: what `docker push`, `docker pull`
// and the agent speak to under /v2/.
//
// The protocol (paths, uploads, ranges, paging, error bodies) is cuelabs.dev/go/oci/ociregistry's; what is stored and what is
// allowed is decided here. Content lies in blob.Store; which image a repository has, and under which tags, is in state, where
// action/ecr reads and changes the same rows. A push has happened when its manifest's transaction is durable.
//
// The path of a repository is ACCOUNT/REGION/NAME. A bare NAME means the account and region the server was started with; when there is no such
// repository there and just one other region has one, it means that one: docker names no region, and regions share the port. A
// request whose Host is ACCOUNT.dkr.ecr.REGION.amazonaws.com means that account and region. All methods are safe for concurrent use.
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

// Config says how a registry behaves.
type Config struct {
	Account, Region string // of repositories whose path does not say
	// CreateOnPush makes a repository of the first push to its name. ECR refuses such a push, and so does the registry without this.
	CreateOnPush bool
	// ByName says that the names which AWS gives registries lead here, with TLS.
	ByName bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Registry is the content of all repositories. It implements ociregistry.Interface, whose repository names are paths as told above.
type Registry struct {
	*ociregistry.Funcs // answers ErrUnsupported for what is not implemented, and has the interface's private method
	cfg                Config
	store              *state.Store
	blobs              *blob.Store
	sweeping           sync.Mutex // one sweep at a time
	fresh              fresh
}

var _ ociregistry.Interface = (*Registry)(nil)

// New makes a registry over the rows in store and the content in blobs.
func New(cfg Config, store *state.Store, blobs *blob.Store) *Registry {
	return &Registry{cfg: cfg, store: store, blobs: blobs}
}

// ByName reports whether the names which AWS gives registries lead to this one.
func (r *Registry) ByName() bool { return r.cfg.ByName }

// Path is the path under which the registry serves a repository, whatever its defaults are.
func Path(account, region, name string) string { return account + "/" + region + "/" + name }

var qualified = regexp.MustCompile(`^([0-9]{12})/([a-z]{2}(?:-[a-z]+)+-[0-9]+)/(.+)$`)

// split tells account, region and name of a path.
func (r *Registry) split(path string) (account, region, name string) {
	if m := qualified.FindStringSubmatch(path); m != nil {
		return m[1], m[2], m[3]
	}
	return r.cfg.Account, r.cfg.Region, path
}

// repository finds the repository of a path, or fails with NAME_UNKNOWN in ECR's words.
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

// onlyOne finds the repository of a name in whichever region has it, nil when none or several have.
func onlyOne(tables *state.Tables, account, name string) (found *repository.Repository) {
	for repo := range tables.Repositories.All() {
		if repo.Account != account || repo.Name != name {
			continue
		}
		if found != nil {
			return nil
		}
		found = repo
	}
	return found
}

// pushable is repository for those who write: it makes the missing one where the configuration says so.
func (r *Registry) pushable(ctx context.Context, path string) (*repository.Repository, error) {
	repo, err := r.repository(&r.store.View().Tables, path)
	if err == nil || !r.cfg.CreateOnPush {
		return repo, err
	}
	account, region, name := r.split(path)
	if err := repository.ValidateName(name); err != nil {
		return nil, ociregistry.NewError(err.Error(), ociregistry.ErrNameInvalid.Code(), nil)
	}
	made := repository.New(region, account, name, r.cfg.Now())
	err = r.store.Update(ctx, func(tx *state.Tx) error {
		if old, ok := tx.Repositories.Get(made.ARN); ok {
			made = old
			return nil
		}
		tx.Repositories.Put(made)
		return nil
	})
	if err != nil {
		return nil, wire(err)
	}
	r.cfg.Logger.Info("repository created by a push", "repository", made.ARN)
	return made, nil
}

// image finds an image of a repository by tag or digest.
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
	return nil, ociregistry.NewError(fmt.Sprintf("Requested image not found: the image with imageId {%s} does not exist within the repository with name '%s' in the registry with id '%s'",
		id, repo.Name, repo.Account), ociregistry.ErrManifestUnknown.Code(), nil)
}

func find(tables *state.Tables, repositoryARN, tag, digest string) *repository.Image {
	if digest != "" {
		img, _ := tables.Images.Get(repository.ImageKey(repositoryARN, digest))
		return img
	}
	for img := range tables.Images.By(state.ByImageTag, repository.TagKey(repositoryARN, tag)) {
		return img
	}
	return nil
}

// Manifest returns the bytes of an image's manifest.
func (r *Registry) Manifest(img *repository.Image) ([]byte, error) {
	return r.blobs.Read(img.Digest, repository.MaxManifest)
}

// HasBlob returns the size of a blob, and false when it is not here.
func (r *Registry) HasBlob(digest string) (int64, bool) {
	size, err := r.blobs.Stat(digest)
	return size, err == nil
}

// Put stores a manifest as the API's PutImage does, under a tag unless that is empty. The error is a *fault.Error of the repository
// nouns, or one of the distribution protocol.
func (r *Registry) Put(ctx context.Context, repo *repository.Repository, tag, mediaType string, manifest []byte) (*repository.Image, error) {
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
	r.fresh.note(img) // also after an error: the image of a caller who no longer waits may be there all the same (state.ErrUnknown)
	if err != nil {
		return nil, err
	}
	return img, nil
}

// complete fails unless everything the image refers to is here.
func (r *Registry) complete(repo *repository.Repository, img *repository.Image) error {
	for _, b := range img.Blobs {
		if _, err := r.blobs.Stat(b.Digest); err != nil {
			return ociregistry.NewError("the manifest refers to blob "+b.Digest+", which has not been pushed", ociregistry.ErrManifestBlobUnknown.Code(), nil)
		}
	}
	snap := r.store.View()
	for _, d := range img.Children {
		if _, ok := snap.Images.Get(repository.ImageKey(repo.ARN, d)); !ok {
			return ociregistry.NewError("the index refers to manifest "+d+", which has not been pushed", ociregistry.ErrManifestBlobUnknown.Code(), nil)
		}
	}
	return nil
}

// unfinished is how long content that no image refers to is kept: pushes send blobs first and the manifest last.
const unfinished = 24 * time.Hour

// idleUpload is how long an upload is kept that nobody writes to.
const idleUpload = time.Hour

// Sweep frees the space of content no image refers to any more; it returns the bytes freed. Meant to be called now and then.
func (r *Registry) Sweep() (int64, error) {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	r.fresh.begin() // before the look at the images: one that it misses is noted
	defer r.fresh.end()
	used := r.used()
	return r.blobs.Sweep(r.cfg.Now().Add(-unfinished), func(digest string) bool {
		return used[digest] || r.fresh.has(digest)
	})
}

// fresh is what images refer to that were pushed while a sweep goes on.
type fresh struct {
	mu      sync.Mutex
	digests map[string]bool // nil when nothing is swept; guarded by mu
}

func (f *fresh) begin() { f.set(map[string]bool{}) }
func (f *fresh) end()   { f.set(nil) }

func (f *fresh) set(digests map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.digests = digests
}

// note is called under the pin under which the image was recorded: Sweep, which asks under none, does not come in between.
func (f *fresh) note(img *repository.Image) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.digests != nil {
		refer(f.digests, img)
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
		refer(used, img)
	}
	return used
}

// refer adds what an image consists of.
func refer(digests map[string]bool, img *repository.Image) {
	digests[img.Digest] = true
	for _, b := range img.Blobs {
		digests[b.Digest] = true
	}
}

// Run expires images and sweeps now and then until ctx ends.
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

// Reset throws away all content; the rows are the caller's to remove.
func (r *Registry) Reset() error { return r.blobs.Reset() }
