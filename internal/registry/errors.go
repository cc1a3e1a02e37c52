package registry

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"cuelabs.dev/go/oci/ociregistry"

	"github.com/berthhq/berth/internal/budget"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/registry/blob"
)

// wire turns an error into one of the distribution protocol: a code of its list, and a sentence for the person
// at the docker command. An unknown error is a failure of this program and becomes a 500.
func wire(err error) error {
	var known ociregistry.Error
	f, isFault := errors.AsType[*fault.Error](err)
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, new(*budget.Full)):
		return status(http.StatusForbidden, ociregistry.ErrDenied.Code(), err.Error())
	case noSpace(err):
		return status(http.StatusInsufficientStorage, "UNKNOWN",
			"there is no space left on the registry's disk; nothing was stored")
	case errors.Is(err, blob.ErrDigest):
		return ociregistry.NewError(err.Error(), ociregistry.ErrDigestInvalid.Code(), nil)
	case errors.Is(err, blob.ErrUploadUnknown):
		return ociregistry.ErrBlobUploadUnknown
	case errors.Is(err, blob.ErrTooManyUploads):
		return status(http.StatusTooManyRequests, "TOOMANYREQUESTS",
			err.Error()+": finish or cancel some, or try again in a minute")
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

// notes are facts about a request that the protocol's server does not pass on. They travel in the request's
// context.
type notes struct {
	refused    error // why bytes could not be written; the protocol's server keeps only the text of such errors
	chunkStart int64 // the offset of the chunk in its upload, -1 if the client did not say
	nothing    bool  // the client asked for a page of zero entries
}

type notesKey struct{}

func withNotes(ctx context.Context) context.Context {
	return context.WithValue(ctx, notesKey{}, &notes{chunkStart: -1})
}

// notesOf returns nil outside a request.
func notesOf(ctx context.Context) *notes {
	n, _ := ctx.Value(notesKey{}).(*notes)
	return n
}

func (n *notes) refuse(err error) {
	if n != nil && err != nil {
		n.refused = err
	}
}

// why returns the noted reason, or err if there is none.
func (n *notes) why(err error) error {
	if n == nil || n.refused == nil {
		return err
	}
	return n.refused
}

func (n *notes) wantsNothing() bool { return n != nil && n.nothing }
