package ecr

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/image"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/registry/blob"
)

// rig is the API, with the registry that listens at host.
type rig struct {
	*api
	host string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, logger := desktest.Store(t), slog.New(slog.DiscardHandler)
	blobs, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	passwords, err := registry.NewPasswords(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New(registry.Config{
		Account: desktest.Account, Region: desktest.Region, Now: time.Now, Logger: logger,
	}, store, blobs)
	server := httptest.NewServer(registry.NewHandler(reg,
		&registry.Access{Passwords: passwords, Keys: identity.NewKeyRing(), Now: time.Now}, logger))
	t.Cleanup(server.Close)
	return &rig{&api{store, reg, passwords}, server.Listener.Addr().String()}
}

func (r *rig) call() *awswire.Call {
	return &awswire.Call{Region: desktest.Region, Account: desktest.Account, Now: time.Now(), Host: r.host}
}

func (r *rig) push(t *testing.T, path, content string) *image.Image {
	t.Helper()
	img, err := image.Build(image.Config{}, []image.File{{Path: "/f", Mode: 0o644, Content: []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	password, _ := r.passwords.Mint(time.Now())
	if err := image.Push(t.Context(), r.host+"/"+path, img,
		image.Auth{User: registry.User, Password: password}); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestAWSCLI(t *testing.T) {
	r := newRig(t)
	d := desktest.New(t, Service(r.store, r.registry, r.passwords))
	if got := d.JSON(t,
		"ecr create-repository --repository-name chat --image-tag-mutability IMMUTABLE --tags Key=a,Value=b "+
			"--query repository.[repositoryArn,registryId,repositoryUri,imageTagMutability,"+
			"encryptionConfiguration.encryptionType]"); got !=
		`["arn:aws:ecr:us-east-1:123456789012:repository/chat","123456789012",`+
			`"123456789012.dkr.ecr.us-east-1.amazonaws.com/chat","IMMUTABLE","AES256"]` {
		t.Error(got)
	}
	d.Refused(t, "(RepositoryAlreadyExistsException) when calling the CreateRepository operation: The "+
		"repository with name 'chat' already exists in the registry with id '123456789012'",
		"ecr create-repository --repository-name chat")
	d.Refused(t, "(InvalidParameterException) when calling the CreateRepository operation: Invalid "+
		"parameter at 'repositoryName'", "ecr create-repository --repository-name Chat")
	d.Refused(t, "(RepositoryNotFoundException) when calling the DescribeRepositories operation: The "+
		"repository with name 'nope' does not exist in the registry with id '123456789012'",
		"ecr describe-repositories --repository-names nope")
	img := r.push(t, "chat:1", "one")
	if got := d.JSON(t, "ecr describe-images --repository-name chat --query "+
		"imageDetails[].[imageDigest,imageTags,imageManifestMediaType]"); got !=
		`[["`+img.Digest()+`",["1"],"application/vnd.oci.image.manifest.v1+json"]]` {
		t.Error(got)
	}
	if got := d.JSON(t, "ecr batch-get-image --repository-name chat --image-ids imageTag=1 imageTag=2 "+
		"--query [images[].imageId.imageDigest,failures[].failureCode]"); got !=
		`[["`+img.Digest()+`"],["ImageNotFound"]]` {
		t.Error(got)
	}
	d.Refused(t, "(ImageNotFoundException) when calling the DescribeImages operation: The image with "+
		"imageId {imageDigest:'null', imageTag:'9'} does not exist within the repository with name 'chat' "+
		"in the registry with id '123456789012'",
		"ecr describe-images --repository-name chat --image-ids imageTag=9")
	d.Refused(t, "(RepositoryNotEmptyException)", "ecr delete-repository --repository-name chat")
	d.AWS(t, "ecr delete-repository --repository-name chat --force")
	if got := d.JSON(t, "ecr describe-repositories"); got != `{"repositories":[]}` {
		t.Error(got)
	}
}

// ecs.md 8.1: the token is base64("AWS:<password>"), and the registry accepts it for 12 hours. `aws ecr
// get-login-password` prints the password.
func TestLogin(t *testing.T) {
	r := newRig(t)
	out, err := r.getAuthorizationToken(t.Context(), r.call(), &shape.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	data := out.AuthorizationData[0]
	if *data.ProxyEndpoint != "https://"+r.host {
		t.Error(*data.ProxyEndpoint)
	}
	// Where ECR's names resolve to this registry, the endpoint for the account's own key is ECR's name, as
	// the credential helper expects. The endpoint for a role, which Amazon's agent uses, is the registry's
	// address.
	byName := &api{r.store, registry.New(
		registry.Config{Account: desktest.Account, Region: desktest.Region, ByName: true, Now: time.Now,
			Logger: slog.New(slog.DiscardHandler)}, r.store, nil), r.passwords}
	for principal, want := range map[identity.Principal]string{
		identity.Root(desktest.Account): "https://123456789012.dkr.ecr." + desktest.Region + ".amazonaws.com",
		{
			Account: desktest.Account, ARN: "arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-1",
		}: "https://" + r.host,
	} {
		call := r.call()
		call.Principal = principal
		if out, err := byName.getAuthorizationToken(t.Context(), call,
			&shape.GetAuthorizationTokenInput{}); err != nil ||
			*out.AuthorizationData[0].ProxyEndpoint != want {
			t.Errorf("%s: %v %v, want %s", principal.ARN, out, err, want)
		}
	}
	if left := time.Until(*data.ExpiresAt); left > 12*time.Hour || left < 11*time.Hour {
		t.Errorf("expires in %v", left)
	}
	d := desktest.New(t, Service(r.store, r.registry, r.passwords))
	printed, err := d.Command(t, "ecr", "get-login-password").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	fromAPI, _ := strings.CutPrefix(string(raw), "AWS:")
	for _, password := range []string{strings.TrimSpace(string(printed)), fromAPI} {
		req, _ := http.NewRequest("GET", "http://"+r.host+"/v2/", nil)
		req.SetBasicAuth("AWS", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("password %q: %s", password, resp.Status)
		}
	}
}

func TestListAndDeleteImages(t *testing.T) {
	r := newRig(t)
	if _, err := r.createRepository(t.Context(), r.call(),
		&shape.CreateRepositoryInput{RepositoryName: new("web")}); err != nil {
		t.Fatal(err)
	}
	one, two := r.push(t, "web:a", "one"), r.push(t, "web:c", "two")
	r.push(t, "web:b", "one")
	list := func(status string) string {
		t.Helper()
		var got []string
		in := &shape.ListImagesInput{RepositoryName: new("web"), MaxResults: new(int32(1)),
			Filter: &shape.ListImagesFilter{TagStatus: status}}
		for {
			out, err := r.listImages(t.Context(), r.call(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range out.ImageIds {
				tag := "-"
				if id.ImageTag != nil {
					tag = *id.ImageTag
				}
				got = append(got, map[string]string{one.Digest(): "one", two.Digest(): "two"}[*id.ImageDigest]+":"+tag)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(slices.Sorted(slices.Values(got)), " ")
			}
		}
	}
	remove := func(id shape.ImageIdentifier) string {
		t.Helper()
		out, err := r.batchDeleteImage(t.Context(), r.call(),
			&shape.BatchDeleteImageInput{RepositoryName: new("web"), ImageIds: []shape.ImageIdentifier{id}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Failures) > 0 {
			return out.Failures[0].FailureCode
		}
		return ""
	}
	if got := list(""); got != "one:a one:b two:c" {
		t.Error(got)
	}
	if code := remove(shape.ImageIdentifier{ImageTag: new("a")}); code != "" || list("") != "one:b two:c" {
		t.Errorf("after deleting one of two tags: %s %s", code, list(""))
	}
	if code := remove(shape.ImageIdentifier{ImageTag: new("b")}); code != "" || list("") != "two:c" {
		t.Errorf("after deleting the last tag, which deletes the image: %s %s", code, list(""))
	}
	r.push(t, "web:c", "one") // moves the tag from the image two
	if got := list("") + "," + list("TAGGED") + "," + list("UNTAGGED"); got != "one:c two:-,one:c,two:-" {
		t.Error(got)
	}
	for code, id := range map[string]shape.ImageIdentifier{
		"ImageNotFound":              {ImageTag: new("x")},
		"MissingDigestAndTag":        {},
		"InvalidImageDigest":         {ImageDigest: new("x")},
		"ImageTagDoesNotMatchDigest": {ImageDigest: new(two.Digest()), ImageTag: new("c")},
	} {
		if got := remove(id); got != code {
			t.Errorf("%s: %s", code, got)
		}
	}
	if code := remove(shape.ImageIdentifier{ImageDigest: new(two.Digest())}); code != "" || list("") != "one:c" {
		t.Errorf("after deleting by digest: %s %s", code, list(""))
	}
}

// A push through the API: initiate, upload the parts, complete, put the manifest. Then the layer is read from
// its download URL.
func TestLayerUpload(t *testing.T) {
	r, name := newRig(t), new("web")
	ctx := t.Context()
	if _, err := r.createRepository(ctx, r.call(),
		&shape.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: "IMMUTABLE"}); err != nil {
		t.Fatal(err)
	}
	upload := func(content string) string {
		t.Helper()
		begun, err := r.initiateLayerUpload(ctx, r.call(), &shape.InitiateLayerUploadInput{RepositoryName: name})
		if err != nil {
			t.Fatal(err)
		}
		half := len(content) / 2
		for _, p := range [][2]int{{0, half}, {half, len(content)}} {
			in := &shape.UploadLayerPartInput{RepositoryName: name, UploadId: begun.UploadId,
				LayerPartBlob: []byte(content[p[0]:p[1]]),
				PartFirstByte: new(int64(p[0])), PartLastByte: new(int64(p[1] - 1))}
			if _, err := r.uploadLayerPart(ctx, r.call(), in); err != nil {
				t.Fatal(err)
			}
			if _, err := r.uploadLayerPart(ctx, r.call(), in); err == nil ||
				!strings.Contains(err.Error(), "InvalidLayerPartException") {
				t.Errorf("the same part again: %v", err)
			}
		}
		sum := sha256.Sum256([]byte(content))
		digest := "sha256:" + hex.EncodeToString(sum[:])
		if _, err := r.completeLayerUpload(ctx, r.call(), &shape.CompleteLayerUploadInput{
			RepositoryName: name, UploadId: begun.UploadId, LayerDigests: []string{digest},
		}); err != nil {
			t.Fatal(err)
		}
		return digest
	}
	layer := upload("not really a tar file")
	put := func(manifest map[string]any, tag string) error {
		body, _ := json.Marshal(manifest)
		_, err := r.putImage(ctx, r.call(),
			&shape.PutImageInput{RepositoryName: name, ImageManifest: new(string(body)), ImageTag: &tag})
		return err
	}
	manifest := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "c", "digest": "sha256:" + strings.Repeat("0", 64), "size": 2},
		"layers": []any{map[string]any{"mediaType": "l", "digest": layer, "size": 21}}}
	if err := put(manifest, "1"); err == nil || !strings.Contains(err.Error(), "LayersNotFoundException") {
		t.Errorf("a manifest before its config: %v", err)
	}
	manifest["config"].(map[string]any)["digest"] = upload("{}")
	if err := put(manifest, "1"); err != nil {
		t.Fatal(err)
	}
	if err := put(manifest, "1"); err == nil || !strings.Contains(err.Error(), "ImageAlreadyExistsException") {
		t.Errorf("the same image again: %v", err)
	}
	manifest["annotations"] = map[string]string{"a": "b"}
	if err := put(manifest, "1"); err == nil || !strings.Contains(err.Error(), "ImageTagAlreadyExistsException") {
		t.Errorf("an immutable tag (ecs.md 8.1): %v", err)
	}
	got, err := r.getDownloadURLForLayer(ctx, r.call(),
		&shape.GetDownloadUrlForLayerInput{RepositoryName: name, LayerDigest: &layer})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(*got.DownloadUrl)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "not really a tar file" {
		t.Errorf("%s %q", resp.Status, b)
	}
	check, err := r.batchCheckLayerAvailability(ctx, r.call(),
		&shape.BatchCheckLayerAvailabilityInput{RepositoryName: name,
			LayerDigests: []string{layer, "sha256:" + strings.Repeat("1", 64), "x"}})
	if err != nil || check.Layers[0].LayerAvailability != "AVAILABLE" ||
		check.Layers[1].LayerAvailability != "UNAVAILABLE" || len(check.Failures) != 1 {
		t.Errorf("%+v %v", check, err)
	}
}

func TestPolicyAndTags(t *testing.T) {
	r, name, ctx := newRig(t), new("web"), t.Context()
	made, err := r.createRepository(ctx, r.call(), &shape.CreateRepositoryInput{RepositoryName: name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.getRepositoryPolicy(ctx, r.call(),
		&shape.GetRepositoryPolicyInput{RepositoryName: name}); err == nil ||
		err.Error() != "RepositoryPolicyNotFoundException: Repository policy does not exist for the "+
			"repository with name 'web' in the registry with id '123456789012'" {
		t.Error(err)
	}
	if _, err := r.setRepositoryPolicy(ctx, r.call(),
		&shape.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: new("{")}); err == nil {
		t.Error("a policy that is not JSON was accepted")
	}
	if _, err := r.setRepositoryPolicy(ctx, r.call(),
		&shape.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: new(`{"a":1}`)}); err != nil {
		t.Error(err)
	}
	if out, err := r.deleteRepositoryPolicy(ctx, r.call(),
		&shape.DeleteRepositoryPolicyInput{RepositoryName: name}); err != nil || *out.PolicyText != `{"a":1}` {
		t.Error(out, err)
	}
	bad := &shape.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: new(`{"rules":[]}`)}
	if _, err := r.putLifecyclePolicy(ctx, r.call(), bad); err == nil ||
		!strings.Contains(err.Error(), "Lifecycle policy validation failure") {
		t.Error(err)
	}
	good := `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan",` +
		`"countNumber":1},"action":{"type":"expire"}}]}`
	if _, err := r.putLifecyclePolicy(ctx, r.call(),
		&shape.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: &good}); err != nil {
		t.Error(err)
	}
	if out, err := r.getLifecyclePolicy(ctx, r.call(),
		&shape.GetLifecyclePolicyInput{RepositoryName: name}); err != nil || *out.LifecyclePolicyText != good {
		t.Error(out, err)
	}
	if _, err := r.deleteLifecyclePolicy(ctx, r.call(),
		&shape.DeleteLifecyclePolicyInput{RepositoryName: name}); err != nil {
		t.Error(err)
	}
	if _, err := r.getLifecyclePolicy(ctx, r.call(),
		&shape.GetLifecyclePolicyInput{RepositoryName: name}); err == nil ||
		!strings.HasPrefix(err.Error(), "LifecyclePolicyNotFoundException: Lifecycle policy does not exist "+
			"for the repository with name 'web'") {
		t.Error(err)
	}
	arn := made.Repository.RepositoryArn
	tag := func(k, v string) shape.Tag { return shape.Tag{Key: &k, Value: &v} }
	if _, err := r.tagResource(ctx, r.call(), &shape.TagResourceInput{
		ResourceArn: arn, Tags: []shape.Tag{tag("b", "2"), tag("a", "1")},
	}); err != nil {
		t.Error(err)
	}
	if _, err := r.untagResource(ctx, r.call(),
		&shape.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"b", "c"}}); err != nil {
		t.Error(err)
	}
	if out, err := r.listTagsForResource(ctx,
		r.call(), &shape.ListTagsForResourceInput{ResourceArn: arn}); err != nil || len(out.Tags) != 1 ||
		*out.Tags[0].Key != "a" {
		t.Error(out, err)
	}
	elsewhere := r.call()
	elsewhere.Region = "eu-west-2"
	if _, err := r.listTagsForResource(ctx, elsewhere, &shape.ListTagsForResourceInput{ResourceArn: arn}); err == nil {
		t.Error("another region sees the repository")
	}
}
