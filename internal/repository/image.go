package repository

import (
	"iter"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/fault"
)

// Image is one manifest of a repository: an image, or an index of images.
type Image struct {
	RepositoryARN string
	Digest        string // of the manifest
	MediaType     string // of the manifest
	ArtifactType  string `json:",omitempty"` // the config's media type, or the manifest's artifactType
	ManifestSize  int64
	// Size is what ECR reports: the sum of the layers, compressed; of an index 0.
	Size     int64             `json:",omitempty"`
	Blobs    []Blob            `json:",omitempty"` // config first, then the layers in order
	Children []string          `json:",omitempty"` // digests of an index's manifests
	Subject  string            `json:",omitempty"` // digest of the manifest this one refers to
	Notes    map[string]string `json:",omitempty"` // annotations, for the referrers API
	Tags     []string          `json:",omitempty"` // sorted
	PushedAt time.Time
}

// Blob is a piece of content an image is made of.
type Blob struct {
	Digest    string
	MediaType string `json:",omitempty"`
	Size      int64
}

// ImageKey is the primary key of an image in state. Keys of one repository have its ARN and "@" as prefix.
func ImageKey(repositoryARN, digest string) string { return repositoryARN + "@" + digest }

// Key is i's primary key.
func (i *Image) Key() string { return ImageKey(i.RepositoryARN, i.Digest) }

// Content returns the digests of everything that i consists of: the manifest, the config and the layers. The
// manifests of an index are images of their own.
func (i *Image) Content() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(i.Digest) {
			return
		}
		for _, b := range i.Blobs {
			if !yield(b.Digest) {
				return
			}
		}
	}
}

// HasTag reports whether tag points at i.
func (i *Image) HasTag(tag string) bool { return slices.Contains(i.Tags, tag) }

// TagKey is what state's index by tag files an image under.
func TagKey(repositoryARN, tag string) string { return repositoryARN + ":" + tag }

// TagKeys are i's entries in state's index by tag.
func (i *Image) TagKeys() []string {
	keys := make([]string, len(i.Tags))
	for n, t := range i.Tags {
		keys[n] = TagKey(i.RepositoryARN, t)
	}
	return keys
}

// WithTag returns i with tag added.
func (i *Image) WithTag(tag string) *Image {
	c := *i
	c.Tags = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(i.Tags), tag))))
	return &c
}

// WithoutTag returns i with tag removed.
func (i *Image) WithoutTag(tag string) *Image {
	c := *i
	c.Tags = slices.DeleteFunc(slices.Clone(i.Tags), func(t string) bool { return t == tag })
	return &c
}

// Put plans the storing of pushed under tag ("" for none). existing is what the repository has
// under the same digest and holder is the image the tag points at now; either may be nil. The
// returned images are to be written; none means all is as it should be.
func (r *Repository) Put(pushed, existing, holder *Image, tag string) ([]*Image, error) {
	target := pushed
	if existing != nil {
		target = existing
	}
	if tag == "" {
		if existing != nil {
			return nil, nil
		}
		return []*Image{pushed}, nil
	}
	if holder != nil && holder.Digest == pushed.Digest {
		return nil, nil
	}
	if holder != nil && r.TagMutability == Immutable {
		return nil, fault.New("ImageTagAlreadyExistsException",
			"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because "+
				"the tag is immutable.", tag, r.Name)
	}
	out := []*Image{target.WithTag(tag)}
	if holder != nil {
		out = append(out, holder.WithoutTag(tag))
	}
	return out, nil
}
