package ecr

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

// images yields the images of a repository that a filter lets through, in order of their digests.
func images(tables *state.Tables, r *repository.Repository, tagStatus, imageStatus string) iter.Seq[*repository.Image] {
	if imageStatus == shape.ImageStatusFilterArchived || imageStatus == shape.ImageStatusFilterActivating {
		return func(func(*repository.Image) bool) {} // there are none
	}
	return request.Where(tables.Images.Prefix(repository.ImageKey(r.ARN, "")), func(img *repository.Image) bool {
		tagged := len(img.Tags) > 0
		return (tagStatus != shape.TagStatusTagged || tagged) &&
			(tagStatus != shape.TagStatusUntagged || !tagged)
	})
}

// find finds the image of an identifier, or says in ECR's codes and words why there is none.
func find(
	tables *state.Tables, r *repository.Repository, id shape.ImageIdentifier,
) (img *repository.Image, code, reason string) {
	if id.ImageDigest != nil {
		img, _ = tables.Images.Get(repository.ImageKey(r.ARN, *id.ImageDigest))
		if img != nil && id.ImageTag != nil && !img.HasTag(*id.ImageTag) {
			return nil, shape.ImageFailureCodeImageTagDoesNotMatchDigest, "Image tag does not match the digest"
		}
	} else if id.ImageTag != nil {
		for i := range tables.Images.By(state.ImagesByTag, repository.TagKey(r.ARN, *id.ImageTag)) {
			img = i
		}
	} else {
		return nil, shape.ImageFailureCodeMissingDigestAndTag,
			"Invalid request parameters: both tag and digest cannot be null"
	}
	switch {
	case img != nil:
		return img, "", ""
	case id.ImageDigest != nil && !strings.HasPrefix(*id.ImageDigest, "sha256:"):
		return nil, shape.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest " +
			"should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
	}
	return nil, shape.ImageFailureCodeImageNotFound, "Requested image not found"
}

func failure(id shape.ImageIdentifier, code, reason string) shape.ImageFailure {
	return shape.ImageFailure{ImageId: &id, FailureCode: code, FailureReason: &reason}
}

func (a *api) listImages(
	_ context.Context, call *awswire.Call, in *shape.ListImagesInput,
) (*shape.ListImagesOutput, error) {
	filter := in.Filter
	if filter == nil {
		filter = &shape.ListImagesFilter{}
	}
	snap := a.store.View()
	r, err := repo(&snap.Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	ids, next, err := request.Cut(call, pages.Ask(in.MaxResults, in.NextToken),
		identifiers(images(&snap.Tables, r, filter.TagStatus, filter.ImageStatus)),
		func(id shape.ImageIdentifier) string {
			if id.ImageTag == nil {
				return *id.ImageDigest
			}
			return *id.ImageDigest + " " + *id.ImageTag
		}, r.ARN, filter.TagStatus, filter.ImageStatus)
	return &shape.ListImagesOutput{ImageIds: ids, NextToken: next}, err
}

// identifiers yields an identifier for every tag of every image, and one for an image without tags.
func identifiers(list iter.Seq[*repository.Image]) iter.Seq[shape.ImageIdentifier] {
	return func(yield func(shape.ImageIdentifier) bool) {
		for img := range list {
			if len(img.Tags) == 0 && !yield(shape.ImageIdentifier{ImageDigest: &img.Digest}) {
				return
			}
			for _, t := range img.Tags {
				if !yield(shape.ImageIdentifier{ImageDigest: &img.Digest, ImageTag: &t}) {
					return
				}
			}
		}
	}
}

func (a *api) describeImages(
	_ context.Context, call *awswire.Call, in *shape.DescribeImagesInput,
) (*shape.DescribeImagesOutput, error) {
	filter := in.Filter
	if filter == nil {
		filter = &shape.DescribeImagesFilter{}
	}
	snap := a.store.View()
	r, err := repo(&snap.Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeImagesOutput{}
	for _, id := range in.ImageIds {
		img, _, _ := find(&snap.Tables, r, id)
		if img == nil {
			return nil, fault.New(shape.CodeImageNotFoundException,
				"The image with imageId {imageDigest:%s, imageTag:%s} does not exist within %s",
				quote(id.ImageDigest), quote(id.ImageTag), where(r))
		}
		out.ImageDetails = append(out.ImageDetails, detail(r, img))
	}
	if len(in.ImageIds) > 0 {
		return out, nil
	}
	found, next, err := request.Cut(call, pages.Ask(in.MaxResults, in.NextToken),
		images(&snap.Tables, r, filter.TagStatus, filter.ImageStatus),
		func(i *repository.Image) string { return i.Digest }, r.ARN, filter.TagStatus, filter.ImageStatus)
	out.NextToken = next
	out.ImageDetails = request.Answers(found, func(i *repository.Image) shape.ImageDetail { return detail(r, i) })
	return out, err
}

func quote(s *string) string {
	if s == nil {
		return "'null'"
	}
	return "'" + *s + "'"
}

func detail(r *repository.Repository, img *repository.Image) shape.ImageDetail {
	d := shape.ImageDetail{
		RegistryId: &r.Account, RepositoryName: &r.Name, ImageDigest: &img.Digest,
		ImageTags: img.Tags, ImagePushedAt: &img.PushedAt, ImageManifestMediaType: &img.MediaType,
		ImageStatus: shape.ImageStatusActive,
	}
	if img.ArtifactType != "" {
		d.ArtifactMediaType = &img.ArtifactType
	}
	if img.Size > 0 {
		d.ImageSizeInBytes = &img.Size
	}
	if img.Subject != "" {
		d.SubjectManifestDigest = &img.Subject
	}
	return d
}

func (a *api) batchGetImage(
	_ context.Context, call *awswire.Call, in *shape.BatchGetImageInput,
) (*shape.BatchGetImageOutput, error) {
	snap := a.store.View()
	r, err := repo(&snap.Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &shape.BatchGetImageOutput{}
	for _, id := range in.ImageIds {
		img, code, reason := find(&snap.Tables, r, id)
		if img != nil && len(in.AcceptedMediaTypes) > 0 && !slices.Contains(in.AcceptedMediaTypes, img.MediaType) {
			img, code, reason = nil, shape.ImageFailureCodeImageNotFound, "The image's manifest is "+
				"of media type "+img.MediaType+", which is not among the accepted ones"
		}
		if img == nil {
			out.Failures = append(out.Failures, failure(id, code, reason))
			continue
		}
		answer, err := a.answerImage(r, img, id.ImageTag)
		if err != nil {
			return nil, err
		}
		out.Images = append(out.Images, *answer)
	}
	return out, nil
}

func (a *api) answerImage(r *repository.Repository, img *repository.Image, tag *string) (*shape.Image, error) {
	body, err := a.registry.Manifest(img)
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", img.Key(), err)
	}
	return &shape.Image{RegistryId: &r.Account, RepositoryName: &r.Name, ImageManifest: new(string(body)),
		ImageManifestMediaType: &img.MediaType,
		ImageId:                &shape.ImageIdentifier{ImageDigest: &img.Digest, ImageTag: tag}}, nil
}

func (a *api) batchDeleteImage(
	ctx context.Context, call *awswire.Call, in *shape.BatchDeleteImageInput,
) (*shape.BatchDeleteImageOutput, error) {
	var out *shape.BatchDeleteImageOutput
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		out = &shape.BatchDeleteImageOutput{}
		r, err := repo(&tx.Tables, call, in.RegistryId, in.RepositoryName)
		if err != nil {
			return err
		}
		for _, id := range in.ImageIds {
			removed, code, reason := remove(tx, r, id)
			if code != "" {
				out.Failures = append(out.Failures, failure(id, code, reason))
			}
			out.ImageIds = append(out.ImageIds, removed...)
		}
		return nil
	})
	return out, err
}

