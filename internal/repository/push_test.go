package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

// A repository is a map from tags to digests, and a set of digests that a push only adds to. A push never changes an
// image that was stored before, and writes nothing if it changes nothing. An IMMUTABLE repository refuses to move a tag
// (ecs.md 8.1).
func TestPushesEqualAMapOfTags(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := New("us-east-1", "123456789012", "web", noon)
		if rapid.Bool().Draw(rt, "immutable") {
			r.TagMutability = Immutable
		}
		images := map[string]*Image{} // as state keeps them
		tags := map[string]string{}   // the model
		digests := map[string]bool{}
		for range rapid.IntRange(1, 20).Draw(rt, "pushes") {
			pushed := &Image{RepositoryARN: r.ARN, Digest: fmt.Sprint("d", rapid.IntRange(0, 3).Draw(rt, "digest")),
				PushedAt: noon}
			tag := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "tag")
			before := map[*Image][]string{pushed: nil}
			for _, img := range images {
				before[img] = slices.Clone(img.Tags)
			}
			writes, err := r.Put(pushed, images[pushed.Digest], images[tags[tag]], tag)
			refused := r.TagMutability == Immutable && tags[tag] != "" && tags[tag] != pushed.Digest
			if (err != nil) != refused {
				rt.Fatalf("a push of %s as %q to a repository that is %s with %v: %v", pushed.Digest, tag,
					r.TagMutability, tags, err)
			}
			nothing := refused || digests[pushed.Digest] && (tag == "" || tags[tag] == pushed.Digest)
			if (len(writes) == 0) != nothing {
				rt.Fatalf("a push of %s as %q writes %d images", pushed.Digest, tag, len(writes))
			}
			for _, w := range writes {
				images[w.Digest] = w
			}
			if !refused {
				digests[pushed.Digest] = true
			}
			if tag != "" && !refused {
				tags[tag] = pushed.Digest
			}
			for img, had := range before {
				if !slices.Equal(img.Tags, had) {
					rt.Fatalf("an image that was there has the tags %q, had %q", img.Tags, had)
				}
			}
			comparePushed(rt, images, tags, digests)
		}
	})
}

func comparePushed(rt *rapid.T, images map[string]*Image, tags map[string]string, digests map[string]bool) {
	found := map[string]string{}
	for digest, img := range images {
		if img.Digest != digest || !digests[digest] || !img.PushedAt.Equal(noon) {
			rt.Fatalf("under %s there is %+v", digest, img)
		}
		if !slices.IsSorted(img.Tags) {
			rt.Fatalf("the tags %q are not in order", img.Tags)
		}
		for _, tag := range img.Tags {
			if other, twice := found[tag]; twice {
				rt.Fatalf("tag %q is at %s and at %s", tag, other, digest)
			}
			found[tag] = digest
		}
	}
	if !maps.Equal(found, tags) || len(images) != len(digests) {
		rt.Fatalf("%d images with the tags %v, want %d with %v", len(images), found, len(digests), tags)
	}
}

// The keys of a repository's images are one range of keys, in which no other repository has any, however alike the
// names are.
func TestImageKeys(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"web", "web/a", "web-a", "web.a", "we", "a/web"} {
		for _, region := range []string{"us-east-1", "us-east-10"} {
			arn := ARN(region, "123456789012", name)
			img := &Image{RepositoryARN: arn, Digest: "sha256:00", Tags: []string{"a", "b"}}
			for _, key := range append(img.TagKeys(), img.Key()) {
				if seen[key] != "" {
					t.Errorf("%s and %s have the key %s", seen[key], img.RepositoryARN, key)
				}
				seen[key] = img.RepositoryARN
			}
		}
	}
	for key, repository := range seen {
		for _, other := range seen {
			if strings.HasPrefix(key, ImageKey(other, "")) && other != repository {
				t.Errorf("%s of %s is among the images of %s", key, repository, other)
			}
		}
	}
	if len(seen) != 36 {
		t.Errorf("%d keys of 12 images with 2 tags", len(seen))
	}
}

// named reads a name one character after another, by the words of ECR's API reference: parts between slashes, each of
// lower-case letters and digits, with a single sign between two of them.
func named(s string) bool {
	if len(s) < 2 || len(s) > 256 {
		return false
	}
	sign := true // a sign is not allowed here, nor the end
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			sign = false
		case sign || !strings.ContainsRune("._-/", r):
			return false
		default:
			sign = true
		}
	}
	return !sign
}

// The URI of a repository begins with its registry's host, and what follows is the name again.
func TestNamesAndURIs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringMatching(`[a-c0_./-]{0,9}|[a-z]{254,258}|[a-zA-Z @:]{1,4}`).Draw(rt, "name")
		err := ValidateName(s)
		if (err == nil) != named(s) || err != nil && !errors.Is(err, fault.New("InvalidParameterException", "")) {
			rt.Fatalf("ValidateName(%q): %v", s, err)
		}
		if !named(s) {
			return
		}
		r := New("eu-west-2", "123456789012", s, noon)
		host, name, _ := strings.Cut(r.URI(), "/")
		if host != Host("eu-west-2", "123456789012") || name != s || !strings.HasSuffix(r.ARN, ":repository/"+s) {
			rt.Fatalf("%q has the URI %s and the ARN %s", s, r.URI(), r.ARN)
		}
	})
}

