package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociclient"
	"cuelabs.dev/go/oci/ociregistry/ociref"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Auth is a user name and a password for HTTP Basic authentication. It is not sent if User is empty.
type Auth struct{ User, Password string }

// Push sends img to ref, "HOST[:PORT]/NAME:TAG". It uses plain HTTP for registries on loopback addresses, as
// Docker does, and TLS for all others. It does not send blobs that the registry has.
func Push(ctx context.Context, ref string, img *Image, auth Auth) error {
	r, err := ociref.Parse(ref)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if r.Tag == "" {
		return fmt.Errorf("push: %q has no tag", ref)
	}
	reg, err := ociclient.New(r.Host, &ociclient.Options{
		Insecure: loopback(r.Host), Transport: basic{auth, http.DefaultTransport},
	})
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if err := Store(ctx, reg, r.Repository, r.Tag, img); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

// Store stores img under a tag of a repository of reg, which may be a remote registry or the storage itself.
func Store(ctx context.Context, reg ociregistry.ReadWriter, repo, tag string, img *Image) error {
	for _, l := range img.layers {
		if err := storeLayer(ctx, reg, repo, l); err != nil {
			return err
		}
	}
	conf := img.configDescriptor()
	if _, err := reg.PushBlob(ctx, repo, conf, strings.NewReader(string(img.config))); err != nil {
		return err
	}
	_, err := reg.PushManifest(ctx, repo, tag, img.Manifest, ocispec.MediaTypeImageManifest)
	return err
}

func storeLayer(ctx context.Context, reg ociregistry.ReadWriter, repo string, l layer) error {
	switch _, err := reg.ResolveBlob(ctx, repo, l.Digest); {
	case err == nil:
		return nil
	case !errors.Is(err, ociregistry.ErrBlobUnknown) && !errors.Is(err, ociregistry.ErrNameUnknown):
		return err
	}
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = reg.PushBlob(ctx, repo, l.Descriptor, f)
	return err
}

// basic adds credentials to requests.
type basic struct {
	auth Auth
	next http.RoundTripper
}

func (b basic) RoundTrip(req *http.Request) (*http.Response, error) {
	if b.auth.User != "" {
		req = req.Clone(req.Context())
		req.SetBasicAuth(b.auth.User, b.auth.Password)
	}
	return b.next.RoundTrip(req)
}

func loopback(host string) bool {
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().IsLoopback()
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost"
}
