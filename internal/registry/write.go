package registry

import (
	"context"
	"io"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/registry/blob"
)

// PushBlob implements ociregistry.Writer.
func (r *Registry) PushBlob(
	ctx context.Context, repo string, desc ociregistry.Descriptor, content io.Reader,
) (ociregistry.Descriptor, error) {
	w, err := r.PushBlobChunked(ctx, repo, 0)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	defer w.Cancel()
	n, err := io.Copy(w, content)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	if desc.Size >= 0 && n != desc.Size { // -1 when the client did not say
		return ociregistry.Descriptor{}, ociregistry.ErrSizeInvalid
	}
	return w.Commit(desc.Digest)
}

// PushBlobChunked implements ociregistry.Writer.
func (r *Registry) PushBlobChunked(ctx context.Context, repo string, chunkSize int) (ociregistry.BlobWriter, error) {
	if _, err := r.pushable(ctx, repo); err != nil {
		return nil, err
	}
	u, err := r.blobs.NewUpload()
	if err != nil {
		return nil, wire(err)
	}
	return writer{u, notesOf(ctx)}, nil
}

// PushBlobChunkedResume implements ociregistry.Writer. The offset of the chunk is in the notes of the request.
// Docker does not send it, which means the end.
func (r *Registry) PushBlobChunkedResume(
	ctx context.Context, repo, id string, offset int64, _ int,
) (ociregistry.BlobWriter, error) {
	if _, err := r.pushable(ctx, repo); err != nil {
		return nil, err
	}
	u, err := r.blobs.Resume(id)
	if n := notesOf(ctx); n != nil {
		offset = n.chunkStart
	}
	if err == nil && offset >= 0 {
		err = u.Expect(offset)
	}
	if err != nil {
		return nil, wire(err)
	}
	return writer{u, notesOf(ctx)}, nil
}

// writer implements ociregistry.BlobWriter on an upload.
type writer struct {
	*blob.Upload
	notes *notes // of the request
}

func (w writer) Write(p []byte) (int, error) {
	n, err := w.Upload.Write(p)
	if noSpace(err) {
		// what has arrived takes space that others need; the caller gets the original error
		_ = w.Cancel()
	}
	err = wire(err)
	w.notes.refuse(err)
	return n, err
}

func (w writer) Close() error { return nil }

// ChunkSize has no meaning for a disk. The server announces it to clients as the least size of a chunk.
func (w writer) ChunkSize() int { return 1 }

func (w writer) Commit(d ociregistry.Digest) (ociregistry.Descriptor, error) {
	size := w.Size()
	if err := w.Upload.Commit(d.String()); err != nil {
		return ociregistry.Descriptor{}, wire(err)
	}
	return ociregistry.Descriptor{MediaType: octets, Digest: d, Size: size}, nil
}

// MountBlob implements ociregistry.Writer. All repositories share content, so it only has to exist.
func (r *Registry) MountBlob(ctx context.Context, _, to string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	if _, err := r.pushable(ctx, to); err != nil {
		return ociregistry.Descriptor{}, err
	}
	return r.keep(d)
}

// PushManifest implements ociregistry.Writer.
func (r *Registry) PushManifest(
	ctx context.Context, path, tag string, contents []byte, mediaType string,
) (ociregistry.Descriptor, error) {
	repo, err := r.pushable(ctx, path)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	if mediaType == octets { // what the protocol's server makes of a missing Content-Type
		mediaType = ""
	}
	img, err := r.Put(ctx, repo, tag, mediaType, contents)
	if err != nil {
		return ociregistry.Descriptor{}, wire(err)
	}
	return descriptor(img), nil
}
