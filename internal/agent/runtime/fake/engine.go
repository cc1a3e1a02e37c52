package fake

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Engine is a container runtime in memory.
type Engine struct {
	// Description is what Ping returns.
	Description runtime.Engine

	running sync.WaitGroup

	mu       sync.Mutex // guards everything below
	down     bool
	sequence int
	registry map[string]Program // images that can be pulled
	images   map[string]Program // local images
	tagged   map[string]string  // by a name that Tag has given: the first name of the image
	boxes    map[string]*box
	order    []string // ids of boxes, oldest first
	networks map[string]runtime.Network
	volumes  map[string]runtime.VolumeSpec
	watchers map[chan runtime.Event]context.CancelFunc
	ports    map[string]string // "ip:port/proto" -> id
}

var _ runtime.Runtime = (*Engine)(nil)

// New returns an empty engine.
func New() *Engine {
	return &Engine{
		Description: runtime.Engine{
			Version: "fake", CPUs: 2, MemoryBytes: 8 << 30, CgroupVersion: 2, CgroupDriver: "cgroupfs",
		},
		registry: map[string]Program{},
		images:   map[string]Program{},
		tagged:   map[string]string{},
		boxes:    map[string]*box{},
		networks: map[string]runtime.Network{},
		volumes:  map[string]runtime.VolumeSpec{},
		watchers: map[chan runtime.Event]context.CancelFunc{},
		ports:    map[string]string{},
	}
}

// Publish makes an image available for Pull.
func (e *Engine) Publish(ref string, p Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.registry[ref] = p
}

// Load adds a local image.
func (e *Engine) Load(ref string, p Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[ref] = p
}

// Down makes the engine unreachable and ends its streams. Containers continue to run.
func (e *Engine) Down() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = true
	for _, cancel := range e.watchers {
		cancel()
	}
	for _, b := range e.boxes {
		b.changed.Broadcast()
	}
}

// Up makes the engine reachable again.
func (e *Engine) Up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = false
}

// Close kills all containers and waits until their programs have returned.
func (e *Engine) Close() {
	e.Down()
	e.mu.Lock()
	for _, b := range e.boxes {
		if b.kill != nil {
			b.kill()
		}
	}
	e.mu.Unlock()
	e.running.Wait()
}

// Crash ends a running container as if its program had exited.
func (e *Engine) Crash(id string, code int) {
	e.mu.Lock()
	b := e.boxes[id]
	e.mu.Unlock()
	if b == nil {
		return
	}
	b.kill()
	e.mu.Lock()
	defer e.mu.Unlock()
	for b.view.State == runtime.Running {
		b.changed.Wait()
	}
	b.view.ExitCode = code
}

// SetHealth sets the health of a container.
func (e *Engine) SetHealth(id, health string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.boxes[id]; b != nil {
		b.view.Health = health
		e.emitLocked(runtime.Event{Kind: runtime.EventHealth, ContainerID: id, Health: health})
	}
}

// Ping returns Description.
func (e *Engine) Ping(context.Context) (runtime.Engine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.Description, e.upLocked()
}

func (e *Engine) upLocked() error {
	if e.down {
		return fmt.Errorf("%w: it is down", runtime.ErrUnavailable)
	}
	return nil
}

// Pull copies an image from the registry to the local images.
func (e *Engine) Pull(_ context.Context, ref string, _ *runtime.Auth) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return "", err
	}
	p, ok := e.registry[ref]
	if !ok {
		return "", fmt.Errorf("%w: pull access denied for %s, repository does not exist", runtime.ErrNotFound, ref)
	}
	e.images[ref] = p
	return digest(ref), nil
}

// findImageLocked returns the name of the local image with a name or an id.
func (e *Engine) findImageLocked(ref string) (string, bool) {
	if _, ok := e.images[ref]; ok {
		return ref, true
	}
	for name := range e.images {
		if e.imageIDLocked(name) == ref {
			return name, true
		}
	}
	return ref, false
}

// imageIDLocked returns the id of an image, which is the same for all its names.
func (e *Engine) imageIDLocked(ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return ref
	}
	return digest(cmp.Or(e.tagged[ref], ref))
}

func digest(ref string) string { return fmt.Sprintf("sha256:%064x", ref)[:71] }

// Image describes a local image.
func (e *Engine) Image(_ context.Context, ref string) (runtime.Image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return runtime.Image{}, err
	}
	ref, ok := e.findImageLocked(ref)
	if !ok {
		return runtime.Image{}, fmt.Errorf("%w: no such image: %s", runtime.ErrNotFound, ref)
	}
	name, _, _ := strings.Cut(ref, ":")
	return runtime.Image{
		ID: e.imageIDLocked(ref), Names: []string{ref}, Digests: []string{name + "@" + digest(ref)},
	}, nil
}

// Tag gives an image another name.
func (e *Engine) Tag(_ context.Context, source, target string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.images[source]
	if !ok {
		return fmt.Errorf("%w: no such image: %s", runtime.ErrNotFound, source)
	}
	if old, ok := e.images[target]; ok { // the old image stays, without a name
		e.images[e.imageIDLocked(target)] = old
	}
	e.images[target], e.tagged[target] = p, cmp.Or(e.tagged[source], source)
	return nil
}

// Import adds an image whose program is Serve, whatever is in the tar.
func (e *Engine) Import(_ context.Context, ref string, rootFS io.Reader, _ []string) error {
	if _, err := io.Copy(io.Discard, rootFS); err != nil {
		return err
	}
	e.Load(ref, Serve)
	return nil
}

// ImageUsed reports whether there is a container of the image.
func (e *Engine) ImageUsed(_ context.Context, id string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return false, err
	}
	for _, b := range e.boxes {
		if b.view.ImageID == id {
			return true, nil
		}
	}
	return false, nil
}

// RemoveImage removes a name of an image.
func (e *Engine) RemoveImage(_ context.Context, ref string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.images, ref)
	delete(e.tagged, ref)
	return nil
}

func (e *Engine) emitLocked(event runtime.Event) {
	event.At = time.Now()
	for ch := range e.watchers {
		ch <- event // the buffer is larger than any test needs
	}
}
