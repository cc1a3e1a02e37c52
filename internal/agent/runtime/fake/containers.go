package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Create makes a container.
func (e *Engine) Create(_ context.Context, s runtime.Spec) (string, error) {
	if s.Config != "" && !json.Valid([]byte(s.Config)) {
		return "", fmt.Errorf("%w: it is not JSON", runtime.ErrConfig)
	}
	if s.HostConfig != "" && !json.Valid([]byte(s.HostConfig)) {
		return "", fmt.Errorf("%w: it is not JSON", runtime.ErrHostConfig)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return "", err
	}
	name, ok := e.findImageLocked(s.Image)
	if !ok {
		return "", fmt.Errorf("%w: no such image: %s", runtime.ErrNotFound, s.Image)
	}
	for _, b := range e.boxes {
		if s.Name != "" && b.view.Name == s.Name {
			return "", fmt.Errorf("%w: the name %q is in use", runtime.ErrConflict, s.Name)
		}
	}
	e.sequence++
	id := fmt.Sprintf("%064x", e.sequence)
	b := &box{spec: s, program: e.images[name], changed: sync.NewCond(&e.mu)}
	b.view = runtime.Container{
		ID: id, Name: s.Name, Image: s.Image, ImageID: e.imageIDLocked(name), Labels: maps.Clone(s.Labels),
		State: runtime.Created, CreatedAt: time.Now(), Ports: slices.Clone(s.Ports), LogDriver: "json-file",
	}
	if b.view.Name == "" {
		b.view.Name = id[52:]
	}
	if n, ok := e.networks[s.Network.Network]; ok {
		address := s.Network.Address
		if !address.IsValid() {
			address = netip.AddrFrom4([4]byte{172, 18, byte(e.sequence >> 8), byte(e.sequence)})
		}
		b.view.Addresses = []runtime.Address{{Network: n.Name, IPv4: address, Gateway: n.Gateway}}
	}
	e.boxes[id], e.order = b, append(e.order, id)
	return id, nil
}

func (e *Engine) findLocked(id string) (*box, error) {
	if err := e.upLocked(); err != nil {
		return nil, err
	}
	b, ok := e.boxes[id]
	if !ok {
		return nil, fmt.Errorf("%w: no such container: %s", runtime.ErrNotFound, id)
	}
	return b, nil
}

// SetHosts stores the lines of a container's hosts file.
func (e *Engine) SetHosts(_ context.Context, id string, _, want []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findLocked(id)
	if err == nil {
		b.hosts = slices.Clone(want)
	}
	return err
}

// Hosts returns the lines of the last SetHosts.
func (e *Engine) Hosts(id string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.boxes[id]; b != nil {
		return b.hosts
	}
	return nil
}

// Start runs a container.
func (e *Engine) Start(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findLocked(id)
	if err != nil || b.view.State == runtime.Running {
		return err
	}
	if err := e.bindLocked(b); err != nil {
		return err
	}
	e.startLocked(b, b.program)
	return nil
}

// bindLocked reserves the container's host ports.
func (e *Engine) bindLocked(b *box) error {
	for _, p := range b.spec.Ports {
		key := fmt.Sprintf("%s:%d/%s", p.HostIP, p.HostPort, p.Protocol)
		holder, taken := e.boxes[e.ports[key]]
		if taken && holder != b && holder.view.State == runtime.Running {
			return fmt.Errorf("%w: %s", runtime.ErrPortTaken, key)
		}
		e.ports[key] = b.view.ID
	}
	return nil
}

// Stop ends a container.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findLocked(id)
	if err != nil || b.view.State != runtime.Running {
		return err
	}
	if !b.termed {
		b.termed = true
		close(b.term)
	}
	timer := time.AfterFunc(grace, b.kill)
	defer timer.Stop()
	for b.view.State == runtime.Running {
		b.changed.Wait()
	}
	return nil
}

// Inspect describes a container.
func (e *Engine) Inspect(_ context.Context, id string) (runtime.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findLocked(id)
	if err != nil {
		return runtime.Container{}, err
	}
	return b.view, nil
}

// List describes the containers with a label, oldest first.
func (e *Engine) List(_ context.Context, label, value string) ([]runtime.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return nil, err
	}
	var out []runtime.Container
	for _, id := range e.order {
		if b := e.boxes[id]; b != nil && b.view.Labels[label] == value {
			out = append(out, b.view)
		}
	}
	return out, nil
}

// Remove deletes a container.
func (e *Engine) Remove(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return err
	}
	b, ok := e.boxes[id]
	if !ok {
		return nil
	}
	if b.view.State == runtime.Running {
		b.kill()
		for b.view.State == runtime.Running {
			b.changed.Wait()
		}
	}
	delete(e.boxes, id)
	e.emitLocked(runtime.Event{Kind: runtime.EventRemoved, ContainerID: id})
	return nil
}

// Destroy kills and deletes a container.
func (e *Engine) Destroy(ctx context.Context, id string, dead func()) error {
	err := e.Remove(ctx, id)
	if err == nil {
		dead()
	}
	return err
}
