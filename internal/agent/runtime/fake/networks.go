package fake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// EnsureNetwork returns the network with a name, and makes it if there is none.
func (e *Engine) EnsureNetwork(_ context.Context, s runtime.NetworkSpec) (runtime.Network, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return runtime.Network{}, err
	}
	if n, ok := e.networks[s.Name]; ok && (!s.Subnet.IsValid() || n.Subnet == s.Subnet) {
		return n, nil
	}
	n := runtime.Network{
		ID: fmt.Sprintf("net-%s", s.Name), Name: s.Name, Subnet: s.Subnet, Gateway: s.Gateway,
		Bridge: "br-" + s.Name, Labels: maps.Clone(s.Labels),
	}
	if !n.Subnet.IsValid() {
		part := byte(18 + len(e.networks))
		n.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, part, 0, 0}), 16)
		if s.Avoid.IsValid() && n.Subnet.Overlaps(s.Avoid) {
			n.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, part, 0}), 24)
		}
	}
	if !n.Gateway.IsValid() {
		n.Gateway = n.Subnet.Addr().Next()
	}
	e.networks[s.Name] = n
	return n, nil
}

// NetworksWith returns the networks that have the label, sorted by name.
func (e *Engine) NetworksWith(_ context.Context, label string) ([]runtime.Network, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []runtime.Network
	for _, name := range slices.Sorted(maps.Keys(e.networks)) {
		if _, ok := e.networks[name].Labels[label]; ok {
			out = append(out, e.networks[name])
		}
	}
	return out, e.upLocked()
}

// RemoveNetwork deletes a network.
func (e *Engine) RemoveNetwork(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.networks, name)
	return e.upLocked()
}

// EnsureVolume makes a volume if there is none with its name.
func (e *Engine) EnsureVolume(_ context.Context, s runtime.VolumeSpec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.volumes[s.Name]; !ok {
		e.volumes[s.Name] = s
	}
	return e.upLocked()
}

// HasVolume reports whether there is a volume of that name.
func (e *Engine) HasVolume(_ context.Context, name string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.volumes[name]
	return ok, e.upLocked()
}

// VolumesWith returns the names of the volumes with a label, sorted.
func (e *Engine) VolumesWith(_ context.Context, label, value string) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(e.volumes)) {
		if e.volumes[name].Labels[label] == value {
			out = append(out, name)
		}
	}
	return out, e.upLocked()
}

// RemoveVolume deletes a volume.
func (e *Engine) RemoveVolume(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.volumes, name)
	return e.upLocked()
}
