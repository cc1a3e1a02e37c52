package dispatch

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
)

// dockerAPI is the version of the Docker API for which the documents are written.
const dockerAPI = "1.29"

const awslogs = "awslogs"

// dockerDocument is Docker's Config, with the fields that a task definition can set (ecs-agent.md
// 5.3).
type dockerDocument struct {
	User            string             `json:",omitempty"`
	WorkingDir      string             `json:",omitempty"`
	Hostname        string             `json:",omitempty"`
	Labels          map[string]string  `json:",omitempty"`
	Tty             bool               `json:",omitempty"`
	OpenStdin       bool               `json:",omitempty"`
	NetworkDisabled bool               `json:",omitempty"`
	Healthcheck     *dockerHealthcheck `json:",omitempty"`
}

// dockerHealthcheck is a health check; its times are in nanoseconds.
type dockerHealthcheck struct {
	Test        []string
	Interval    time.Duration
	Timeout     time.Duration
	Retries     int
	StartPeriod time.Duration
}

// hostDocument is Docker's HostConfig. Sizes are bytes.
type hostDocument struct {
	NetworkMode       string `json:",omitempty"`
	PidMode           string `json:",omitempty"`
	IpcMode           string `json:",omitempty"`
	LogConfig         dockerLog
	MemoryReservation int64             `json:",omitempty"`
	MemorySwap        *int64            `json:",omitempty"`
	MemorySwappiness  *int64            `json:",omitempty"`
	Privileged        bool              `json:",omitempty"`
	ReadonlyRootfs    bool              `json:",omitempty"`
	DNS               []string          `json:"Dns,omitempty"`
	DNSSearch         []string          `json:"DnsSearch,omitempty"`
	ExtraHosts        []string          `json:",omitempty"`
	SecurityOpt       []string          `json:",omitempty"`
	Ulimits           []dockerUlimit    `json:",omitempty"`
	Sysctls           map[string]string `json:",omitempty"`
	CapAdd            []string          `json:",omitempty"`
	CapDrop           []string          `json:",omitempty"`
	Devices           []dockerDevice    `json:",omitempty"`
	Init              *bool             `json:",omitempty"`
	ShmSize           int64             `json:",omitempty"`
	Tmpfs             map[string]string `json:",omitempty"`
}

type dockerLog struct {
	Type   string
	Config map[string]string
}

type dockerUlimit struct {
	Name string
	Soft int
	Hard int
}

type dockerDevice struct {
	PathOnHost, PathInContainer, CgroupPermissions string
}

const mib = 1 << 20

func dockerConfig(
	t *ecs.Task, def *ecs.TaskDefinition, c ecs.ContainerDefinition, o options,
) (acs.DockerConfig, error) {
	config, err := json.Marshal(configDocument(c))
	if err != nil {
		return acs.DockerConfig{}, err
	}
	host, err := json.Marshal(hostConfigDocument(t, def, c, o))
	if err != nil {
		return acs.DockerConfig{}, err
	}
	return acs.DockerConfig{Version: dockerAPI, Config: string(config), HostConfig: string(host)}, nil
}

