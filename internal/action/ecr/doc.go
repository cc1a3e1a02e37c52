// Package ecr has the actions of Amazon ECR. Repositories and images are rows in state, which
// docker pushes change through package registry; content is package registry's.
//
// Repository policies are stored and returned: every principal of an account may do everything in
// Berth. Scanning, replication, pull-through caches and tag mutability with exclusions are refused
// by name.
package ecr

import (
	"errors"
	"fmt"
	"syscall"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store     *state.Store
	registry  *registry.Registry
	passwords *registry.Passwords
}

// Service returns the actions of Amazon ECR.
func Service(store *state.Store, reg *registry.Registry, passwords *registry.Passwords) awswire.Service {
	a := &api{store, reg, passwords}
	const exclusions = "imageTagMutabilityExclusionFilters"
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.JSON11},
		TargetPrefix:   shape.TargetPrefix,
		ValidationCode: shape.CodeInvalidParameterException,
		MaxBody:        partSize*4/3 + 1<<20, // UploadLayerPart in base 64
		Operations: append(awswire.Absent(shape.Absent), []awswire.Operation{
			awswire.Op("CreateRepository", a.createRepository).Refuses(exclusions),
			awswire.Op("DescribeRepositories", a.describeRepositories),
			awswire.Op("DeleteRepository", a.deleteRepository),
			awswire.Op("DescribeRegistry", a.describeRegistry),
			awswire.Op("GetAuthorizationToken", a.getAuthorizationToken),
			awswire.Op("ListImages", a.listImages),
			awswire.Op("DescribeImages", a.describeImages),
			awswire.Op("BatchGetImage", a.batchGetImage),
			awswire.Op("BatchDeleteImage", a.batchDeleteImage),
			awswire.Op("PutImage", a.putImage),
			awswire.Op("PutImageTagMutability", a.putImageTagMutability).Refuses(exclusions),
			awswire.Op("PutImageScanningConfiguration", a.putImageScanningConfiguration),
			awswire.Op("BatchCheckLayerAvailability", a.batchCheckLayerAvailability),
			awswire.Op("GetDownloadUrlForLayer", a.getDownloadURLForLayer),
			awswire.Op("InitiateLayerUpload", a.initiateLayerUpload),
			awswire.Op("UploadLayerPart", a.uploadLayerPart),
			awswire.Op("CompleteLayerUpload", a.completeLayerUpload),
			awswire.Op("SetRepositoryPolicy", a.setRepositoryPolicy),
			awswire.Op("GetRepositoryPolicy", a.getRepositoryPolicy),
			awswire.Op("DeleteRepositoryPolicy", a.deleteRepositoryPolicy),
			awswire.Op("PutLifecyclePolicy", a.putLifecyclePolicy),
			awswire.Op("GetLifecyclePolicy", a.getLifecyclePolicy),
			awswire.Op("DeleteLifecyclePolicy", a.deleteLifecyclePolicy),
			awswire.Op("TagResource", a.tagResource),
			awswire.Op("UntagResource", a.untagResource),
			awswire.Op("ListTagsForResource", a.listTagsForResource),
		}...),
	}
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameterException, format, args...)
}

// account is the registry a call means: the caller's own unless it says otherwise.
func account(call *awswire.Call, registryID *string) string {
	if registryID != nil {
		return *registryID
	}
	return call.Account
}

// repo finds the repository a call means.
func repo(tables *state.Tables, call *awswire.Call, registryID, name *string) (*repository.Repository, error) {
	if err := repository.ValidateName(*name); err != nil {
		return nil, err
	}
	id := account(call, registryID)
	r, ok := tables.Repositories.Get(repository.ARN(call.Region, id, *name))
	if !ok {
		return nil, repository.NotFound(*name, id)
	}
	return r, nil
}

// in words the place of a thing: "in the repository with name 'a' in the registry with id '1'".
func where(r *repository.Repository) string {
	return fmt.Sprintf("the repository with name '%s' in the registry with id '%s'", r.Name, r.Account)
}

// told turns an error of the registry into one of this service.
func told(err error) error {
	var oci ociregistry.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fault.New(shape.CodeServerException,
			"There is no space left on the registry's disk; nothing was stored.").WithStatus(507).With(err)
	case !errors.As(err, &oci):
		return err
	}
	switch oci.Code() {
	case ociregistry.ErrManifestBlobUnknown.Code():
		return fault.New(shape.CodeLayersNotFoundException, "%s", message(err))
	case ociregistry.ErrBlobUploadUnknown.Code():
		return fault.New(shape.CodeUploadNotFoundException, "The upload with the given id does not exist.")
	case ociregistry.ErrRangeInvalid.Code():
		return fault.New(shape.CodeInvalidLayerPartException, "%s", message(err))
	case ociregistry.ErrDigestInvalid.Code():
		return fault.New(shape.CodeInvalidLayerException, "%s", message(err))
	}
	return invalid("%s", message(err))
}

// message is an error's text without the code of the distribution protocol.
func message(err error) string {
	if e, ok := errors.AsType[*ociregistry.WireError](err); ok {
		return e.Message
	}
	return err.Error()
}
