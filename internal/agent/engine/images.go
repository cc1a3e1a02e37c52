package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Values of ECS_IMAGE_PULL_BEHAVIOR (ecs.md 1.3.14).
const (
	PullDefault      = "default"
	PullAlways       = "always"
	PullOnce         = "once"
	PullPreferCached = "prefer-cached"
)

// pullAttempts is how often a pull is tried.
const pullAttempts = 3

// pull pulls container i's image according to the pull behaviour.
func (t *task) pull(ctx context.Context, i int, b Box) error {
	if b.Pause {
		return t.pullPause(ctx, i)
	}
	if t.e.cfg.PullBehavior == PullPreferCached ||
		t.e.cfg.PullBehavior == PullOnce && t.e.pulledBefore(b.Def.Image, t.arn) {
		if have, err := t.e.cached(ctx, b.Def.Image); err == nil {
			t.pulled(i, have.ID, digestOf(have.Digests))
			return nil
		}
	}
	t.change(func(r *Record) {
		if r.PullStartedAt.IsZero() {
			r.PullStartedAt = time.Now()
		}
	})
	image, digest, err := t.e.pullImage(ctx, b)
	t.change(func(r *Record) { r.PullStoppedAt = time.Now() })
	if err == nil {
		t.pulled(i, image, digest)
		return nil
	}
	if transient(ctx, err) {
		return err
	}
	if t.e.cfg.PullBehavior == PullDefault || t.e.cfg.PullBehavior == "" {
		if have, missing := t.e.cached(ctx, b.Def.Image); missing == nil {
			t.e.log.Warn("using the cached image, since pulling it failed", "image", b.Def.Image, "error", err)
			t.pulled(i, have.ID, digestOf(have.Digests))
			return nil
		}
	}
	name := "CannotPullContainerError: "
	if errors.Is(err, ErrRegistryLogin) {
		name = "CannotPullECRContainerError: " // as Amazon's agent names it
	}
	t.fail(i, name+err.Error())
	return nil
}

// ErrRegistryLogin means that there is no login to the built-in registry. Registries.Resolve returns it.
var ErrRegistryLogin = errors.New("unable to get a registry login")

// cached finds a local image by the name with which it is pulled, or by the name in the task definition.
func (e *Engine) cached(ctx context.Context, name string) (runtime.Image, error) {
	have, err := e.rt.Image(ctx, e.images.Name(name))
	if errors.Is(err, runtime.ErrNotFound) && e.images.Name(name) != name {
		return e.rt.Image(ctx, name)
	}
	return have, err
}

// pullImage pulls an image and returns its id. Names are shared with other users of the runtime and may lead to
// another image a moment later.
func (e *Engine) pullImage(ctx context.Context, b Box) (image, digest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.PullTimeout)
	defer cancel()
	for attempt := range pullAttempts {
		if attempt > 0 {
			select {
			case <-time.After(time.Duration(attempt) * time.Second):
			case <-ctx.Done():
				return "", "", context.Cause(ctx)
			}
		}
		var ref string
		var login *runtime.Auth
		if ref, login, err = e.images.Resolve(ctx, b.Def.Image, b.Def.RegistryAuth); err != nil {
			continue
		}
		if image, digest, err = e.pullAs(ctx, ref, login); err == nil {
			return image, digest, nil
		}
		if ctx.Err() != nil || errors.Is(err, runtime.ErrUnavailable) || errors.Is(err, runtime.ErrNotFound) {
			break
		}
	}
	return "", "", err
}

// pullAs pulls ref and notes whether the image is ours.
func (e *Engine) pullAs(ctx context.Context, ref string, login *runtime.Auth) (image, digest string, err error) {
	e.pulling.RLock()
	defer e.pulling.RUnlock()
	before, err := e.rt.Image(ctx, ref)
	there := err == nil
	if digest, err = e.rt.Pull(ctx, ref, login); err != nil {
		return "", "", err
	}
	after, err := e.rt.Image(ctx, withDigest(ref, digest))
	if errors.Is(err, runtime.ErrNotFound) {
		after, err = e.rt.Image(ctx, ref)
	}
	if err != nil {
		return "", "", err
	}
	return after.ID, digest, e.notePull(after.ID, there && before.ID == after.ID, ref)
}

// withDigest returns the name by digest of the image that was pulled as ref. It never leads to another image.
func withDigest(ref, digest string) string {
	if digest == "" || strings.Contains(ref, "@") {
		return ref
	}
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		ref = ref[:colon]
	}
	return ref + "@" + digest
}

// pulled notes that the image has been pulled.
func (t *task) pulled(i int, image, digest string) {
	t.change(func(r *Record) {
		b := &r.Containers[i]
		b.Image, b.Digest, b.Phase = image, digest, max(b.Phase, Pulled)
		r.Hold = ""
	})
}

// digestOf returns the digest of the first name; it is the same for all names of a manifest.
func digestOf(names []string) string {
	slices.Sort(names)
	for _, name := range names {
		if _, digest, ok := strings.Cut(name, "@"); ok {
			return digest
		}
	}
	return ""
}

// pulledBefore reports whether another task here was created from the image.
func (e *Engine) pulledBefore(image, except string) bool {
	for _, r := range e.Tasks() {
		for _, b := range r.Containers {
			if r.Task.ARN != except && b.Def.Image == image && b.Phase >= Pulled && b.Image != "" {
				return true
			}
		}
	}
	return false
}
