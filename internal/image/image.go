// Package image builds OCI images from files of this machine, without Docker's builder, and pushes them to a
// registry.
//
// An image is a list of layers, each a list of files. Binary, Tree and Program return such lists for a static
// binary, a directory, and a program with its shared libraries. The same files give the same digests: times are
// zero, owners are root, order is by path. Layers are compressed into temporary files, which Close removes. An
// Image is read-only and safe for concurrent use until Close. The package does not know repositories, the
// origin of credentials, or the cluster.
package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config says how containers of the image start, in Docker's terms. Empty fields are left to the runtime.
type Config struct {
	Entrypoint []string
	Cmd        []string
	Env        []string // "NAME=value"
	Exposed    []string // "3000/tcp"
	Labels     map[string]string
	WorkingDir string
	User       string // "uid", "uid:gid", or a name in the image's /etc/passwd
	StopSignal string // "SIGTERM" when empty
	OS, Arch   string // those of this program if empty
}

// Image is a manifest, a config and layers, ready to be pushed.
type Image struct {
	Manifest []byte // application/vnd.oci.image.manifest.v1+json
	config   []byte
	layers   []layer
}

// Digest returns the manifest's digest, which identifies the image.
func (i *Image) Digest() string { return digest.FromBytes(i.Manifest).String() }

// Close removes the image's temporary files.
func (i *Image) Close() error {
	var errs []error
	for _, l := range i.layers {
		errs = append(errs, os.Remove(l.path))
	}
	return errors.Join(errs...)
}

// Build builds an image of layers of files. Files of later layers hide files at the same path in earlier ones.
func Build(cfg Config, layers ...[]File) (*Image, error) {
	img := &Image{}
	for n, files := range layers {
		l, err := writeLayer(files)
		if err != nil {
			img.Close()
			return nil, fmt.Errorf("layer %d of image: %w", n+1, err)
		}
		img.layers = append(img.layers, l)
	}
	if err := img.describe(cfg); err != nil {
		img.Close()
		return nil, err
	}
	return img, nil
}

// FromBinary builds an image with a statically linked program at /NAME and the files of Base. If Entrypoint is
// empty, it becomes the program.
func FromBinary(path string, cfg Config) (*Image, error) {
	at := "/" + filepath.Base(path)
	program, err := Binary(path, at)
	if err != nil {
		return nil, err
	}
	if len(cfg.Entrypoint) == 0 {
		cfg.Entrypoint = []string{at}
	}
	return Build(cfg, Base(), program)
}

func (i *Image) describe(cfg Config) error {
	conf := ocispec.Image{
		Created:  new(time.Unix(0, 0).UTC()),
		Platform: ocispec.Platform{OS: cfg.OS, Architecture: cfg.Arch},
		Config: ocispec.ImageConfig{
			Entrypoint: cfg.Entrypoint, Cmd: cfg.Cmd, Env: withPath(cfg.Env),
			Labels: cfg.Labels, WorkingDir: cfg.WorkingDir, User: cfg.User, StopSignal: cfg.StopSignal,
			ExposedPorts: exposed(cfg.Exposed),
		},
		RootFS: ocispec.RootFS{Type: "layers"},
	}
	if conf.OS == "" {
		conf.OS = "linux"
	}
	if conf.Architecture == "" {
		conf.Architecture = runtime.GOARCH
	}
	for _, l := range i.layers {
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, l.diffID)
	}
	var err error
	if i.config, err = json.Marshal(conf); err != nil {
		return err
	}
	i.Manifest, err = json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    i.configDescriptor(),
		Layers:    i.layerDescriptors(),
	})
	return err
}

func (i *Image) configDescriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(i.config),
		Size: int64(len(i.config))}
}

func (i *Image) layerDescriptors() []ocispec.Descriptor {
	out := []ocispec.Descriptor{}
	for _, l := range i.layers {
		out = append(out, l.Descriptor)
	}
	return out
}

func exposed(ports []string) map[string]struct{} {
	if len(ports) == 0 {
		return nil
	}
	m := make(map[string]struct{}, len(ports))
	for _, p := range ports {
		if !strings.Contains(p, "/") {
			p += "/tcp"
		}
		m[p] = struct{}{}
	}
	return m
}

// withPath adds the PATH that Docker's builder would inherit from a base image.
func withPath(env []string) []string {
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		return env
	}
	return append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
}
