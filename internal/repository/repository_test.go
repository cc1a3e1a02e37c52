package repository

import (
	"strings"
	"testing"
	"time"
)

func TestValidateName(t *testing.T) {
	for s, ok := range map[string]bool{
		"chat": true, "team/chat-node": true, "a.b_c-d/e1": true, "a": false, "Chat": false, "/a": false, "a//b": false,
		"a-": false, "": false, strings.Repeat("a", 257): false, "ab@c": false,
	} {
		if err := ValidateName(s); (err == nil) != ok {
			t.Errorf("ValidateName(%q) = %v", s, err)
		}
	}
}

const zero = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestReadManifest(t *testing.T) {
	body := []byte(`{"schemaVersion":2,"mediaType":"` + DockerManifest +
		`","config":{"mediaType":"c","digest":"` + zero + `","size":5},
		"layers":[{"mediaType":"l","digest":"` + zero + `","size":7},{"mediaType":"l","digest":"` +
		zero + `","size":8}]}`)
	img, err := ReadManifest("arn", DockerManifest, body, time.Unix(9, 0))
	if err != nil {
		t.Fatal(err)
	}
	if img.Size != 15 || len(img.Blobs) != 3 || img.ArtifactType != "c" || img.ManifestSize != int64(len(body)) {
		t.Errorf("%+v", img)
	}
	for what, bad := range map[string]string{
		"not JSON":   `{`,
		"schema 1":   `{"schemaVersion":1}`,
		"no config":  `{"schemaVersion":2}`,
		"sha512":     `{"schemaVersion":2,"config":{"digest":"sha512:00"}}`,
		"other type": `{"schemaVersion":2,"mediaType":"application/json"}`,
		"size":       `{"schemaVersion":2,"config":{"digest":"` + zero + `","size":-1}}`,
	} {
		if _, err := ReadManifest("arn", DockerManifest, []byte(bad), time.Time{}); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add("", []byte(`{"schemaVersion":2,"mediaType":"`+OCIIndex+`","manifests":[{"digest":"`+zero+
		`","size":1}],"subject":{"digest":"`+zero+`"}}`))
	f.Add(OCIManifest, []byte(`{"schemaVersion":2,"config":{"digest":"`+zero+`"},"layers":null}`))
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		img, err := ReadManifest("arn", mediaType, body, time.Time{})
		if err == nil && (img.Size < 0 || img.Digest != digestOf(body)) {
			t.Errorf("%+v", img)
		}
	})
}
