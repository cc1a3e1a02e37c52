package repository

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxManifest is the size in bytes beyond which a manifest is refused, ECR's own bound.
const MaxManifest = 4 << 20

// Media types of manifests that a repository takes. Docker's schema 1 is not among them, as on ECR today.
const (
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	OCIManifest    = ocispec.MediaTypeImageManifest
	OCIIndex       = ocispec.MediaTypeImageIndex
)

// manifest has the members of all four kinds that matter here.
type manifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	ArtifactType  string               `json:"artifactType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	Subject       *ocispec.Descriptor  `json:"subject"`
	Annotations   map[string]string    `json:"annotations"`
}

// ReadManifest makes the image a manifest describes. mediaType is the one it was announced with; ""
// takes the one it names itself. The error's text is for the person who pushed. Whether the blobs
// exist is the caller's to check.
func ReadManifest(repositoryARN, mediaType string, body []byte, pushedAt time.Time) (*Image, error) {
	if len(body) > MaxManifest {
		return nil, fmt.Errorf("manifest has %d bytes, more than the %d allowed", len(body), MaxManifest)
	}
	var m manifest
	if text := bytes.TrimLeft(body, " \t\r\n"); !json.Valid(body) || text[0] != '{' {
		return nil, errors.New("manifest is not a JSON object")
	}
	if err := json.Unmarshal(body, &m); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("manifest: %s is of JSON type %s; it must be %s", wrong.Field, wrong.Value,
				jsonType(wrong.Type.Kind()))
		}
		return nil, fmt.Errorf("manifest: %v", err)
	}
	mediaType, _, _ = strings.Cut(mediaType, ";")
	mediaType = strings.TrimSpace(mediaType)
	if mediaType == "" {
		mediaType = m.MediaType
	}
	switch {
	case m.SchemaVersion != 2:
		return nil, fmt.Errorf("schemaVersion is %d; only 2 is supported", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != mediaType:
		return nil, fmt.Errorf("manifest says mediaType %q but was announced as %q", m.MediaType, mediaType)
	}
	img := &Image{
		RepositoryARN: repositoryARN, Digest: digestOf(body), MediaType: mediaType, ArtifactType: m.ArtifactType,
		ManifestSize: int64(len(body)), Notes: m.Annotations, PushedAt: pushedAt,
	}
	if err := img.readReferences(&m); err != nil {
		return nil, err
	}
	return img, nil
}

// jsonType says what JSON is decoded into a kind of value.
func jsonType(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	}
	return "a number"
}

func (i *Image) readReferences(m *manifest) error {
	if m.Subject != nil {
		if err := m.Subject.Digest.Validate(); err != nil {
			return fmt.Errorf("subject: %v", err)
		}
		i.Subject = m.Subject.Digest.String()
	}
	switch i.MediaType {
	case DockerManifest, OCIManifest:
		return i.readImage(m)
	case DockerList, OCIIndex:
		return i.readIndex(m)
	}
	return fmt.Errorf("media type %q is not one of %s, %s, %s, %s", i.MediaType, DockerManifest, DockerList,
		OCIManifest, OCIIndex)
}

func (i *Image) readImage(m *manifest) error {
	if m.Config == nil {
		return fmt.Errorf("manifest has no config")
	}
	if i.ArtifactType == "" {
		i.ArtifactType = m.Config.MediaType
	}
	for n, d := range append([]ocispec.Descriptor{*m.Config}, m.Layers...) {
		if err := check(d); err != nil {
			return err
		}
		if len(d.URLs) > 0 && strings.Contains(d.MediaType, "foreign") {
			continue // content that is never pushed
		}
		i.Blobs = append(i.Blobs, Blob{Digest: d.Digest.String(), MediaType: d.MediaType, Size: d.Size})
		if n == 0 {
			continue
		}
		if d.Size > math.MaxInt64-i.Size {
			return errors.New("the sizes of the layers add up to more than a number of 64 bits holds")
		}
		i.Size += d.Size
	}
	return nil
}

func (i *Image) readIndex(m *manifest) error {
	for _, d := range m.Manifests {
		if err := check(d); err != nil {
			return err
		}
		i.Children = append(i.Children, d.Digest.String())
	}
	return nil
}

func check(d ocispec.Descriptor) error {
	switch err := d.Digest.Validate(); {
	case err != nil:
		return fmt.Errorf("digest %q: %v", d.Digest, err)
	case d.Digest.Algorithm() != digest.SHA256:
		return fmt.Errorf("digest %q: only sha256 is supported", d.Digest)
	case d.Size < 0:
		return fmt.Errorf("size of %s is negative", d.Digest)
	}
	return nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
