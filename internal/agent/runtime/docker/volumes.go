package docker

import (
	"context"
	"errors"

	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// EnsureVolume creates a volume; the engine does not change an existing one.
func (e *Engine) EnsureVolume(ctx context.Context, s runtime.VolumeSpec) error {
	ctx, done := whole(ctx)
	defer done()
	_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: s.Name, Driver: s.Driver, DriverOpts: s.Options, Labels: s.Labels,
	})
	return wrap(err)
}

// HasVolume reports whether there is a volume of that name.
func (e *Engine) HasVolume(ctx context.Context, name string) (bool, error) {
	_, err := e.api.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	if err = wrap(err); errors.Is(err, runtime.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// VolumesWith returns the names of the volumes with a label.
func (e *Engine) VolumesWith(ctx context.Context, label, value string) ([]string, error) {
	r, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("label", label+"="+value)})
	if err != nil {
		return nil, wrap(err)
	}
	var out []string
	for _, v := range r.Items {
		out = append(out, v.Name)
	}
	return out, nil
}

// RemoveVolume removes a volume.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err = wrap(err); errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}
