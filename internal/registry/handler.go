package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociserver"

	"github.com/berthhq/berth/internal/repository"
)

// NewHandler serves r under /v2/ to those the gate admits.
func NewHandler(r *Registry, gate *Gate, logger *slog.Logger) http.Handler {
	protocol := ociserver.New(r, &ociserver.Options{
		WriteError: func(w http.ResponseWriter, req *http.Request, err error) { writeError(w, req, err, logger) },
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req = req.WithContext(withRefusal(req.Context()))
		w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
		user, password, _ := req.BasicAuth()
		if !gate.admits(user, password) {
			challenge(w, req)
			return
		}
		if err := screen(req.URL.Path); err != nil {
			writeError(w, req, err, logger)
			return
		}
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/") {
			if err := vet(req); err != nil {
				writeError(w, req, err, logger)
				return
			}
		}
		protocol.ServeHTTP(listed(w, req), mountable(byHost(req), r))
	})
}

// vet reads the manifest of a request and refuses what the protocol's server would take for a failure of ours: too many bytes, or no JSON.
func vet(req *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, repository.MaxManifest+1))
	req.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case err != nil:
		return status(http.StatusBadRequest, "MANIFEST_INVALID", "the manifest did not arrive whole")
	case len(body) > repository.MaxManifest:
		return status(http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("the manifest has more than %d bytes", repository.MaxManifest))
	case !json.Valid(body):
		return status(http.StatusBadRequest, "MANIFEST_INVALID", "the manifest is not JSON")
	}
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

// writeError answers an error. Those without a code are our own failures: the log has their text and the caller a sentence.
func writeError(w http.ResponseWriter, req *http.Request, err error, logger *slog.Logger) {
	err = refusalOf(req.Context()).why(err)
	body, code := ociregistry.MarshalError(err)
	if code == http.StatusInternalServerError {
		logger.Error("registry request failed", "method", req.Method, "path", req.URL.Path, "error", err)
		body, _ = ociregistry.MarshalError(status(code, "UNKNOWN", "the registry failed; its log says why"))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body)
}

var registryHost = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?::[0-9]+)?$`)

// byHost makes the long path of a request that names account and region by its host.
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

// mountable turns a mount of content that is not here into the beginning of an upload, as the distribution specification wants.
func mountable(req *http.Request, r *Registry) *http.Request {
	if req.Method != http.MethodPost || req.URL.RawQuery == "" {
		return req
	}
	q := req.URL.Query()
	digest := q.Get("mount")
	if digest == "" {
		return req
	}
	if _, ok := r.HasBlob(digest); ok {
		return req
	}
	q.Del("mount")
	q.Del("from")
	out := req.Clone(req.Context())
	out.URL.RawQuery = q.Encode()
	return out
}
