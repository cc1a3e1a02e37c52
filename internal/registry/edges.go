package registry

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociref"
)

// screen refuses by the path alone what the protocol's server tells by another code than the distribution specification wants: a name
// that cannot be one, before the body is looked at, and an upload id that it never gave out.
func screen(path string) error {
	path, _ = strings.CutPrefix(path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		i := strings.LastIndex(path, part)
		if i < 0 {
			continue
		}
		if !ociref.IsValidRepository(path[:i]) {
			return ociregistry.ErrNameInvalid
		}
		id, ok := strings.CutPrefix(path[i+len(part):], "uploads/")
		if _, err := base64.RawURLEncoding.DecodeString(id); part == "/blobs/" && ok && err != nil {
			return ociregistry.ErrBlobUploadUnknown
		}
		return nil
	}
	return nil
}

// lists writes the answers that are lists. The protocol's server makes null of a list of nothing, where the specification says a list;
// it writes each answer in one piece.
type lists struct {
	http.ResponseWriter
	code int
}

// listed returns w for requests whose answer is no list.
func listed(w http.ResponseWriter, req *http.Request) http.ResponseWriter {
	path := req.URL.Path
	if strings.HasSuffix(path, "/tags/list") || strings.Contains(path, "/referrers/") || path == "/v2/_catalog" {
		return &lists{w, http.StatusOK}
	}
	return w
}

// WriteHeader waits for the body, whose length is one of the headers.
func (l *lists) WriteHeader(code int) { l.code = code }

func (l *lists) Write(body []byte) (int, error) {
	out := body
	for _, key := range []string{`"tags":`, `"repositories":`, `"manifests":`} { // in a string the quotes would be escaped
		out = bytes.Replace(out, []byte(key+"null"), []byte(key+"[]"), 1)
	}
	l.Header().Set("Content-Length", strconv.Itoa(len(out)))
	l.ResponseWriter.WriteHeader(l.code)
	if _, err := l.ResponseWriter.Write(out); err != nil {
		return 0, err
	}
	return len(body), nil
}
