package docker

import (
	"context"
	"errors"
	"maps"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

const bridgeNameOption = "com.docker.network.bridge.name"

// EnsureNetwork returns the bridge network of that name.
func (e *Engine) EnsureNetwork(ctx context.Context, s runtime.NetworkSpec) (runtime.Network, error) {
	found, err := e.network(ctx, s.Name)
	if !errors.Is(err, runtime.ErrNotFound) {
		return found, err
	}
	options := client.NetworkCreateOptions{Driver: "bridge", Labels: s.Labels, Options: maps.Clone(s.Options)}
	if s.Subnet.IsValid() {
		options.IPAM = &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: s.Subnet, Gateway: s.Gateway}}}
	}
	if _, err := e.api.NetworkCreate(ctx, s.Name, options); err != nil {
		// Another agent may have made it in between; its addresses then are taken.
		if found, again := e.network(ctx, s.Name); again == nil {
			return found, nil
		}
		return runtime.Network{}, wrap(err)
	}
	return e.network(ctx, s.Name)
}

func (e *Engine) network(ctx context.Context, name string) (runtime.Network, error) {
	r, err := e.api.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if err != nil {
		return runtime.Network{}, wrap(err)
	}
	return describeBridge(r.Network.Network), nil
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

// RemoveNetwork forgets a network.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	_, err := e.api.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
	if err = wrap(err); errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}