// remove removes a tag, and the image with its last tag; or, named by digest, the image with all its tags.
func remove(
	tx *state.Tx, r *repository.Repository, id shape.ImageIdentifier,
) (removed []shape.ImageIdentifier, code, reason string) {
	img, code, reason := find(&tx.Tables, r, id)
	if img == nil {
		return nil, code, reason
	}
	if id.ImageDigest == nil && len(img.Tags) > 1 {
		tx.Images.Put(img.WithoutTag(*id.ImageTag))
		return []shape.ImageIdentifier{{ImageDigest: &img.Digest, ImageTag: id.ImageTag}}, "", ""
	}
	for other := range tx.Images.Prefix(repository.ImageKey(r.ARN, "")) {
		if slices.Contains(other.Children, img.Digest) {
			return nil, shape.ImageFailureCodeImageReferencedByManifestList,
				"Requested image referenced by manifest list: [" + other.Digest + "]"
		}
	}
	tx.Images.Delete(img.Key())
	return slices.Collect(identifiers(slices.Values([]*repository.Image{img}))), "", ""
}

func (a *api) putImage(
	ctx context.Context, call *awswire.Call, in *shape.PutImageInput,
) (*shape.PutImageOutput, error) {
	snap := a.store.View()
	r, err := repo(&snap.Tables, call, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	tag, mediaType := request.Value(in.ImageTag), request.Value(in.ImageManifestMediaType)
	img, err := repository.ReadManifest(r.ARN, mediaType, []byte(*in.ImageManifest), call.Now)
	if err != nil {
		return nil, repository.Unsatisfied("ImageManifest", "%v", err)
	}
	if in.ImageDigest != nil && *in.ImageDigest != img.Digest {
		return nil, fault.New(shape.CodeImageDigestDoesNotMatchException,
			"The digest of the manifest is '%s' and not '%s'.", img.Digest, *in.ImageDigest)
	}
	if old, ok := snap.Images.Get(img.Key()); ok && (tag == "" || old.HasTag(tag)) {
		return nil, fault.New(shape.CodeImageAlreadyExistsException,
			"Image with digest '%s' and tag %s already exists in %s", img.Digest, quote(in.ImageTag), where(r))
	}
	if img, err = a.registry.Put(ctx, r, tag, mediaType, []byte(*in.ImageManifest)); err != nil {
		return nil, told(err)
	}
	answer, err := a.answerImage(r, img, in.ImageTag)
	return &shape.PutImageOutput{Image: answer}, err
}
