package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

const bridgeNameOption = "com.docker.network.bridge.name"

// EnsureNetwork returns the bridge network of that name. The engine allows two networks with the same name;
// then the older one is used. An existing network with other addresses than requested is created again.
func (e *Engine) EnsureNetwork(ctx context.Context, s runtime.NetworkSpec) (runtime.Network, error) {
	e.networks.Lock()
	defer e.networks.Unlock()
	found, err := e.named(ctx, s.Name)
	if err == nil && len(found) > 0 && s.Subnet.IsValid() && describeBridge(found[0]).Subnet != s.Subnet {
		if err := e.RemoveNetwork(ctx, s.Name); err != nil {
			return runtime.Network{}, fmt.Errorf("the network %s has other addresses, %s, and is in use: %w",
				s.Name, describeBridge(found[0]).Subnet, err)
		}
		found = nil
	}
	if err != nil || len(found) > 0 {
		return e.oldest(ctx, found, err)
	}
	options := client.NetworkCreateOptions{Driver: "bridge", Labels: s.Labels, Options: maps.Clone(s.Options)}
	if s.Subnet.IsValid() {
		options.IPAM = &network.IPAM{
			Driver: "default", Config: []network.IPAMConfig{{Subnet: s.Subnet, Gateway: s.Gateway}},
		}
	}
	ctx, done := whole(ctx)
	defer done()
	createErr := e.create(ctx, s.Name, options, s.Avoid)
	found, err = e.named(ctx, s.Name)
	if err == nil && len(found) == 0 {
		return runtime.Network{}, wrap(createErr)
	}
	// Another agent may have created it in the meantime; then its addresses were taken.
	return e.oldest(ctx, found, err)
}

// create creates a network outside the addresses to avoid. The engine chooses addresses; if they overlap, the
// network is kept until the engine has chosen again.
func (e *Engine) create(
	ctx context.Context, name string, options client.NetworkCreateOptions, avoid netip.Prefix,
) error {
	for {
		made, err := e.api.NetworkCreate(ctx, name, options)
		if err != nil || !avoid.IsValid() {
			return err
		}
		is, err := e.api.NetworkInspect(ctx, made.ID, client.NetworkInspectOptions{})
		if err != nil {
			return err
		}
		if subnet := describeBridge(is.Network.Network).Subnet; !subnet.IsValid() || !subnet.Overlaps(avoid) {
			return nil
		}
		// If it cannot be removed now, it is removed later as the younger of two with the same name, or with
		// its instance.
		defer e.api.NetworkRemove(context.WithoutCancel(ctx), made.ID, client.NetworkRemoveOptions{})
	}
}

// named returns the networks with exactly that name, oldest first.
func (e *Engine) named(ctx context.Context, name string) ([]network.Network, error) {
	r, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", name)})
	if err != nil {
		return nil, wrap(err)
	}
	var out []network.Network
	for _, n := range r.Items {
		if n.Name == name {
			out = append(out, n.Network)
		}
	}
	slices.SortFunc(out, func(a, b network.Network) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// oldest returns the first of the networks and removes the others, unless they are in use.
func (e *Engine) oldest(ctx context.Context, found []network.Network, err error) (runtime.Network, error) {
	if err != nil {
		return runtime.Network{}, err
	}
	for _, n := range found[1:] {
		if _, err := e.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil &&
			!errdefs.IsNotFound(err) {
			return runtime.Network{}, wrap(err)
		}
	}
	return describeBridge(found[0]), nil
}

// NetworksWith describes the networks that have the label.
func (e *Engine) NetworksWith(ctx context.Context, label string) ([]runtime.Network, error) {
	r, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return nil, wrap(err)
	}
	var out []runtime.Network
	for _, n := range r.Items {
		out = append(out, describeBridge(n.Network))
	}
	return out, nil
}

func describeBridge(n network.Network) runtime.Network {
	out := runtime.Network{ID: n.ID, Name: n.Name, Labels: n.Labels, Bridge: n.Options[bridgeNameOption]}
	if out.Bridge == "" && len(n.ID) >= 12 {
		out.Bridge = "br-" + n.ID[:12]
	}
	for _, c := range n.IPAM.Config {
		if c.Subnet.Addr().Is4() {
			out.Subnet, out.Gateway = c.Subnet, c.Gateway
			break
		}
	}
	return out
}

// RemoveNetwork removes a network.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	found, err := e.named(ctx, name)
	if err != nil {
		return err
	}
	for _, n := range found {
		if _, err := e.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil &&
			!errdefs.IsNotFound(err) {
			return wrap(err)
		}
	}
	return nil
}
