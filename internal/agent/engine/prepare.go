package engine

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/fence"
)

// LabelNetwork marks the bridge networks of agents on this machine.
const LabelNetwork = "com.berthhq.network"

// Values of LabelNetwork.
const (
	NetworkOfInstance = "instance"
	NetworkOfZone     = "zone"
)

// LabelServer names the server whose agents created a network, where several servers share a machine.
const LabelServer = "com.berthhq.server"

// vpcAddresses are the addresses of the default VPC of a machine's first region, for awsvpc tasks. The ranges
// that Docker itself chooses for networks include them last; those of other regions' VPCs are outside its
// ranges.
var vpcAddresses = netip.MustParsePrefix("172.31.0.0/16")

// BridgeNetwork is the network of this agent's tasks in bridge mode. No other agent uses it.
func (c Config) BridgeNetwork() runtime.NetworkSpec {
	return runtime.NetworkSpec{
		Name: c.NetworkPrefix + "-" + c.Instance, Avoid: vpcAddresses,
		Labels: c.networkLabels(NetworkOfInstance, c.Instance),
	}
}

// zoneNetwork is the network of the machine's awsvpc tasks in one zone, with the addresses of the zone's
// subnet. The agents of the zone share it.
func (c Config) zoneNetwork(gateway netip.Prefix) runtime.NetworkSpec {
	return runtime.NetworkSpec{
		Name: c.zoneName(), Subnet: gateway.Masked(), Gateway: gateway.Addr(),
		Labels: c.networkLabels(NetworkOfZone, ""),
	}
}

func (c Config) networkLabels(kind, instance string) map[string]string {
	labels := map[string]string{LabelNetwork: kind}
	if instance != "" {
		labels[LabelInstance] = instance
	}
	if c.Server != "" {
		labels[LabelServer] = c.Server
	}
	return labels
}

func (c Config) zoneName() string { return c.NetworkPrefix + "-" + c.Zone }

// prepare creates what the task's containers need.
func (e *Engine) prepare(ctx context.Context, r *Record) error {
	if err := e.prepareNetwork(ctx, r); err != nil {
		return err
	}
	for _, v := range r.Task.Volumes {
		if err := e.prepareVolume(ctx, r, v); err != nil {
			return fmt.Errorf("volume %q: %w", v.Name, err)
		}
	}
	return e.limit(r)
}

func (e *Engine) prepareNetwork(ctx context.Context, r *Record) error {
	switch r.Task.NetworkMode {
	case networkHost, networkNone:
		return nil
	case networkAwsvpc:
		gateway, address, err := networkInterface(r)
		if err != nil {
			return err
		}
		network, err := e.rt.EnsureNetwork(ctx, e.cfg.zoneNetwork(gateway))
		if err != nil {
			return fmt.Errorf("network of zone %s with the addresses %s: %w", e.cfg.Zone, gateway.Masked(), err)
		}
		e.guard(ctx, network)
		if err := e.redirect.Add(ctx, r.Task.ARN, address); err != nil {
			// The task runs; few tasks need the metadata.
			e.log.Warn("a task cannot reach the task metadata address", "task", r.Task.ARN, "error", err)
		}
		return nil
	}
	network, err := e.rt.EnsureNetwork(ctx, e.cfg.BridgeNetwork())
	if err == nil {
		e.guard(ctx, network)
	}
	return err
}

// guard protects a network before a container is started in it. If the agent may not do so, the task runs
// nevertheless; the agent has logged that at its start.
func (e *Engine) guard(ctx context.Context, n runtime.Network) {
	network := fence.Network{Bridge: n.Bridge, Published: e.cfg.PublishesBeyond, BlockMetadata: e.cfg.BlockIMDS}
	if n.Labels[LabelNetwork] == NetworkOfZone {
		network.Published, network.BlockMetadata = false, e.cfg.BlockIMDSAwsvpc
	}
	if err := e.redirect.Guard(ctx, network); err != nil {
		e.log.Debug("a network is not protected", "network", n.Name, "error", err)
	}
}

