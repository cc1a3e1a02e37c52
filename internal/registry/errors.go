package registry

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/registry/blob"
)

// wire turns an error of the rooms below into one of the distribution protocol: a code of its list and a sentence for the person at
// the docker command line. What it does not know is the program's own failure and becomes a 500.
func wire(err error) error {
	var known ociregistry.Error
	f, isFault := errors.AsType[*fault.Error](err)
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case noSpace(err):
		return status(http.StatusInsufficientStorage, "UNKNOWN", "there is no space left on the registry's disk; nothing was stored")
	case errors.Is(err, blob.ErrDigest):
		return ociregistry.NewError(err.Error(), ociregistry.ErrDigestInvalid.Code(), nil)
	case errors.Is(err, blob.ErrUploadUnknown):
		return ociregistry.ErrBlobUploadUnknown
	case errors.Is(err, blob.ErrOffset):
		return ociregistry.NewError(err.Error(), ociregistry.ErrRangeInvalid.Code(), nil)
	case errors.Is(err, fs.ErrNotExist):
		return ociregistry.ErrBlobUnknown
	case isFault && f.Code == "ImageTagAlreadyExistsException": // ecs.md 8.1
		return status(http.StatusBadRequest, "TAG_INVALID", f.Message)
	}
	return err
}

func status(code int, name, message string) error {
	return ociregistry.NewHTTPError(ociregistry.NewError(message, name, nil), code, nil, nil)
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// refusal is why a request's bytes could not be written. The protocol's server passes on the text of such errors only, so the reason is kept
// beside it, in the request's context, for writeError.
type refusal struct{ err error }

type refusalKey struct{}

func withRefusal(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusalKey{}, new(refusal))
}

// refusalOf is nil outside of a request.
func refusalOf(ctx context.Context) *refusal {
	r, _ := ctx.Value(refusalKey{}).(*refusal)
	return r
}

func (r *refusal) note(err error) {
	if r != nil && err != nil {
		r.err = err
	}
}

// why is the noted reason, or err when there is none.
func (r *refusal) why(err error) error {
	if r == nil || r.err == nil {
		return err
	}
	return r.err
}
