package repository

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReadIndex(t *testing.T) {
	one, two := strings.Replace(zero, "0", "1", 1), strings.Replace(zero, "0", "2", 1)
	body := fmt.Sprintf(`{"schemaVersion":2,"artifactType":"sbom","subject":{"digest":%q,"size":1},
		"manifests":[{"digest":%q,"size":3},{"digest":%q,"size":4}]}`, zero, one, two)
	img, err := ReadManifest("arn", OCIIndex, []byte(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	if img.Size != 0 || len(img.Blobs) != 0 || !slices.Equal(img.Children, []string{one, two}) ||
		img.Subject != zero ||
		img.ArtifactType != "sbom" || img.Key() != "arn@"+img.Digest {
		t.Errorf("%+v", img)
	}
	for what, bad := range map[string]string{
		"subject":    strings.Replace(body, zero, "sha256:0", 1),
		"child":      strings.Replace(body, one, "none", 1),
		"media type": strings.Replace(body, `"subject"`, `"mediaType":"text/plain","subject"`, 1),
		"size":       strings.Repeat(" ", MaxManifest) + body,
	} {
		if _, err := ReadManifest("arn", "", []byte(bad), noon); err == nil {
			t.Errorf("a manifest with a wrong %s is read", what)
		}
	}
}

// Adding and removing tags leaves the image that was there as it was, and a tag never twice.
func TestTagsOfAnImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img := &Image{RepositoryARN: "arn", Digest: "d"}
		want := map[string]bool{}
		for range rapid.IntRange(0, 10).Draw(t, "steps") {
			tag := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tag")
			before := slices.Clone(img.Tags)
			old := img
			if want[tag] = rapid.Bool().Draw(t, "add"); want[tag] {
				img = img.WithTag(tag)
			} else {
				img = img.WithoutTag(tag)
			}
			if !slices.Equal(old.Tags, before) {
				t.Fatalf("the image that was there has now the tags %v, and had %v", old.Tags, before)
			}
		}
		var keys []string
		for _, tag := range []string{"a", "b", "c"} {
			if img.HasTag(tag) != want[tag] {
				t.Fatalf("tag %s of %v: want %v", tag, img.Tags, want[tag])
			}
			if want[tag] {
				keys = append(keys, TagKey("arn", tag))
			}
		}
		if !slices.Equal(img.TagKeys(), keys) {
			t.Fatalf("keys %v, want %v", img.TagKeys(), keys)
		}
	})
}

func TestANewRepository(t *testing.T) {
	r := New("eu-west-2", "123456789012", "team/chat", noon)
	if r.URI() != "123456789012.dkr.ecr.eu-west-2.amazonaws.com/team/chat" ||
		r.ARN != "arn:aws:ecr:eu-west-2:123456789012:repository/team/chat" || r.TagMutability != Mutable ||
		r.EncryptionType != "AES256" || !r.CreatedAt.Equal(noon) || r.Policy+r.LifecyclePolicy != "" {
		t.Errorf("%+v", r)
	}
	c := r.Clone()
	c.Policy = "{}"
	if r.Policy != "" {
		t.Error("a change of the copy has changed the repository")
	}
	if err := NotFound("chat", "1"); err.Code != "RepositoryNotFoundException" || !strings.Contains(err.Message,
		"The repository with name 'chat' does not exist in the registry with id '1'") {
		t.Error(err)
	}
}
