package engine

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// MetadataAddress is where containers reach their agent.
const MetadataAddress = "169.254.170.2"

// minCPUShares is Docker's minimum (ecs.md 1.4.6).
const minCPUShares = 2

var errHealthCheck = errors.New("the container is to be health checked, but its Config has no Healthcheck")

// spec returns container i for the runtime.
func (e *Engine) spec(ctx context.Context, r *Record, i int) (runtime.Spec, error) {
	b := &r.Containers[i]
	labels := map[string]string{
		LabelTask: r.Task.ARN, LabelContainer: b.Def.Name, LabelFamily: r.Task.Family, LabelVersion: r.Task.Version,
		LabelCluster: e.cfg.Cluster, LabelInstance: e.cfg.Instance,
		LabelImage: b.Def.Image,
	}
	network, err := e.attachment(r, i)
	if err != nil {
		return runtime.Spec{}, err
	}
	if b.Pause {
		return e.pauseSpec(r, b, labels, network)
	}
	document := b.Def.DockerConfig.HostConfig
	if holdsHosts(r, i) {
		own := ownHosts(r, document)
		lines := addHosts(own, b.Hosts)
		if document, err = withHosts(document, lines); err != nil {
			return runtime.Spec{}, err
		}
	}
	if b.Def.HealthCheckType == acs.HealthCheckDocker && !hasHealthCheck(b.Def.DockerConfig.Config) {
		return runtime.Spec{}, errHealthCheck
	}
	s := runtime.Spec{
		Name: b.Name, Image: b.Image, Command: b.Def.Command,
		EntryPoint: b.Def.EntryPoint, Env: e.environment(ctx, r, b), CPUShares: max(b.Def.CPU, minCPUShares),
		MemoryBytes: b.Def.Memory << 20, Mounts: mounts(r, b), VolumesFrom: volumesFrom(r, b),
		Config: b.Def.DockerConfig.Config, HostConfig: document, Labels: labels, Network: network,
		Ports: published(b.Ports), CgroupParent: e.cgroupParent(r), PIDMode: namespace(r, r.Task.PIDMode),
		IPCMode: namespace(r, r.Task.IPCMode),
	}
	if limited(r) && s.CgroupParent == "" {
		limitAlone(r, &s)
	}
	if b.AwslogsOptions() != nil {
		s.Log = ReadableLog()
	}
	return s, nil
}

// ReadableLog is the log driver for containers whose log the agent ships. The driver "local" keeps the output
// byte for byte; json-file would replace the halves of a character when Docker splits a line every 16 KiB.
func ReadableLog() *runtime.LogDriver {
	return &runtime.LogDriver{
		Type: "local", Options: map[string]string{"max-size": "64m", "max-file": "4", "compress": "false"},
	}
}

func hasHealthCheck(config string) bool {
	var c struct{ Healthcheck *struct{ Test []string } }
	return json.Unmarshal([]byte(config), &c) == nil && c.Healthcheck != nil
}

// namespace returns a container's process or IPC namespace.
func namespace(r *Record, mode string) string {
	if mode == modeTask {
		return "container:" + r.Containers[0].RuntimeID
	}
	return mode
}

// publishes reports whether the task's ports are mapped to ports of the machine.
func publishes(r *Record) bool {
	return r.Task.NetworkMode == "" || r.Task.NetworkMode == networkBridge
}

func published(ports []Binding) []runtime.Port {
	var out []runtime.Port
	for _, p := range ports {
		for n := range p.Count {
			out = append(out, runtime.Port{
				HostIP: p.HostIP, HostPort: p.HostPort + n, ContainerPort: p.ContainerPort + n, Protocol: p.Protocol,
			})
		}
	}
	return out
}

// attachment returns the network connection of container i.
func (e *Engine) attachment(r *Record, i int) (runtime.Attachment, error) {
	b := &r.Containers[i]
	if b.Pause && r.Task.NetworkMode != networkAwsvpc {
		return runtime.Attachment{Network: runtime.NetworkNone}, nil
	}
	switch r.Task.NetworkMode {
	case networkHost:
		return runtime.Attachment{Network: runtime.NetworkHost}, nil
	case networkNone:
		return runtime.Attachment{Network: runtime.NetworkNone}, nil
	case networkAwsvpc:
		if !b.Pause {
			return runtime.Attachment{Container: r.Containers[0].RuntimeID}, nil
		}
		gateway, address, err := networkInterface(r)
		return runtime.Attachment{Network: e.cfg.zoneNetwork(gateway).Name, Address: address}, err
	}
	// A network in the payload is kept (ecs-agent.md 5.3).
	if mode := readHostConfig(b.Def.DockerConfig.HostConfig).NetworkMode; mode != "" &&
		mode != networkBridge && mode != "default" {
		return runtime.Attachment{}, nil
	}
	a := runtime.Attachment{Network: e.cfg.BridgeNetwork().Name}
	for _, link := range b.Def.Links {
		name, alias := splitLink(link)
		if n := r.box(name); n >= 0 {
			a.Links = append(a.Links, r.Containers[n].Name+":"+alias)
		}
	}
	return a, nil
}

// environment returns the container's variables in the order of their names. The region of the task definition
// or the image is kept (ecs-agent.md 1.5).
func (e *Engine) environment(ctx context.Context, r *Record, b *Box) []string {
	env := maps.Clone(b.Def.Environment)
	if env == nil {
		env = map[string]string{}
	}
	if r.RoleCredentialsID != "" {
		env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + r.RoleCredentialsID
	}
	env["ECS_CONTAINER_METADATA_URI"] = "http://" + MetadataAddress + "/v3/" + b.EndpointID
	env["ECS_CONTAINER_METADATA_URI_V4"] = "http://" + MetadataAddress + "/v4/" + b.EndpointID
	env["ECS_AGENT_URI"] = "http://" + MetadataAddress + "/api/" + b.EndpointID
	if !e.namesRegion(ctx, env, b.Image) {
		env["AWS_REGION"], env["AWS_DEFAULT_REGION"] = e.cfg.Region, e.cfg.Region
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func (e *Engine) namesRegion(ctx context.Context, env map[string]string, image string) bool {
	if env["AWS_REGION"] != "" || env["AWS_DEFAULT_REGION"] != "" {
		return true
	}
	found, err := e.rt.Image(ctx, image)
	return err == nil && slices.ContainsFunc(found.Env, func(v string) bool {
		return strings.HasPrefix(v, "AWS_REGION=") || strings.HasPrefix(v, "AWS_DEFAULT_REGION=")
	})
}

func mounts(r *Record, b *Box) []runtime.Mount {
	var out []runtime.Mount
	for _, m := range b.Def.MountPoints {
		for _, v := range r.Task.Volumes {
			if v.Name == m.SourceVolume {
				out = append(out, runtime.Mount{Source: source(r, v), Target: m.ContainerPath, ReadOnly: m.ReadOnly})
			}
		}
	}
	return out
}

func volumesFrom(r *Record, b *Box) []string {
	var out []string
	for _, from := range b.Def.VolumesFrom {
		n := r.box(from.SourceContainer)
		if n < 0 {
			continue
		}
		name := r.Containers[n].Name
		if from.ReadOnly {
			name += ":ro"
		}
		out = append(out, name)
	}
	return out
}
