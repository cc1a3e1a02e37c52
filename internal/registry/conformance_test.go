package registry

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/repository"
)

// push stores content as a blob of the repository chat and returns a descriptor of it.
func (r *rig) push(t testing.TB, content string) string {
	t.Helper()
	digest := blob.Digest([]byte(content))
	if _, err := r.blobs.Put([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digest + `","size":` +
		strconv.Itoa(len(content)) + `}`
}

// Any JSON that is pushed as a manifest is an image or is refused with MANIFEST_INVALID (distribution specification,
// "Error Codes").
func TestManifestsOfOtherTypes(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	config := r.push(t, "{}")
	with := func(field, value string) string {
		return `{"schemaVersion":2,"config":` + config + `,"layers":[],"` + field + `":` + value + `}`
	}
	bodies := []string{"null", "true", "1", `"x"`, "[]", "[{}]", "{}", "", "{} {}", "\xff",
		`{"schemaVersion":"2"}`, `{"schemaVersion":1}`,
		strings.Repeat("[", 20000) + strings.Repeat("]", 20000)}
	for _, field := range []string{"subject", "config", "layers", "manifests", "annotations", "mediaType",
		"artifactType", "schemaVersion"} {
		for _, value := range []string{"1", "true", `"x"`, "[1]", `{"digest":1}`, `{"digest":"x"}`,
			`{"digest":"","size":1}`, `[{"digest":{}}]`, `{"a":1}`} {
			if field == "artifactType" && value == `"x"` {
				continue // any text will do
			}
			bodies = append(bodies, with(field, value))
		}
	}
	for _, body := range bodies {
		for _, mediaType := range []string{repository.DockerManifest, repository.DockerList,
			repository.OCIManifest, repository.OCIIndex,
			repository.OCIManifest + "; charset=utf-8", "text/plain", "not a media type", ""} {
			resp, got := r.request(t, "PUT", "/v2/chat/manifests/1", http.Header{"Content-Type": {mediaType}}, body)
			refused := resp.StatusCode == 400 && strings.Contains(got, `"code":"MANIFEST_INVALID"`)
			if mayPass := strings.HasPrefix(body, `{"schemaVersion":2,`) &&
				resp.StatusCode == 201; !refused && !mayPass {
				t.Errorf("%.120s as %q: %s %s", body, mediaType, resp.Status, got)
			}
		}
	}
	for _, value := range []string{"1", "true", `"x"`, "[]", "{}", `{"digest":1}`, `{"digest":"x","size":1}`} {
		resp, got := r.request(t, "PUT", "/v2/chat/manifests/1",
			http.Header{"Content-Type": {repository.OCIManifest}}, with("subject", value))
		if resp.StatusCode != 400 || !strings.Contains(got, `"code":"MANIFEST_INVALID"`) {
			t.Errorf("subject %s: %s %s", value, resp.Status, got)
		}
	}
	subject := `{"mediaType":"` + repository.OCIManifest + `","digest":"` + blob.Digest([]byte("x")) + `","size":1}`
	resp, got := r.request(t, "PUT", "/v2/chat/manifests/1",
		http.Header{"Content-Type": {repository.OCIManifest + "; charset=utf-8"}}, with("subject", subject))
	if resp.StatusCode != 201 || resp.Header.Get("OCI-Subject") != blob.Digest([]byte("x")) {
		t.Errorf("a good manifest: %s %s %v", resp.Status, got, resp.Header)
	}
}

// FuzzManifest pushes any bytes as a manifest: the answer is never a failure of the server.
func FuzzManifest(f *testing.F) {
	for _, s := range []string{"{}", "null", `{"schemaVersion":2,"config":{"digest":"sha256:0","size":1}}`,
		`{"schemaVersion":2,"subject":[]}`} {
		f.Add(s, repository.OCIManifest)
	}
	f.Fuzz(func(t *testing.T, body, mediaType string) {
		img, err := repository.ReadManifest("arn", mediaType, []byte(body), time.Time{})
		if (img == nil) == (err == nil) {
			t.Fatalf("%v, %v", img, err)
		}
		if img != nil && !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
			t.Fatalf("%q is an image", body)
		}
	})
}

// Chunks must be sent in order. Another chunk is refused with 416, and the answer says where to continue (distribution
// specification, "Pushing a blob in chunks").
func TestChunksOutOfOrder(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	resp, _ := r.request(t, "POST", "/v2/chat/blobs/uploads/", nil, "")
	at := resp.Header.Get("Location")
	digest := blob.Digest([]byte("helloworld"))
	for _, c := range []struct {
		method, query, rng, body string
		status                   int
		code, received           string
	}{
		{"PATCH", "", "5-9", "world", 416, "RANGE_INVALID", "0-0"},
		{"PATCH", "", "0-0", "h", 202, "", "0-0"},
		{"PATCH", "", "1-4", "ello", 202, "", "0-4"},
		{"PATCH", "", "0-4", "hello", 416, "RANGE_INVALID", "0-4"}, // sent again
		{"PATCH", "", "6-9", "orld", 416, "RANGE_INVALID", "0-4"},
		{"PATCH", "", "9-5", "world", 416, "RANGE_INVALID", "0-4"},
		{"PATCH", "", "99999999999999999999-99999999999999999999", "x", 416, "RANGE_INVALID", "0-4"},
		{"PATCH", "", "5-8", "world", 400, "SIZE_INVALID", ""},
		{"PATCH", "", "bytes 5-9/10", "world", 400, "BLOB_UPLOAD_INVALID", ""},
		{"PUT", "?digest=" + digest, "0-4", "hello", 416, "RANGE_INVALID", "0-4"},
		{"PUT", "", "5-9", "world", 400, "DIGEST_INVALID", ""},
		{"PUT", "?digest=" + digest, "5-9", "world", 201, "", ""},
	} {
		resp, body := r.request(t, c.method, at+c.query, http.Header{"Content-Range": {c.rng}}, c.body)
		if resp.StatusCode != c.status || c.code != "" && !strings.Contains(body, `"code":"`+c.code+`"`) {
			t.Errorf("%s %s %s: %s %s", c.method, c.rng, c.body, resp.Status, body)
		}
		if got := resp.Header.Get("Range"); got != c.received {
			t.Errorf("%s %s: Range is %q, want %q", c.method, c.rng, got, c.received)
		}
		if c.status == 416 && resp.Header.Get("Location") != at {
			t.Errorf("%s %s: Location is %q, want %q", c.method, c.rng, resp.Header.Get("Location"), at)
		}
	}
}

func TestUploadIsCancelled(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	resp, _ := r.request(t, "POST", "/v2/chat/blobs/uploads/", nil, "")
	at := resp.Header.Get("Location")
	for _, want := range []int{204, 404} {
		if resp, body := r.request(t, "DELETE", at, nil, ""); resp.StatusCode != want {
			t.Errorf("%s %s, want %d", resp.Status, body, want)
		}
	}
	if resp, _ := r.request(t, "GET", at, nil, ""); resp.StatusCode != 404 {
		t.Errorf("state: %s", resp.Status)
	}
}

// Tags are listed in pages (distribution specification, "Listing Tags"). A page with n=0 is empty and has no Link.
func TestPages(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	body := `{"schemaVersion":2,"config":` + r.push(t, "{}") + `,"layers":[]}`
	for _, tag := range []string{"a", "b"} {
		r.request(t, "PUT", "/v2/chat/manifests/"+tag, http.Header{"Content-Type": {repository.OCIManifest}}, body)
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/v2/chat/tags/list?n=0", 200, `{"name":"chat","tags":[]}`},
		{"/v2/chat/tags/list?n=00&last=a", 200, `{"name":"chat","tags":[]}`},
		{"/v2/_catalog?n=0", 200, `{"repositories":[]}`},
		{"/v2/chat/tags/list?n=5", 200, `{"name":"chat","tags":["a","b"]}`},
		{"/v2/chat/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"},
		{"/v2/chat/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"},
		{"/v2/chat/tags/list?n=99999999999999999999", 400, "PAGINATION_NUMBER_INVALID"},
		{"/v2/_catalog?n=x", 400, "PAGINATION_NUMBER_INVALID"},
		{"/v2/nobody/tags/list?n=0", 404, "NAME_UNKNOWN"},
	} {
		resp, body := r.request(t, "GET", c.path, nil, "")
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) || resp.Header.Get("Link") != "" {
			t.Errorf("%s: %s %s, Link %q", c.path, resp.Status, body, resp.Header.Get("Link"))
		}
	}
}

