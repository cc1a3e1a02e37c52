package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociclient"

	"github.com/berthhq/berth/internal/image"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

// tiny is an image of one small file.
func tiny(t *testing.T, content string) *image.Image {
	t.Helper()
	img, err := image.Build(image.Config{}, []image.File{{Path: "/hello", Mode: 0o644, Content: []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func (r *rig) auth() image.Auth {
	password, _ := r.passwords.Mint(time.Now())
	return image.Auth{User: User, Password: password}
}

func (r *rig) request(t *testing.T, method, path string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	auth := r.auth()
	req.SetBasicAuth(auth.User, auth.Password)
	for k, v := range header {
		req.Header[k] = v
	}
	if h := header.Get("Host"); h != "" {
		req.Host = h
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestPushIsVisibleInStateAndByEveryName(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	r.create(t, "eu-west-2", "chat", repository.Mutable)
	img := tiny(t, "hello")
	if err := image.Push(t.Context(), r.host+"/chat:1", img, r.auth()); err != nil {
		t.Fatal(err)
	}
	row, ok := r.store.View().Images.Get(repository.ImageKey(repository.ARN(region, account, "chat"), img.Digest()))
	if !ok || !slices.Equal(row.Tags, []string{"1"}) || row.Size == 0 {
		t.Fatalf("row %+v", row)
	}
	for path, want := range map[string]int{
		"/v2/chat/manifests/1":                                  200,
		"/v2/" + account + "/" + region + "/chat/manifests/1":   200,
		"/v2/" + account + "/eu-west-2/chat/manifests/1":        404, // regions do not see each other
		"/v2/chat/manifests/" + img.Digest():                    200,
		"/v2/chat/manifests/2":                                  404,
		"/v2/nobody/manifests/1":                                404,
		"/v2/chat/blobs/" + row.Blobs[0].Digest:                 200,
		"/v2/chat/blobs/sha256:" + strings.Repeat("0", 64):      404,
		"/v2/chat/manifests/sha256:" + strings.Repeat("0", 64):  404,
		"/v2/chat/blobs/sha256:nonsense":                        400,
		"/v2/UPPER/manifests/1":                                 400,
		"/v2/chat/referrers/sha256:" + strings.Repeat("0", 64):  200,
		"/v2/" + account + "/" + region + "/nobody/manifests/1": 404,
	} {
		if resp, body := r.request(t, "GET", path, nil, ""); resp.StatusCode != want {
			t.Errorf("GET %s = %s %s, want %d", path, resp.Status, body, want)
		}
	}
	byHost := http.Header{"Host": {repository.Host(region, account)}}
	if resp, body := r.request(t, "GET", "/v2/chat/manifests/1", byHost, ""); resp.StatusCode != 200 {
		t.Errorf("by host: %s %s", resp.Status, body)
	}
	byHost.Set("Host", repository.Host("eu-west-2", account))
	if resp, _ := r.request(t, "GET", "/v2/chat/manifests/1", byHost, ""); resp.StatusCode != 404 {
		t.Errorf("by the host of another region: %s", resp.Status)
	}
}

// A name without a region means the server's region, or else the only region that has such a repository.
func TestBareNameFindsTheOnlyRegion(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CreateOnPush = true })
	images := func(region string) int {
		n := 0
		for range r.store.View().Images.Prefix(repository.ARN(region, account, "chat")) {
			n++
		}
		return n
	}
	push := func(content string) {
		t.Helper()
		if err := image.Push(t.Context(), r.host+"/chat:1", tiny(t, content), r.auth()); err != nil {
			t.Fatal(err)
		}
	}
	r.create(t, "eu-west-2", "chat", repository.Mutable)
	push("one")
	if resp, body := r.request(t, "DELETE", "/v2/chat/manifests/1", nil, ""); images("eu-west-2") != 1 ||
		resp.StatusCode != http.StatusAccepted {
		t.Errorf("eu-west-2 has %d images; the tag's deletion: %s %s", images("eu-west-2"), resp.Status, body)
	}
	if resp, _ := r.request(t, "GET", "/v2/chat/manifests/1", nil, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the deleted tag: %s", resp.Status)
	}
	r.create(t, "eu-west-1", "chat", repository.Mutable) // now there are two such regions
	push("two")
	push("three")
	if images("eu-west-2") != 1 || images("eu-west-1") != 0 || images(region) != 2 {
		t.Errorf("images: eu-west-2 %d, eu-west-1 %d, %s %d", images("eu-west-2"), images("eu-west-1"),
			region, images(region))
	}
}

// ECR refuses a push to a repository that does not exist; with CreateOnPush it is made.
func TestUnknownRepository(t *testing.T) {
	err := image.Push(t.Context(), newRig(t, nil).host+"/chat:1", tiny(t, "x"),
		image.Auth{User: "AKIATEST", Password: "secret"})
	if !errors.Is(err, ociregistry.ErrNameUnknown) ||
		!strings.Contains(err.Error(),
			"The repository with name 'chat' does not exist in the registry with id '123456789012'") {
		t.Errorf("push = %v", err)
	}
	r := newRig(t, func(c *Config) { c.CreateOnPush = true })
	if err := image.Push(t.Context(), r.host+"/"+account+"/eu-west-2/chat:1", tiny(t, "x"), r.auth()); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.store.View().Repositories.Get(repository.ARN("eu-west-2", account, "chat")); !ok {
		t.Error("the push made no repository")
	}
}

// ecs.md 8.1: IMMUTABLE tags refuse re-push.
func TestImmutableTag(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Immutable)
	ref := r.host + "/chat:1"
	one := tiny(t, "one")
	for range 2 { // the same content again is no change
		if err := image.Push(t.Context(), ref, one, r.auth()); err != nil {
			t.Fatal(err)
		}
	}
	err := image.Push(t.Context(), ref, tiny(t, "two"), r.auth())
	if err == nil || !strings.Contains(err.Error(), "The image tag '1' already exists in the 'chat' "+
		"repository and cannot be overwritten because the tag is immutable.") {
		t.Errorf("push = %v", err)
	}
}

func TestAuthorization(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { return now } })
	good, expires := r.passwords.Mint(now)
	if expires.Sub(now) != 12*time.Hour { // ecs.md 8.1
		t.Errorf("a password is valid for %v", expires.Sub(now))
	}
	old, _ := r.passwords.Mint(now.Add(-PasswordLife))
	other, _ := NewPasswords(bytes.Repeat([]byte{1}, 32))
	foreign, _ := other.Mint(now)
	for _, c := range []struct {
		user, password string
		want           int
	}{
		{User, good, 200}, {User, old, 401}, {User, foreign, 401}, {User, "", 401},
		{User, good + "A", 401}, {"aws", good, 401}, {"AKIATEST", "secret", 200}, {"AKIATEST", "Secret", 401},
		{"AKIANOBODY", "", 401}, {"", "", 401},
	} {
		req, _ := http.NewRequest("GET", r.server.URL+"/v2/", nil)
		req.SetBasicAuth(c.user, c.password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s/%s: %s, want %d", c.user, c.password, resp.Status, c.want)
		}
		if c.want == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("no challenge: %v", resp.Header)
		}
	}
}