func configDocument(c ecs.ContainerDefinition) dockerDocument {
	out := dockerDocument{
		User: c.User, WorkingDir: c.WorkingDirectory, Hostname: c.Hostname, Labels: c.DockerLabels,
		Tty: c.PseudoTerminal, OpenStdin: c.Interactive, NetworkDisabled: c.DisableNetworking,
	}
	if h := c.HealthCheck; h != nil {
		out.Healthcheck = &dockerHealthcheck{
			Test: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout), Retries: h.Retries,
			StartPeriod: seconds(h.StartPeriod),
		}
	}
	return out
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func hostConfigDocument(t *ecs.Task, def *ecs.TaskDefinition, c ecs.ContainerDefinition, o options) hostDocument {
	out := hostDocument{
		LogConfig: logConfig(t, c, o.reach), MemoryReservation: int64(c.MemoryReservation) * mib,
		Privileged: c.Privileged, ReadonlyRootfs: c.ReadonlyRootFilesystem, DNS: c.DNSServers,
		DNSSearch: c.DNSSearchDomains, SecurityOpt: c.DockerSecurityOptions,
	}
	if def.NetworkMode != ecs.NetworkAwsvpc {
		out.NetworkMode = def.NetworkMode // Amazon's agent reads it here only
	}
	if def.PIDMode == "host" {
		out.PidMode = def.PIDMode
	}
	if def.IPCMode == "host" || def.IPCMode == "none" {
		out.IpcMode = def.IPCMode
	}
	for _, h := range c.ExtraHosts {
		out.ExtraHosts = append(out.ExtraHosts, h.Hostname+":"+h.IPAddress)
	}
	out.ExtraHosts = append(out.ExtraHosts, o.hosts...)
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, dockerUlimit{u.Name, u.SoftLimit, u.HardLimit})
	}
	for _, s := range c.SystemControls {
		if out.Sysctls == nil {
			out.Sysctls = map[string]string{}
		}
		out.Sysctls[s.Namespace] = s.Value
	}
	if c.LinuxParameters != nil {
		out.addLinux(c)
	}
	return out
}

func (out *hostDocument) addLinux(c ecs.ContainerDefinition) {
	p := c.LinuxParameters
	if p.Capabilities != nil {
		out.CapAdd, out.CapDrop = p.Capabilities.Add, p.Capabilities.Drop
	}
	for _, d := range p.Devices {
		out.Devices = append(out.Devices, device(d))
	}
	if p.InitProcessEnabled {
		out.Init = new(true)
	}
	out.ShmSize = int64(p.SharedMemorySize) * mib
	for _, m := range p.Tmpfs {
		if out.Tmpfs == nil {
			out.Tmpfs = map[string]string{}
		}
		out.Tmpfs[m.ContainerPath] = strings.Join(
			append([]string{fmt.Sprintf("size=%dm", m.Size)}, m.MountOptions...), ",")
	}
	if p.MaxSwap == nil || c.Memory == 0 {
		return // the machine's own setting applies (swappiness has no effect without maxSwap)
	}
	out.MemorySwap = new(int64(c.Memory+*p.MaxSwap) * mib)
	if p.Swappiness != nil {
		out.MemorySwappiness = new(int64(*p.Swappiness))
	}
}

// device returns a device; without named permissions it has all.
func device(d ecs.Device) dockerDevice {
	out := dockerDevice{PathOnHost: d.HostPath, PathInContainer: d.ContainerPath, CgroupPermissions: "rwm"}
	if out.PathInContainer == "" {
		out.PathInContainer = d.HostPath
	}
	if len(d.Permissions) > 0 {
		out.CgroupPermissions = ""
		for _, p := range d.Permissions {
			out.CgroupPermissions += map[string]string{"read": "r", "write": "w", "mknod": "m"}[p]
		}
	}
	return out
}

// logConfig names the log stream as ECS does (ecs.md 7.10), because Docker's awslogs driver has no
// prefixes. It also sets the endpoint of this control plane's CloudWatch Logs.
func logConfig(t *ecs.Task, c ecs.ContainerDefinition, r *reach) dockerLog {
	if c.LogConfiguration == nil {
		return dockerLog{Type: "json-file", Config: map[string]string{}}
	}
	out := dockerLog{Type: c.LogConfiguration.LogDriver, Config: maps.Clone(c.LogConfiguration.Options)}
	if out.Config == nil {
		out.Config = map[string]string{}
	}
	const prefix, endpoint = "awslogs-stream-prefix", "awslogs-endpoint"
	if out.Type == awslogs && r != nil && out.Config[endpoint] == "" {
		out.Config[endpoint] = r.url
	}
	if p := out.Config[prefix]; out.Type == awslogs && p != "" {
		delete(out.Config, prefix)
		out.Config["awslogs-stream"] = p + "/" + c.Name + "/" + arn.LastID(t.TaskARN)
	}
	return out
}
