package metadata

import (
	"context"
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
)

// taskView is the task in /task (ecs.md 8.5).
type taskView struct {
	Cluster            string
	TaskARN            string
	Family             string
	Revision           string
	ServiceName        string `json:",omitempty"`
	DesiredStatus      string
	KnownStatus        string
	Limits             *limits    `json:",omitempty"`
	PullStartedAt      *time.Time `json:",omitempty"`
	PullStoppedAt      *time.Time `json:",omitempty"`
	ExecutionStoppedAt *time.Time `json:",omitempty"`
	AvailabilityZone   string     `json:",omitempty"`
	LaunchType         string     `json:",omitempty"`
	VPCID              string     `json:",omitempty"`
	Containers         []containerView
	TaskTags           map[string]string `json:",omitempty"`
	InstanceTags       map[string]string `json:"ContainerInstanceTags,omitempty"`
}

type limits struct {
	CPU    float64
	Memory int64
}

// containerView is a container.
type containerView struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []portView `json:",omitempty"`
	Labels        map[string]string
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        limits
	CreatedAt     *time.Time `json:",omitempty"`
	StartedAt     *time.Time `json:",omitempty"`
	FinishedAt    *time.Time `json:",omitempty"`
	Type          string
	Health        *healthView       `json:"health,omitempty"`
	LogDriver     string            `json:",omitempty"`
	LogOptions    map[string]string `json:",omitempty"`
	ContainerARN  string            `json:",omitempty"`
	Networks      []networkView
	RestartCount  *int `json:",omitempty"`
}

type portView struct {
	ContainerPort int
	Protocol      string
	HostPort      int    `json:",omitempty"`
	HostIP        string `json:"HostIp,omitempty"`
}

type healthView struct {
	Status      string     `json:"status"`
	StatusSince *time.Time `json:"statusSince,omitempty"`
}

type networkView struct {
	NetworkMode              string
	IPv4Addresses            []string
	AttachmentIndex          *int   `json:",omitempty"`
	MACAddress               string `json:",omitempty"`
	IPv4SubnetCIDRBlock      string `json:",omitempty"`
	SubnetGatewayIPv4Address string `json:"SubnetGatewayIpv4Address,omitempty"`
	PrivateDNSName           string `json:",omitempty"`
}

func (s *Server) taskView(t *engine.Record, v4 bool) taskView {
	v := taskView{
		Cluster: s.cfg.Cluster, TaskARN: t.Task.ARN, Family: t.Task.Family, Revision: t.Task.Version,
		ServiceName: t.Task.ServiceName, DesiredStatus: t.Desired,
		KnownStatus: t.Status, PullStartedAt: at(t.PullStartedAt), PullStoppedAt: at(t.PullStoppedAt),
		ExecutionStoppedAt: at(t.ExecutionStoppedAt),
		AvailabilityZone:   s.cfg.Zone,
	}
	if t.Task.CPU > 0 || t.Task.Memory > 0 {
		v.Limits = &limits{CPU: t.Task.CPU, Memory: t.Task.Memory}
	}
	if v4 {
		v.LaunchType, v.VPCID = t.Task.LaunchType, s.cfg.VPC
	}
	for i := range t.Containers {
		if !t.Containers[i].Pause {
			v.Containers = append(v.Containers, s.containerView(t, &t.Containers[i], v4))
		}
	}
	return v
}

func (s *Server) containerView(t *engine.Record, b *engine.Box, v4 bool) containerView {
	v := containerView{
		DockerID: b.RuntimeID, Name: b.Def.Name, DockerName: b.Name, Image: b.Def.Image, ImageID: b.ImageID,
		Labels: map[string]string{
			engine.LabelTask: t.Task.ARN, engine.LabelContainer: b.Def.Name, engine.LabelFamily: t.Task.Family,
			engine.LabelVersion: t.Task.Version, engine.LabelCluster: s.cfg.Cluster,
		},
		DesiredStatus: t.Desired, KnownStatus: status(b), ExitCode: b.ExitCode,
		Limits:    limits{CPU: float64(b.Def.CPU), Memory: b.Def.Memory},
		CreatedAt: at(b.CreatedAt), StartedAt: at(b.StartedAt), FinishedAt: at(b.FinishedAt),
		Type: "NORMAL", ContainerARN: b.Def.ARN, Networks: networks(t, b), Ports: ports(b),
	}
	if b.Def.HealthCheckType == acs.HealthCheckDocker {
		v.Health = &healthView{Status: b.Health, StatusSince: at(b.HealthSince)}
	}
	if b.Def.RestartPolicy != nil {
		v.RestartCount = &b.Restarts
	}
	if v4 {
		v.LogDriver, v.LogOptions = b.LogDriver()
	}
	return v
}

func status(b *engine.Box) string {
	switch b.Phase {
	case engine.Pulled:
		return "PULLED"
	case engine.Created:
		return "CREATED"
	case engine.Running:
		return "RUNNING"
	case engine.Stopped:
		return "STOPPED"
	}
	return "NONE"
}

func ports(b *engine.Box) []portView {
	var out []portView
	for _, p := range b.Ports {
		for n := range p.Count {
			v := portView{ContainerPort: p.ContainerPort + n, Protocol: p.Protocol, HostPort: p.HostPort + n}
			if p.HostIP.IsValid() {
				v.HostIP = p.HostIP.String()
			}
			out = append(out, v)
		}
	}
	return out
}

func networks(t *engine.Record, b *engine.Box) []networkView {
	v := networkView{NetworkMode: t.Task.NetworkMode, IPv4Addresses: []string{}}
	if v.NetworkMode == "" {
		v.NetworkMode = "bridge"
	}
	for _, a := range b.Addresses {
		v.IPv4Addresses = append(v.IPv4Addresses, a.String())
	}
	if len(t.Task.NetworkInterfaces) > 0 {
		n := t.Task.NetworkInterfaces[0]
		v.AttachmentIndex, v.MACAddress, v.PrivateDNSName = new(int), n.MAC, n.PrivateDNSName
		v.SubnetGatewayIPv4Address, v.IPv4SubnetCIDRBlock = n.SubnetGateway, subnet(n.SubnetGateway)
		v.IPv4Addresses = []string{}
		for _, a := range n.IPv4 {
			v.IPv4Addresses = append(v.IPv4Addresses, a.Address)
		}
	}
	return []networkView{v}
}

func (s *Server) taskWithTags(v4 bool) func(context.Context, *engine.Record, *engine.Box) (any, error) {
	return func(ctx context.Context, t *engine.Record, _ *engine.Box) (any, error) {
		v := s.taskView(t, v4)
		var err error
		if v.TaskTags, err = s.cfg.Tags(ctx, t.Task.ARN); err != nil {
			return nil, err
		}
		v.InstanceTags, err = s.cfg.Tags(ctx, s.cfg.ContainerInstance)
		return v, err
	}
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// subnet returns the network of a gateway, which is written as ADDRESS/BITS.
func subnet(gateway string) string {
	p, err := netip.ParsePrefix(gateway)
	if err != nil {
		return ""
	}
	return p.Masked().String()
}