// The OCI distribution specification's chunked upload: chunks in order, 416 for one out of order,
// and the state of the upload.
func TestChunkedUpload(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	resp, _ := r.request(t, "POST", "/v2/chat/blobs/uploads/", nil, "")
	if resp.StatusCode != 202 {
		t.Fatal(resp.Status)
	}
	at := resp.Header.Get("Location")
	part := func(rng string) http.Header { return http.Header{"Content-Range": {rng}} }
	if resp, body := r.request(t, "PATCH", at, part("5-9"), "world"); resp.StatusCode != 416 {
		t.Errorf("chunk out of order: %s %s", resp.Status, body)
	}
	if resp, body := r.request(t, "PATCH", at, part("0-4"), "hello"); resp.StatusCode != 202 ||
		resp.Header.Get("Range") != "0-4" {
		t.Errorf("first chunk: %s %s %s", resp.Status, body, resp.Header.Get("Range"))
	}
	if resp, _ := r.request(t, "GET", at, nil, ""); resp.StatusCode != 204 || resp.Header.Get("Range") != "0-4" {
		t.Errorf("state: %s %s", resp.Status, resp.Header.Get("Range"))
	}
	digest := blob.Digest([]byte("helloworld"))
	if resp, body := r.request(t, "PUT", at+"?digest="+digest, part("5-9"), "world"); resp.StatusCode != 201 {
		t.Errorf("last chunk: %s %s", resp.Status, body)
	}
	if resp, body := r.request(t, "GET", "/v2/chat/blobs/"+digest, http.Header{"Range": {"bytes=5-"}},
		""); resp.StatusCode != 206 || body != "world" {
		t.Errorf("range: %s %q", resp.Status, body)
	}
	if resp, _ := r.request(t, "PUT", at+"?digest="+digest, nil, ""); resp.StatusCode != 404 {
		t.Errorf("finished upload: %s", resp.Status)
	}
	if resp, body := r.request(t, "POST", "/v2/chat/blobs/uploads/?digest="+digest, nil,
		"hellowor1d"); resp.StatusCode != 400 || !strings.Contains(body, "DIGEST_INVALID") {
		t.Errorf("wrong digest: %s %s", resp.Status, body)
	}
}

