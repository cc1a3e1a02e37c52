package registry

import (
	"bytes"
	"context"
	"io"
	"os"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"

	"github.com/berthhq/berth/internal/repository"
)

// octets is the media type of blobs. Only manifests know more about them.
const octets = "application/octet-stream"

// GetBlob implements ociregistry.Reader. Every blob is served from every repository: content is named by its
// digest, so a caller who knows the name has had the content.
func (r *Registry) GetBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	return r.GetBlobRange(ctx, repo, d, 0, -1)
}

// GetBlobRange implements ociregistry.Reader.
func (r *Registry) GetBlobRange(
	_ context.Context, repo string, d ociregistry.Digest, from, to int64,
) (ociregistry.BlobReader, error) {
	if _, err := r.repository(&r.store.View().Tables, repo); err != nil {
		return nil, err
	}
	f, size, err := r.blobs.Get(d.String())
	if err != nil {
		return nil, wire(err)
	}
	if to < 0 || to > size {
		to = size
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		f.Close()
		return nil, ociregistry.ErrRangeInvalid
	}
	return &blobReader{f, io.LimitReader(f, max(0, to-from)), ociregistry.Descriptor{
		MediaType: octets, Digest: d, Size: size,
	}}, nil
}

// blobReader reads a part of a file. WriteTo lets the kernel copy from file to socket.
type blobReader struct {
	*os.File
	part io.Reader
	desc ociregistry.Descriptor
}

func (b *blobReader) Read(p []byte) (int, error)             { return b.part.Read(p) }
func (b *blobReader) WriteTo(w io.Writer) (int64, error)     { return io.Copy(w, b.part) }
func (b *blobReader) Descriptor() ociregistry.Descriptor     { return b.desc }
func (m *manifestReader) Close() error                       { return nil }
func (m *manifestReader) Descriptor() ociregistry.Descriptor { return m.desc }

type manifestReader struct {
	*bytes.Reader
	desc ociregistry.Descriptor
}

// GetManifest implements ociregistry.Reader.
func (r *Registry) GetManifest(_ context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	return r.manifest(repo, "", d.String())
}

// GetTag implements ociregistry.Reader.
func (r *Registry) GetTag(_ context.Context, repo string, tag string) (ociregistry.BlobReader, error) {
	return r.manifest(repo, tag, "")
}

func (r *Registry) manifest(repo, tag, digest string) (ociregistry.BlobReader, error) {
	img, err := r.image(repo, tag, digest)
	if err != nil {
		return nil, err
	}
	body, err := r.Manifest(img)
	if err != nil {
		return nil, wire(err)
	}
	return &manifestReader{bytes.NewReader(body), descriptor(img)}, nil
}

func descriptor(img *repository.Image) ociregistry.Descriptor {
	return ociregistry.Descriptor{MediaType: img.MediaType, Digest: digest.Digest(img.Digest), Size: img.ManifestSize}
}

// ResolveBlob implements ociregistry.Reader. The caller may be about to push only a manifest that refers to the
// blob, so the blob's time is set to now.
func (r *Registry) ResolveBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	if _, err := r.repository(&r.store.View().Tables, repo); err != nil {
		return ociregistry.Descriptor{}, err
	}
	return r.keep(d)
}

func (r *Registry) keep(d ociregistry.Digest) (ociregistry.Descriptor, error) {
	defer r.blobs.Pin()()
	size, err := r.blobs.Stat(d.String())
	if err == nil {
		err = r.blobs.Touch(d.String(), r.cfg.Now())
	}
	return ociregistry.Descriptor{MediaType: octets, Digest: d, Size: size}, wire(err)
}

// ResolveManifest implements ociregistry.Reader.
func (r *Registry) ResolveManifest(
	_ context.Context, repo string, d ociregistry.Digest,
) (ociregistry.Descriptor, error) {
	return r.resolve(repo, "", d.String())
}

// ResolveTag implements ociregistry.Reader.
func (r *Registry) ResolveTag(_ context.Context, repo string, tag string) (ociregistry.Descriptor, error) {
	return r.resolve(repo, tag, "")
}

func (r *Registry) resolve(repo, tag, digest string) (ociregistry.Descriptor, error) {
	img, err := r.image(repo, tag, digest)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	return descriptor(img), nil
}
