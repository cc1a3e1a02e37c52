package registry

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociref"

	"github.com/berthhq/berth/internal/repository"
)

// place is what the path of a request names.
type place struct {
	repository string
	kind       string // "manifests", "blobs", "uploads", "tags", "referrers"; "" for a path without repository
	reference  string // what comes after the kind
}

// placeOf parses a path. Names of repositories may contain words of the protocol, so the last one counts.
func placeOf(path string) place {
	path, _ = strings.CutPrefix(path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		i := strings.LastIndex(path, part)
		if i < 0 {
			continue
		}
		at := place{path[:i], strings.Trim(part, "/"), path[i+len(part):]}
		if id, ok := strings.CutPrefix(at.reference, "uploads/"); ok && at.kind == "blobs" {
			at.kind, at.reference = "uploads", id
		}
		return at
	}
	return place{}
}

// uploadID returns the id in an upload's path, or "" if it cannot be one of this registry.
func (p place) uploadID() string {
	id, err := base64.RawURLEncoding.DecodeString(p.reference)
	if p.kind != "uploads" || err != nil {
		return ""
	}
	return string(id)
}

// screen refuses requests for which the protocol's server would return another code than the distribution
// specification requires: an impossible name, an upload id that was never issued, a page of negative size.
func screen(req *http.Request, at place) error {
	switch {
	case at.kind == "" && req.URL.Path != "/v2/_catalog":
		return nil
	case at.kind != "" && !ociref.IsValidRepository(at.repository):
		return ociregistry.ErrNameInvalid
	case at.kind == "uploads" && at.reference != "" && at.uploadID() == "":
		return ociregistry.ErrBlobUploadUnknown
	case at.kind == "manifests" && strings.Contains(at.reference, ":") && !ociref.IsValidDigest(at.reference):
		return status(http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("%q is not a digest", at.reference))
	case at.kind == "manifests" && req.Method == http.MethodPut && !ociref.IsValidDigest(at.reference) &&
		!ociref.IsValidTag(at.reference):
		return status(http.StatusBadRequest, "TAG_INVALID",
			fmt.Sprintf("%q is not a tag: a tag has at most 128 of A-Z, a-z, 0-9, \"_\", \".\", \"-\"", at.reference))
	case at.kind == "tags" || at.kind == "":
		if n := req.URL.Query().Get("n"); n != "" {
			if _, err := strconv.ParseUint(n, 10, 31); err != nil {
				return status(http.StatusBadRequest, "PAGINATION_NUMBER_INVALID",
					fmt.Sprintf("n is %q; it must be a number of entries", n))
			}
		}
	}
	return nil
}

// vet reads the manifest of a request and refuses what cannot be one; the protocol's server would report that
// as its own failure. The Content-Type becomes a plain media type; if it is missing, it is taken from the
// manifest.
func vet(req *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, repository.MaxManifest+1))
	req.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return status(http.StatusBadRequest, "MANIFEST_INVALID", "the manifest did not arrive whole")
	}
	var mediaType string
	if announced := req.Header.Get("Content-Type"); announced != "" {
		if mediaType, _, err = mime.ParseMediaType(announced); err != nil {
			return status(http.StatusBadRequest, "MANIFEST_INVALID",
				fmt.Sprintf("Content-Type is %q, which is not a media type", announced))
		}
	}
	img, err := repository.ReadManifest("", mediaType, body, time.Time{})
	if err != nil {
		return status(http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
	}
	req.Header.Set("Content-Type", img.MediaType)
	return nil
}

var contentRange = regexp.MustCompile(`^([0-9]+)-([0-9]+)$`)

// chunkStart returns the offset of a chunk in its upload, from Content-Range; -1 if the request does not say.
func chunkStart(req *http.Request) (int64, error) {
	text := req.Header.Get("Content-Range")
	if text == "" {
		return -1, nil
	}
	m := contentRange.FindStringSubmatch(text)
	if m == nil {
		return 0, status(http.StatusBadRequest, "BLOB_UPLOAD_INVALID",
			fmt.Sprintf("Content-Range is %q; it must be FIRST-LAST, as in 0-1023", text))
	}
	first, err := strconv.ParseInt(m[1], 10, 64)
	last, err2 := strconv.ParseInt(m[2], 10, 64)
	switch {
	case err != nil || err2 != nil || last < first:
		return 0, status(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID",
			fmt.Sprintf("Content-Range is %q, which is not a range", text))
	case req.ContentLength >= 0 && req.ContentLength != last-first+1:
		return 0, status(http.StatusBadRequest, "SIZE_INVALID",
			fmt.Sprintf("Content-Range is %q, but the chunk has %d bytes", text, req.ContentLength))
	}
	return first, nil
}