func TestMount(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "a", repository.Mutable)
	r.create(t, region, "b", repository.Mutable)
	digest := blob.Digest([]byte("x"))
	mount := "/v2/b/blobs/uploads/?mount=" + digest + "&from=a"
	if resp, _ := r.request(t, "POST", mount, nil, ""); resp.StatusCode != 202 {
		t.Errorf("mount of unknown content begins an upload: %s", resp.Status)
	}
	r.request(t, "POST", "/v2/a/blobs/uploads/?digest="+digest, nil, "x")
	if resp, _ := r.request(t, "POST", mount, nil, ""); resp.StatusCode != 201 {
		t.Errorf("mount: %s", resp.Status)
	}
}

func TestTagsPageAndDelete(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	img := tiny(t, "x")
	for _, tag := range []string{"c", "a", "b"} {
		if err := image.Push(t.Context(), r.host+"/chat:"+tag, img, r.auth()); err != nil {
			t.Fatal(err)
		}
	}
	resp, body := r.request(t, "GET", "/v2/chat/tags/list?n=2", nil, "")
	if body != `{"name":"chat","tags":["a","b"]}` || !strings.Contains(resp.Header.Get("Link"), "last=b") {
		t.Errorf("%s %v", body, resp.Header)
	}
	if _, body := r.request(t, "GET", "/v2/chat/tags/list?n=2&last=b", nil,
		""); body != `{"name":"chat","tags":["c"]}` {
		t.Error(body)
	}
	if resp, _ := r.request(t, "DELETE", "/v2/chat/manifests/a", nil, ""); resp.StatusCode != 202 {
		t.Errorf("delete tag: %s", resp.Status)
	}
	if resp, _ := r.request(t, "GET", "/v2/chat/manifests/b", nil, ""); resp.StatusCode != 200 {
		t.Errorf("another tag of the image: %s", resp.Status)
	}
	if resp, _ := r.request(t, "DELETE", "/v2/chat/manifests/"+img.Digest(), nil, ""); resp.StatusCode != 202 {
		t.Errorf("delete: %s", resp.Status)
	}
	if resp, _ := r.request(t, "GET", "/v2/chat/manifests/b", nil, ""); resp.StatusCode != 404 {
		t.Errorf("after delete: %s", resp.Status)
	}
}

func TestBadManifests(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	missing := `{"schemaVersion":2,"config":{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":1},"layers":[]}`
	for body, want := range map[string]string{
		"{":     "MANIFEST_INVALID",
		missing: "MANIFEST_BLOB_UNKNOWN",
		`{"schemaVersion":2,"pad":"` + strings.Repeat("x", repository.MaxManifest) + `"}`: "MANIFEST_INVALID",
	} {
		for _, mediaType := range []string{repository.DockerManifest, repository.OCIManifest, ""} {
			resp, got := r.request(t, "PUT", "/v2/chat/manifests/1", http.Header{"Content-Type": {mediaType}}, body)
			if resp.StatusCode >= 500 || !strings.Contains(got, want) && mediaType != "" {
				t.Errorf("%.40s: %s %s, want %s", body, resp.Status, got, want)
			}
		}
	}
}

