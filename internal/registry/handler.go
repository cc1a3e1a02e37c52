package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociref"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// NewHandler serves r under /v2/ to callers that access admits.
func NewHandler(r *Registry, access *Access, logger *slog.Logger) http.Handler {
	h := &handler{registry: r, access: access, logger: logger}
	h.protocol = ociserver.New(r, &ociserver.Options{WriteError: h.writeError})
	return h
}

// handler answers requests for which the distribution specification is stricter than the protocol's server, and
// passes on the rest.
type handler struct {
	registry *Registry
	access   *Access
	logger   *slog.Logger
	protocol http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	user, password, _ := req.BasicAuth()
	if !h.access.admits(user, password) {
		challenge(w, req)
		return
	}
	asked := placeOf(req.URL.Path)
	req = byHost(req.WithContext(withNotes(req.Context())))
	at := placeOf(req.URL.Path)
	if err := h.serve(w, req, at, asked); err != nil {
		h.writeError(w, req, err)
	}
}

func (h *handler) serve(w http.ResponseWriter, req *http.Request, at, asked place) error {
	if err := screen(req, at); err != nil {
		return err
	}
	notes := notesOf(req.Context())
	switch {
	case at.kind == "blobs" && (req.Method == http.MethodGet || req.Method == http.MethodHead):
		return h.serveBlob(w, req, at)
	case at.kind == "uploads" && req.Method == http.MethodDelete:
		return h.cancelUpload(w, at)
	case at.kind == "uploads" && at.reference != "":
		start, err := chunkStart(req)
		if err != nil {
			return err
		}
		notes.chunkStart = start
		req.Header.Del("Content-Range")
	case at.kind == "manifests" && req.Method == http.MethodPut:
		if err := vet(req); err != nil {
			return err
		}
	case (at.kind == "tags" || at.kind == "") && isZero(req.URL.Query().Get("n")):
		notes.nothing = true
	}
	h.protocol.ServeHTTP(listed(w, at, asked.repository), mountable(req, h.registry))
	return nil
}

func isZero(n string) bool { return n != "" && strings.Trim(n, "0") == "" }

// serveBlob answers with content, or with the part that Range asks for (RFC 9110 14).
func (h *handler) serveBlob(w http.ResponseWriter, req *http.Request, at place) error {
	if !ociref.IsValidDigest(at.reference) {
		return status(http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("%q is not a digest", at.reference))
	}
	blob, err := h.registry.GetBlob(req.Context(), at.repository, ociregistry.Digest(at.reference))
	if err != nil {
		return err
	}
	defer blob.Close()
	if req.Method == http.MethodHead { // the client may be about to push the manifest only
		if _, err := h.registry.ResolveBlob(req.Context(), at.repository,
			ociregistry.Digest(at.reference)); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", octets)
	w.Header().Set("Docker-Content-Digest", at.reference)
	w.Header().Set("ETag", `"`+at.reference+`"`)
	http.ServeContent(w, req, "", time.Time{}, blob.(*blobReader).File)
	return nil
}

// cancelUpload ends an upload that its client gives up.
func (h *handler) cancelUpload(w http.ResponseWriter, at place) error {
	if _, err := h.registry.repository(&h.registry.store.View().Tables, at.repository); err != nil {
		return err
	}
	u, err := h.registry.blobs.Resume(at.uploadID())
	if err != nil {
		return wire(err)
	}
	if err := u.Cancel(); err != nil {
		return wire(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// challenge asks for Basic credentials as ECR does.
func challenge(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("WWW-Authenticate", `Basic realm="http://`+req.Host+`/",service="ecr.amazonaws.com"`)
	message := "no basic auth credentials"
	if req.Header.Get("Authorization") != "" {
		message = "Your authorization token is not valid or has expired. Reauthenticate and try again."
	}
	ociregistry.WriteError(w, ociregistry.NewError(message, ociregistry.ErrUnauthorized.Code(), nil))
}

// writeError answers with an error. Errors without a code are failures of this program: the log gets their
// text, and the caller a sentence.
func (h *handler) writeError(w http.ResponseWriter, req *http.Request, err error) {
	err = notesOf(req.Context()).why(err)
	at := placeOf(req.URL.Path)
	if req.Method == http.MethodDelete && at.kind == "blobs" && errors.Is(err, ociregistry.ErrUnsupported) {
		err = status(http.StatusMethodNotAllowed, ociregistry.ErrUnsupported.Code(),
			"blobs are not deleted one by one: they go when no image has used them for a day")
	}
	body, code := marshal(err)
	switch code {
	case http.StatusInternalServerError:
		h.logger.Error("registry request failed", "method", req.Method, "path", req.URL.Path, "error", err)
		body, _ = marshal(status(code, "UNKNOWN", "the registry failed; its log says why"))
	case http.StatusRequestedRangeNotSatisfiable:
		h.tellUpload(w, req, at)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body)
}

// marshal is ociregistry.MarshalError, except for errors with an HTTP status: the answer has that status, and
// its text is not part of the message.
func marshal(err error) (body []byte, code int) {
	own, ok := errors.AsType[ociregistry.HTTPError](err)
	if !ok {
		return ociregistry.MarshalError(err)
	}
	if inner, ok := errors.AsType[ociregistry.Error](errors.Unwrap(own)); ok {
		err = inner
	}
	body, _ = ociregistry.MarshalError(err)
	return body, own.StatusCode()
}

// tellUpload tells the client of a chunk out of order how many bytes of its upload have arrived, so that it can
// continue.
func (h *handler) tellUpload(w http.ResponseWriter, req *http.Request, at place) {
	u, err := h.registry.blobs.Resume(at.uploadID())
	if err != nil {
		return
	}
	w.Header().Set("Location", req.URL.Path)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, u.Size()-1)))
}

var registryHost = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?::[0-9]+)?$`)

// byHost makes the long path of a request that gives account and region in its host name.
func byHost(req *http.Request) *http.Request {
	m := registryHost.FindStringSubmatch(req.Host)
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if m == nil || !ok || rest == "" || strings.HasPrefix(rest, "_") || qualified.MatchString(rest) {
		return req
	}
	out := req.Clone(req.Context())
	out.URL.Path = "/v2/" + Path(m[1], m[2], rest)
	return out
}

// mountable turns a mount of missing content into the start of an upload, as the distribution specification
// requires.
func mountable(req *http.Request, r *Registry) *http.Request {
	if req.Method != http.MethodPost || req.URL.RawQuery == "" {
		return req
	}
	q := req.URL.Query()
	digest := q.Get("mount")
	if digest == "" {
		return req
	}
	if _, ok := r.HasBlob(digest); ok || !ociref.IsValidDigest(digest) {
		return req
	}
	q.Del("mount")
	q.Del("from")
	out := req.Clone(req.Context())
	out.URL.RawQuery = q.Encode()
	return out
}
