package docker

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Pull pulls an image from its registry.
func (e *Engine) Pull(ctx context.Context, ref string, auth *runtime.Auth) (string, error) {
	var options client.ImagePullOptions
	if auth != nil {
		encoded, err := authconfig.Encode(registry.AuthConfig{Username: auth.Username, Password: auth.Password})
		if err != nil {
			return "", err
		}
		options.RegistryAuth = encoded
	}
	progress, err := e.api.ImagePull(ctx, ref, options)
	if err != nil {
		return "", wrap(err)
	}
	defer progress.Close()
	digest := ""
	for message, err := range progress.JSONMessages(ctx) {
		if err != nil {
			return "", wrap(err)
		}
		if message.Error != nil {
			return "", message.Error
		}
		if found, ok := strings.CutPrefix(message.Status, "Digest: "); ok {
			digest = found
		}
	}
	return digest, nil
}

// Image describes a local image.
func (e *Engine) Image(ctx context.Context, ref string) (runtime.Image, error) {
	r, err := e.api.ImageInspect(ctx, ref)
	if err != nil {
		return runtime.Image{}, wrap(err)
	}
	image := runtime.Image{ID: r.ID, Names: r.RepoTags, NamedAt: r.Metadata.LastTagTime, Digests: r.RepoDigests}
	if r.Config != nil {
		image.Env = r.Config.Env
	}
	return image, nil
}

// Import creates an image from a tar of its root file system.
func (e *Engine) Import(ctx context.Context, ref string, rootFS io.Reader, entryPoint []string) error {
	command, err := json.Marshal(entryPoint)
	if err != nil {
		return err
	}
	progress, err := e.api.ImageImport(ctx, client.ImageImportSource{Source: rootFS, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: []string{"ENTRYPOINT " + string(command)}})
	if err != nil {
		return wrap(err)
	}
	defer progress.Close()
	_, err = io.Copy(io.Discard, progress)
	return wrap(err)
}

// RemoveImage removes a name of an image.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := e.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{})
	return wrap(err)
}

// RemoveImageName removes a name of an image even if containers of the image run. The image then stays.
func (e *Engine) RemoveImageName(ctx context.Context, ref string) error {
	running, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		Filters: client.Filters{}.Add("ancestor", ref),
	})
	if err != nil {
		return wrap(err)
	}
	// Docker removes the last name of an image with containers only by force. It then removes the image, too,
	// unless a container runs.
	_, err = e.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: len(running.Items) > 0})
	return wrap(err)
}

// ImageUsed reports whether there is a container of the image.
func (e *Engine) ImageUsed(ctx context.Context, id string) (bool, error) {
	r, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("ancestor", id),
	})
	return len(r.Items) > 0, wrap(err)
}

// ImageNames lists the names of each local image, by tag and by digest.
func (e *Engine) ImageNames(ctx context.Context) ([][]string, error) {
	r, err := e.api.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return nil, wrap(err)
	}
	var out [][]string
	for _, image := range r.Items {
		out = append(out, slices.Concat(image.RepoTags, image.RepoDigests))
	}
	return out, nil
}