// drawDescriptor draws a reference to content.
func drawDescriptor(rt *rapid.T) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: rapid.SampledFrom([]string{"application/vnd.oci.image.layer.v1.tar+gzip",
			"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}).Draw(rt, "media type"),
		Digest: digest.FromString(rapid.StringMatching(`[a-d]`).Draw(rt, "content")),
		Size:   rapid.Int64Range(0, 1<<40).Draw(rt, "size"),
		URLs:   rapid.SliceOfN(rapid.Just("https://example.com/layer"), 0, 1).Draw(rt, "urls"),
	}
}

// The image has everything that a manifest lists, in its order: the config, the layers that are pushed, and
// the sum of their sizes.
func TestReadManifestKeepsWhatIsListed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		config := drawDescriptor(rt)
		config.MediaType, config.URLs = "application/vnd.oci.image.config.v1+json", nil
		m := ocispec.Manifest{Config: config, MediaType: OCIManifest,
			ArtifactType: rapid.SampledFrom([]string{"", "application/vnd.example"}).Draw(rt, "artifact type"),
			Annotations:  map[string]string{"org.opencontainers.image.title": "x"}}
		m.SchemaVersion = 2
		want := []Blob{{config.Digest.String(), config.MediaType, config.Size}}
		var size int64
		for range rapid.IntRange(0, 4).Draw(rt, "layers") {
			d := drawDescriptor(rt)
			m.Layers = append(m.Layers, d)
			if len(d.URLs) == 1 && strings.Contains(d.MediaType, "foreign") {
				continue
			}
			want, size = append(want, Blob{d.Digest.String(), d.MediaType, d.Size}), size+d.Size
		}
		subject := ""
		if rapid.Bool().Draw(rt, "subject") {
			m.Subject = &ocispec.Descriptor{Digest: digest.FromString("subject")}
			subject = m.Subject.Digest.String()
		}
		body, err := json.Marshal(m)
		if err != nil {
			rt.Fatal(err)
		}
		announced := rapid.SampledFrom([]string{
			"", OCIManifest, OCIManifest + "; charset=utf-8", OCIManifest + " ;a=b",
		}).Draw(rt, "announced")
		img, err := ReadManifest("r", announced, body, noon)
		if err != nil {
			rt.Fatal(err)
		}
		kind := m.ArtifactType
		if kind == "" {
			kind = config.MediaType
		}
		if img.MediaType != OCIManifest || img.ArtifactType != kind || img.Subject != subject || img.Size != size ||
			!slices.Equal(img.Blobs, want) || img.Notes["org.opencontainers.image.title"] != "x" ||
			img.Digest != digest.FromBytes(body).String() || img.ManifestSize != int64(len(body)) ||
			!img.PushedAt.Equal(noon) || img.Children != nil {
			rt.Fatalf("%s\nis %+v", body, img)
		}
	})
}

// An index has children and neither blobs nor a size; of both kinds of indexes and of manifests.
func TestKindsOfManifests(t *testing.T) {
	one, two := digest.FromString("1"), digest.FromString("2")
	for kind, isIndex := range map[string]bool{
		DockerManifest: false, OCIManifest: false, DockerList: true, OCIIndex: true,
	} {
		body := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q},
			"manifests":[{"digest":%q,"size":7},{"digest":%q}]}`, one, two, one)
		img, err := ReadManifest("r", kind, []byte(body), noon)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		var children []string
		if isIndex {
			children = []string{two.String(), one.String()}
		}
		if !slices.Equal(img.Children, children) || (len(img.Blobs) == 0) != isIndex || img.Size != 0 {
			t.Errorf("%s is %+v", kind, img)
		}
	}
}

// Bounds of what a manifest may say: its length, and sizes whose sum is a number.
func TestManifestsAtTheirLimits(t *testing.T) {
	layers := func(sizes ...int64) string {
		var all []string
		for _, n := range sizes {
			all = append(all, fmt.Sprintf(`{"digest":%q,"size":%d}`, zero, n))
		}
		return `{"schemaVersion":2,"config":{"digest":"` + zero + `"},"layers":[` + strings.Join(all, ",") + `]}`
	}
	long := func(n int) string { body := layers(1); return body + strings.Repeat(" ", n-len(body)) }
	for name, c := range map[string]struct{ body, want string }{
		"as long as allowed":   {long(MaxManifest), ""},
		"longer":               {long(MaxManifest + 1), "more than the 4194304 allowed"},
		"the largest size":     {layers(math.MaxInt64-1, 1), ""},
		"sizes beyond numbers": {layers(math.MaxInt64, 1), "add up to more than"},
		"a layer of null":      {strings.Replace(layers(1), `"layers":[{`, `"layers":[null,{`, 1), "digest"},
		"two values":           {layers(1) + layers(1), "not a JSON object"},
		"nothing":              {"", "not a JSON object"},
	} {
		_, err := ReadManifest("r", DockerManifest, []byte(c.body), time.Time{})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