// GuardNetworks protects the existing networks. An error means that the runtime could not list them.
func (e *Engine) GuardNetworks(ctx context.Context) error {
	networks, err := e.rt.NetworksWith(ctx, LabelNetwork)
	for _, n := range networks {
		if n.Name == e.cfg.BridgeNetwork().Name || n.Name == e.cfg.zoneName() {
			e.guard(ctx, n)
		}
	}
	return err
}

// networkInterface parses the address that the control plane gave to an awsvpc task.
func networkInterface(r *Record) (gateway netip.Prefix, address netip.Addr, err error) {
	if len(r.Task.NetworkInterfaces) == 0 {
		return gateway, address, fmt.Errorf("the awsvpc task has no network interface")
	}
	n := r.Task.NetworkInterfaces[0]
	if gateway, err = netip.ParsePrefix(n.SubnetGateway); err != nil {
		return gateway, address, fmt.Errorf("gateway of the network interface: %w", err)
	}
	for _, a := range n.IPv4 {
		if a.Primary || len(n.IPv4) == 1 {
			address, err = netip.ParseAddr(a.Address)
			return gateway, address, err
		}
	}
	return gateway, address, fmt.Errorf("the network interface has no primary address")
}

func (e *Engine) prepareVolume(ctx context.Context, r *Record, v acs.Volume) error {
	switch {
	case v.Type == "docker" && v.Docker != nil:
		return e.prepareDockerVolume(ctx, r, v)
	case v.Type != "" && v.Type != "host":
		return fmt.Errorf("volumes of type %s are not supported by this agent", v.Type)
	case v.Host != nil && v.Host.SourcePath != "":
		return nil
	}
	return e.rt.EnsureVolume(ctx, e.taskVolume(r, v.Name, acs.DockerVolume{}))
}

func (e *Engine) taskVolume(r *Record, name string, d acs.DockerVolume) runtime.VolumeSpec {
	labels := map[string]string{LabelInstance: e.cfg.Instance, LabelTask: r.Task.ARN}
	for k, v := range d.Labels {
		labels[k] = v
	}
	return runtime.VolumeSpec{Name: volumeName(r.Task, name), Driver: d.Driver, Options: d.DriverOpts, Labels: labels}
}

func (e *Engine) prepareDockerVolume(ctx context.Context, r *Record, v acs.Volume) error {
	if v.Docker.Scope != acs.ScopeShared {
		return e.rt.EnsureVolume(ctx, e.taskVolume(r, v.Name, *v.Docker))
	}
	has, err := e.rt.HasVolume(ctx, v.Name)
	switch {
	case err != nil || has:
		return err
	case !v.Docker.Autoprovision:
		return fmt.Errorf("the shared volume is not there and autoprovision is off")
	}
	return e.rt.EnsureVolume(ctx, runtime.VolumeSpec{
		Name: v.Name, Driver: v.Docker.Driver, Options: v.Docker.DriverOpts, Labels: v.Docker.Labels,
	})
}

// source returns the name or path of volume v for Docker.
func source(r *Record, v acs.Volume) string {
	switch {
	case v.Host != nil && v.Host.SourcePath != "":
		return v.Host.SourcePath
	case v.Docker != nil && v.Docker.Scope == acs.ScopeShared:
		return v.Name
	}
	return volumeName(r.Task, v.Name)
}

// ownVolumes returns the volumes that are removed with the task.
func ownVolumes(r *Record) []string {
	var out []string
	for _, v := range r.Task.Volumes {
		if name := source(r, v); name == volumeName(r.Task, v.Name) {
			out = append(out, name)
		}
	}
	return out
}

// Address returns the task's own address in awsvpc mode.
func (r *Record) Address() (netip.Addr, bool) {
	if r.Task.NetworkMode != networkAwsvpc {
		return netip.Addr{}, false
	}
	_, address, err := networkInterface(r)
	return address, err == nil
}
