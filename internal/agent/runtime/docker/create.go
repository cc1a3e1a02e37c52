package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Create makes a container.
func (e *Engine) Create(ctx context.Context, s runtime.Spec) (string, error) {
	config, hostConfig, err := documents(s)
	if err != nil {
		return "", err
	}
	networking := attach(s.Network, config, hostConfig)
	if err := publish(s.Ports, config, hostConfig); err != nil {
		return "", err
	}
	ctx, done := whole(ctx)
	defer done()
	r, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: s.Name, Config: config, HostConfig: hostConfig, NetworkingConfig: networking,
	})
	return r.ID, wrap(err)
}

// documents returns the engine's two documents, with the precedence that runtime.Spec describes.
func documents(s runtime.Spec) (*container.Config, *container.HostConfig, error) {
	config := &container.Config{Cmd: s.Command, Entrypoint: s.EntryPoint, Env: s.Env}
	hostConfig := &container.HostConfig{
		Resources: container.Resources{
			CPUShares: s.CPUShares, NanoCPUs: int64(s.CPULimit * 1e9), Memory: s.MemoryBytes,
		},
		VolumesFrom: s.VolumesFrom,
		Binds:       binds(s.Mounts),
	}
	if s.Config != "" {
		if err := json.Unmarshal([]byte(s.Config), config); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", runtime.ErrConfig, err)
		}
	}
	if s.HostConfig != "" {
		if err := json.Unmarshal([]byte(s.HostConfig), hostConfig); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", runtime.ErrHostConfig, err)
		}
	}
	config.Image = s.Image
	if config.Labels == nil {
		config.Labels = map[string]string{}
	}
	for k, v := range s.Labels {
		config.Labels[k] = v
	}
	if s.CgroupParent != "" {
		hostConfig.CgroupParent = s.CgroupParent
	}
	if s.PIDMode != "" {
		hostConfig.PidMode = container.PidMode(s.PIDMode)
	}
	if s.IPCMode != "" {
		hostConfig.IpcMode = container.IpcMode(s.IPCMode)
	}
	if s.Log != nil {
		hostConfig.LogConfig = container.LogConfig{Type: s.Log.Type, Config: s.Log.Options}
	}
	return config, hostConfig, nil
}

func binds(mounts []runtime.Mount) []string {
	var out []string
	for _, m := range mounts {
		bind := m.Source + ":" + m.Target
		if m.ReadOnly {
			bind += ":ro"
		}
		out = append(out, bind)
	}
	return out
}

// attach connects the container. With a shared namespace it removes the settings that belong to the namespace's
// owner, since the engine refuses them.
func attach(
	a runtime.Attachment, config *container.Config, hostConfig *container.HostConfig,
) *network.NetworkingConfig {
	switch {
	case a.Container != "":
		hostConfig.NetworkMode = container.NetworkMode("container:" + a.Container)
		hostConfig.ExtraHosts, hostConfig.DNS, hostConfig.DNSSearch, hostConfig.Links = nil, nil, nil, nil
		config.Hostname, config.Domainname = "", ""
		return nil
	case a.Network == "":
		return nil
	}
	hostConfig.NetworkMode = container.NetworkMode(a.Network)
	if a.Network == runtime.NetworkHost || a.Network == runtime.NetworkNone {
		return nil
	}
	endpoint := &network.EndpointSettings{Aliases: a.Aliases, Links: a.Links}
	if a.Address.IsValid() {
		endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: a.Address}
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{a.Network: endpoint}}
}

func publish(ports []runtime.Port, config *container.Config, hostConfig *container.HostConfig) error {
	if len(ports) == 0 {
		return nil
	}
	config.ExposedPorts = network.PortSet{}
	hostConfig.PortBindings = network.PortMap{}
	for _, p := range ports {
		port, err := network.ParsePort(strconv.Itoa(p.ContainerPort) + "/" + p.Protocol)
		if err != nil {
			return err
		}
		hostIP := p.HostIP
		if !hostIP.IsValid() {
			hostIP = netip.IPv4Unspecified()
		}
		config.ExposedPorts[port] = struct{}{}
		hostConfig.PortBindings[port] = append(hostConfig.PortBindings[port],
			network.PortBinding{HostIP: hostIP, HostPort: strconv.Itoa(p.HostPort)})
	}
	return nil
}
