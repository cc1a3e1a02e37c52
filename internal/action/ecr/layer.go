package ecr

import (
	"context"
	"fmt"
	"net/url"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/repository"
)

// partSize is the size of the parts that clients should upload. It is ECR's own.
const partSize = 20 << 20

func pathOf(r *repository.Repository) string { return registry.Path(r.Account, r.Region, r.Name) }

func (a *api) batchCheckLayerAvailability(
	_ context.Context, call *awswire.Call, in *shape.BatchCheckLayerAvailabilityInput,
) (*shape.BatchCheckLayerAvailabilityOutput, error) {
	if _, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &shape.BatchCheckLayerAvailabilityOutput{}
	for _, d := range in.LayerDigests {
		if digest.Digest(d).Validate() != nil {
			out.Failures = append(out.Failures,
				shape.LayerFailure{LayerDigest: &d, FailureCode: shape.LayerFailureCodeInvalidLayerDigest,
					FailureReason: new("Invalid layer digest")})
			continue
		}
		layer := shape.Layer{LayerDigest: &d, LayerAvailability: shape.LayerAvailabilityUnavailable}
		if size, ok := a.registry.HasBlob(d); ok {
			layer.LayerAvailability, layer.LayerSize = shape.LayerAvailabilityAvailable, &size
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

// getDownloadURLForLayer answers a URL that works by itself for twelve hours: it carries a password of its own.
func (a *api) getDownloadURLForLayer(
	_ context.Context, call *awswire.Call, in *shape.GetDownloadUrlForLayerInput,
) (*shape.GetDownloadUrlForLayerOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if _, ok := a.registry.HasBlob(*in.LayerDigest); !ok {
		return nil, fault.New(shape.CodeLayerInaccessibleException,
			"The layer with digest '%s' does not exist in %s", *in.LayerDigest, where(r))
	}
	password, _ := a.passwords.Mint(call.Now)
	u := url.URL{Scheme: "http", User: url.UserPassword(registry.User, password), Host: call.Host,
		Path: "/v2/" + pathOf(r) + "/blobs/" + *in.LayerDigest}
	return &shape.GetDownloadUrlForLayerOutput{DownloadUrl: new(u.String()), LayerDigest: in.LayerDigest}, nil
}

func (a *api) initiateLayerUpload(
	ctx context.Context, call *awswire.Call, in *shape.InitiateLayerUploadInput,
) (*shape.InitiateLayerUploadOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	w, err := a.registry.PushBlobChunked(ctx, pathOf(r), 0)
	if err != nil {
		return nil, told(err)
	}
	return &shape.InitiateLayerUploadOutput{UploadId: new(w.ID()), PartSize: new(int64(partSize))}, nil
}

func (a *api) uploadLayerPart(
	ctx context.Context, call *awswire.Call, in *shape.UploadLayerPartInput,
) (*shape.UploadLayerPartOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if n := *in.PartLastByte - *in.PartFirstByte + 1; n != int64(len(in.LayerPartBlob)) {
		return nil, fault.New(shape.CodeInvalidLayerPartException,
			"The part has %d bytes, but from %d to %d there are %d.",
			len(in.LayerPartBlob), *in.PartFirstByte, *in.PartLastByte, n)
	}
	w, err := a.registry.PushBlobChunkedResume(ctx, pathOf(r), *in.UploadId, -1, 0)
	if err != nil {
		return nil, told(err)
	}
	if w.Size() != *in.PartFirstByte {
		return nil, fault.New(shape.CodeInvalidLayerPartException,
			"The part begins at byte %d, but %d bytes have been received.", *in.PartFirstByte, w.Size())
	}
	if _, err := w.Write(in.LayerPartBlob); err != nil {
		return nil, told(err)
	}
	return &shape.UploadLayerPartOutput{LastByteReceived: in.PartLastByte, RegistryId: &r.Account,
		RepositoryName: &r.Name, UploadId: in.UploadId}, nil
}

func (a *api) completeLayerUpload(
	ctx context.Context, call *awswire.Call, in *shape.CompleteLayerUploadInput,
) (*shape.CompleteLayerUploadOutput, error) {
	r, err := repo(&a.store.View().Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.LayerDigests) != 1 {
		return nil, fault.New(shape.CodeInvalidLayerException, "%d digests were given; a layer has one.",
			len(in.LayerDigests))
	}
	if size, ok := a.registry.HasBlob(in.LayerDigests[0]); ok {
		return nil, fault.New(shape.CodeLayerAlreadyExistsException,
			"Layer with digest '%s' already exists in %s: %d bytes", in.LayerDigests[0], where(r), size)
	}
	w, err := a.registry.PushBlobChunkedResume(ctx, pathOf(r), *in.UploadId, -1, 0)
	if err != nil {
		return nil, told(err)
	}
	if w.Size() == 0 {
		return nil, fault.New(shape.CodeEmptyUploadException, "The upload has no parts.")
	}
	if _, err := w.Commit(ociregistry.Digest(in.LayerDigests[0])); err != nil {
		return nil, told(fmt.Errorf("complete: %w", err))
	}
	return &shape.CompleteLayerUploadOutput{LayerDigest: &in.LayerDigests[0], RegistryId: &r.Account,
		RepositoryName: &r.Name, UploadId: in.UploadId}, nil
}