// Clients can get parts of blobs (RFC 9110 14).
func TestRangesOfBlobs(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	r.push(t, "helloworld")
	at := "/v2/chat/blobs/" + blob.Digest([]byte("helloworld"))
	for rng, want := range map[string]string{
		"bytes=0-4": "206 bytes 0-4/10 hello", "bytes=5-": "206 bytes 5-9/10 world", "bytes=-3": "206 bytes 7-9/10 rld",
		"bytes=5-100": "206 bytes 5-9/10 world", "bytes=10-": "416 bytes */10 ",
		"bytes=20-30": "416 bytes */10 ", "": "200  helloworld",
		"lines=1-2": "416  ",
	} {
		resp, body := r.request(t, "GET", at, http.Header{"Range": {rng}}, "")
		if resp.StatusCode == 416 {
			body = ""
		}
		if got := strconv.Itoa(resp.StatusCode) + " " + resp.Header.Get("Content-Range") + " " + body; got != want {
			t.Errorf("%q: %q, want %q", rng, got, want)
		}
	}
}

// Blobs and manifests answer other methods and invalid names with the right errors.
func TestRefusedRequests(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	r.push(t, "x")
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"DELETE", "/v2/chat/blobs/" + blob.Digest([]byte("x")), 405, "UNSUPPORTED"},
		{"GET", "/v2/chat/blobs/sha256:0", 400, "DIGEST_INVALID"},
		{"GET", "/v2/chat/blobs/" + blob.Digest([]byte("y")), 404, "BLOB_UNKNOWN"},
		{"PUT", "/v2/chat/manifests/.x", 400, "TAG_INVALID"},
		{"PUT", "/v2/chat/manifests/sha256:0", 400, "DIGEST_INVALID"},
		{"GET", "/v2/chat/manifests/none", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/chat/referrers/x", 400, "DIGEST_INVALID"},
		{"POST", "/v2/chat/blobs/uploads/?digest=x", 400, "DIGEST_INVALID"},
		{"POST", "/v2/chat/blobs/uploads/?mount=x&from=chat", 400, "DIGEST_INVALID"},
		{"PATCH", "/v2/chat/manifests/1", 405, ""},
	} {
		resp, body := r.request(t, c.method, c.path, nil, "")
		if resp.StatusCode != c.status || !strings.Contains(body, c.code) {
			t.Errorf("%s %s: %s %s", c.method, c.path, resp.Status, body)
		}
	}
}