// Sweep keeps the content that images refer to, and deletes old content that nothing refers to.
func TestSweep(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { return now } })
	r.create(t, region, "chat", repository.Mutable)
	kept, gone := tiny(t, "kept"), tiny(t, "gone")
	for tag, img := range map[string]*image.Image{"kept": kept, "gone": gone} {
		if err := image.Push(t.Context(), r.host+"/chat:"+tag, img, r.auth()); err != nil {
			t.Fatal(err)
		}
	}
	r.request(t, "DELETE", "/v2/chat/manifests/"+gone.Digest(), nil, "")
	if freed, err := r.Sweep(); freed != 0 || err != nil {
		t.Errorf("young content was swept: %d %v", freed, err)
	}
	now = now.Add(unfinished + time.Hour)
	if freed, err := r.Sweep(); freed == 0 || err != nil {
		t.Errorf("Sweep = %d, %v", freed, err)
	}
	reg, _ := ociclient.New(r.host, &ociclient.Options{Insecure: true})
	r.access.Open = true
	if _, err := reg.GetTag(t.Context(), "chat", "kept"); err != nil {
		t.Error(err)
	}
	if _, ok := r.HasBlob(gone.Digest()); ok {
		t.Error("the deleted image's manifest is still there")
	}
}

// A sweep reads the images once, however many there are and however much must be deleted. The test measures
// the memory, since each reading makes a table of all content.
func TestSweepLooksThroughTheImagesOnce(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { return now } })
	const n = 200
	if err := r.store.Update(t.Context(), func(tx *state.Tx) error {
		for i := range n {
			img := &repository.Image{RepositoryARN: "arn", Digest: blob.Digest([]byte{byte(i)})}
			for j := range 10 {
				img.Blobs = append(img.Blobs, repository.Blob{Digest: blob.Digest(fmt.Append(nil, i, j))})
			}
			tx.Images.Put(img)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := r.blobs.Put(fmt.Append(nil, "garbage", i)); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(unfinished + time.Hour)
	one := allocated(func() { r.used() })
	if all := allocated(func() {
		if freed, err := r.Sweep(); freed == 0 || err != nil {
			t.Errorf("Sweep = %d, %v", freed, err)
		}
	}); all > 20*one {
		t.Errorf("sweeping %d blobs took %d bytes, as many as %d looks", n, all, all/one)
	}
}

func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// An image that is pushed during a sweep keeps its content, even if all of it was there before, old and unused.
func TestPushWhileSweeping(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { return now } })
	r.create(t, region, "chat", repository.Mutable)
	img := tiny(t, "again")
	if err := image.Push(t.Context(), r.host+"/chat:again", img, r.auth()); err != nil {
		t.Fatal(err)
	}
	snap := r.store.View()
	repo, err := r.repository(&snap.Tables, "chat")
	if err != nil {
		t.Fatal(err)
	}
	row := find(&snap.Tables, repo.ARN, "again", "")
	manifest, err := r.Manifest(row)
	if err != nil {
		t.Fatal(err)
	}
	r.request(t, "DELETE", "/v2/chat/manifests/"+img.Digest(), nil, "")
	r.fresh.begin() // as Sweep does: from here on it may have read the images
	used := r.used()
	// If a caller disconnects during a push, the image is stored anyway.
	if _, err := r.Put(leaver{t.Context()}, repo, "again", row.MediaType,
		manifest); !errors.Is(err, state.ErrUnknown) && err != nil {
		t.Fatal(err)
	}
	for _, b := range append(row.Blobs, repository.Blob{Digest: row.Digest}) {
		if used[b.Digest] || !r.fresh.has(b.Digest) {
			t.Errorf("%s: used before %v, noted %v", b.Digest, used[b.Digest], r.fresh.has(b.Digest))
		}
	}
}

// leaver is the context of a caller that disconnects as soon as something waits for the context.
type leaver struct{ context.Context }

func (leaver) Done() <-chan struct{} {
	gone := make(chan struct{})
	close(gone)
	return gone
}

