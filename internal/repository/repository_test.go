package repository

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
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

func TestURI(t *testing.T) {
	r := New("eu-west-2", "123456789012", "team/chat", time.Unix(0, 0))
	if got := r.URI(); got != "123456789012.dkr.ecr.eu-west-2.amazonaws.com/team/chat" {
		t.Error(got)
	}
	if r.ARN != "arn:aws:ecr:eu-west-2:123456789012:repository/team/chat" {
		t.Error(r.ARN)
	}
}

// A tag points at one image at most, whatever is pushed, and in an IMMUTABLE repository never at another one than before
// (ecs.md 8.1: IMMUTABLE tags refuse re-push).
func TestTagsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New("us-east-1", "1", "web", time.Unix(0, 0))
		if rapid.Bool().Draw(t, "immutable") {
			r.TagMutability = Immutable
		}
		images := map[string]*Image{}
		for range rapid.IntRange(1, 20).Draw(t, "pushes") {
			pushed := &Image{RepositoryARN: r.ARN, Digest: fmt.Sprintf("d%d", rapid.IntRange(0, 3).Draw(t, "digest"))}
			tag := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "tag")
			before := holder(images, tag)
			puts, err := r.Put(pushed, images[pushed.Digest], before, tag)
			for _, p := range puts {
				images[p.Digest] = p
			}
			after := holder(images, tag)
			switch {
			case err != nil && (r.TagMutability == Mutable || before == nil || before.Digest == pushed.Digest):
				t.Fatalf("refused for no reason: %v", err)
			case err != nil && after != before:
				t.Fatal("a refused push changed something")
			case err == nil && images[pushed.Digest] == nil:
				t.Fatal("the pushed image is not there")
			case err == nil && tag != "" && (after == nil || after.Digest != pushed.Digest):
				t.Fatalf("tag %q is at %v after the push of %s", tag, after, pushed.Digest)
			}
		}
	})
}

func holder(images map[string]*Image, tag string) *Image {
	var found *Image
	for _, k := range slices.Sorted(maps.Keys(images)) {
		if tag != "" && images[k].HasTag(tag) {
			if found != nil {
				panic("two images have tag " + tag)
			}
			found = images[k]
		}
	}
	return found
}

const zero = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestReadManifest(t *testing.T) {
	body := []byte(`{"schemaVersion":2,"mediaType":"` + DockerManifest + `","config":{"mediaType":"c","digest":"` + zero + `","size":5},
		"layers":[{"mediaType":"l","digest":"` + zero + `","size":7},{"mediaType":"l","digest":"` + zero + `","size":8}]}`)
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
	f.Add("", []byte(`{"schemaVersion":2,"mediaType":"`+OCIIndex+`","manifests":[{"digest":"`+zero+`","size":1}],"subject":{"digest":"`+zero+`"}}`))
	f.Add(OCIManifest, []byte(`{"schemaVersion":2,"config":{"digest":"`+zero+`"},"layers":null}`))
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		img, err := ReadManifest("arn", mediaType, body, time.Time{})
		if err == nil && (img.Size < 0 && len(img.Blobs) < 2 || img.Digest != digestOf(body)) {
			t.Errorf("%+v", img)
		}
	})
}