// A policy that cannot be carried out, for instance one of an older version, does not stop the others.
func TestBadLifecyclePolicyStopsNoOther(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		r.create(t, region, name, repository.Mutable)
		for _, tag := range []string{"one", "two"} {
			if err := image.Push(t.Context(), r.host+"/"+name+":"+tag, tiny(t, name+tag), r.auth()); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.store.Update(t.Context(), func(tx *state.Tx) error {
			repo, _ := tx.Repositories.Get(repository.ARN(region, account, name))
			c := *repo
			c.LifecyclePolicy = `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any",` +
				`"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`
			if name != "c" {
				c.LifecyclePolicy = `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"rainy"}}]}`
			}
			tx.Repositories.Put(&c)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	n, err := r.Expire(t.Context())
	if n != 1 || err == nil || !strings.Contains(err.Error(), "repository a in us-east-1") ||
		!strings.Contains(err.Error(), "repository b in us-east-1") {
		t.Errorf("Expire = %d, %v", n, err)
	}
}

// A lifecycle policy deletes the rows first and the content a day later. Run does both.
func TestLifecyclePolicyIsCarriedOut(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { return now } })
	r.create(t, region, "chat", repository.Mutable)
	old := tiny(t, "old")
	for _, img := range []*image.Image{old, tiny(t, "new")} {
		now = now.Add(time.Minute)
		if err := image.Push(t.Context(), r.host+"/chat:latest", img, r.auth()); err != nil {
			t.Fatal(err)
		}
	}
	err := r.store.Update(t.Context(), func(tx *state.Tx) error {
		repo, _ := tx.Repositories.Get(repository.ARN(region, account, "chat"))
		c := repo.Clone()
		c.LifecyclePolicy = `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any",` +
			`"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`
		tx.Repositories.Put(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.tidy(t.Context())
	if _, ok := r.HasBlob(old.Digest()); r.store.View().Images.Len() != 1 || !ok {
		t.Errorf("%d images; content there: %v", r.store.View().Images.Len(), ok)
	}
	now = now.Add(2 * unfinished)
	r.tidy(t.Context())
	if _, ok := r.HasBlob(old.Digest()); ok {
		t.Error("the content of an expired image is still there")
	}
}

// A list without elements is an empty list and not null (distribution specification, "Listing Tags" and "Listing
// Referrers").
func TestListsOfNothing(t *testing.T) {
	r := newRig(t, nil)
	if _, body := r.request(t, "GET", "/v2/_catalog", nil, ""); body != `{"repositories":[]}` {
		t.Errorf("catalog: %s", body)
	}
	r.create(t, region, "chat", repository.Mutable)
	for path, want := range map[string]string{
		"/v2/chat/tags/list":                                   `{"name":"chat","tags":[]}`,
		"/v2/chat/tags/list?last=zzz":                          `{"name":"chat","tags":[]}`,
		"/v2/chat/referrers/sha256:" + strings.Repeat("0", 64): `"manifests":[]`,
	} {
		resp, body := r.request(t, "GET", path, nil, "")
		if resp.StatusCode != 200 || !strings.Contains(body, want) || resp.ContentLength != int64(len(body)) {
			t.Errorf("GET %s = %s, %d bytes: %s", path, resp.Status, resp.ContentLength, body)
		}
	}
	if resp, body := r.request(t, "GET", "/v2/nobody/tags/list", nil, ""); resp.StatusCode != 404 ||
		!strings.Contains(body, "NAME_UNKNOWN") {
		t.Errorf("tags of nothing: %s %s", resp.Status, body)
	}
}

// Wrong names and upload ids are refused with codes of their own, whatever the body is (distribution specification,
// "Error Codes").
func TestRefusedByThePath(t *testing.T) {
	r := newRig(t, nil)
	r.create(t, region, "chat", repository.Mutable)
	unknown := "/v2/chat/blobs/uploads/bm9ib2R5" // "nobody"
	digest := "?digest=sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"PUT", "/v2/UPPER/manifests/1", "", 400, "NAME_INVALID"},
		{"GET", "/v2/UPPER/manifests/1", "", 400, "NAME_INVALID"},
		{"GET", "/v2/UPPER/tags/list", "", 400, "NAME_INVALID"},
		{"POST", "/v2/UPPER/blobs/uploads/", "", 400, "NAME_INVALID"},
		{"PUT", "/v2/chat/manifests/1", "", 400, "MANIFEST_INVALID"},
		{"GET", unknown, "", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PATCH", unknown, "x", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PUT", unknown + digest, "x", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PATCH", "/v2/chat/blobs/uploads/no!base64", "x", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PUT", "/v2/chat/blobs/uploads/0" + digest, "x", 404, "BLOB_UPLOAD_UNKNOWN"},
	} {
		resp, body := r.request(t, c.method, c.path, nil, c.body)
		if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) {
			t.Errorf("%s %s = %s %s, want %d %s", c.method, c.path, resp.Status, body, c.status, c.code)
		}
	}
}
