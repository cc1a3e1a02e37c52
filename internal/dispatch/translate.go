package dispatch

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
)

// options are what a payload says beyond the task and its definition.
type options struct {
	hosts       []string // "name:address"
	endpointURL string
	reach       *reach // nil for Berth's own agents
}

// reach is where an agent finds the control plane. Amazon's agent, and Docker on its behalf, would
// otherwise look for images and logs at Amazon.
type reach struct{ host, url string }

// translate returns a task as agents understand it (ecs-agent.md 5): overrides are merged, all
// defaults are explicit, and what is for Docker is written as Docker's own documents.
func translate(t *ecs.Task, def *ecs.TaskDefinition, o options) (acs.Task, error) {
	out := acs.Task{
		ARN: t.TaskARN, ClusterARN: t.ClusterARN, DesiredStatus: acs.DesiredRunning,
		Family: def.Family, Version: strconv.Itoa(def.Revision), Overrides: "{}",
		NetworkMode: def.NetworkMode, PIDMode: def.PIDMode, IPCMode: def.IPCMode,
		LaunchType: t.LaunchType, Group: t.Group, ServiceName: serviceName(t), Zone: t.AvailabilityZone,
	}
	if a, err := arn.Parse(def.TaskDefinitionARN); err == nil {
		out.DefinitionAccount = a.Account
	}
	if n, err := strconv.Atoi(cmp.Or(t.Overrides.CPU, def.CPU)); err == nil {
		out.CPU = float64(n) / 1024
	}
	if n, err := strconv.ParseInt(cmp.Or(t.Overrides.Memory, def.Memory), 10, 64); err == nil {
		out.Memory = n
	}
	for _, v := range def.Volumes {
		out.Volumes = append(out.Volumes, translateVolume(v))
	}
	out.Hosts = o.hosts
	var err error
	if def.NetworkMode == ecs.NetworkAwsvpc {
		if out.NetworkInterfaces, err = networkInterfaces(t); err != nil {
			return acs.Task{}, err
		}
	}
	for _, c := range def.ContainerDefinitions {
		container, err := translateContainer(t, def, t.Overrides.Apply(c), o)
		if err != nil {
			return acs.Task{}, fmt.Errorf("container %q: %w", c.Name, err)
		}
		out.Containers = append(out.Containers, container)
	}
	return out, nil
}

func serviceName(t *ecs.Task) string {
	if t.ServiceARN == "" {
		return ""
	}
	return arn.LastID(t.ServiceARN)
}

func translateVolume(v ecs.Volume) acs.Volume {
	out := acs.Volume{Name: v.Name, Type: "host", Host: &acs.HostVolume{}}
	switch d := v.DockerVolumeConfiguration; {
	case d != nil:
		out.Type, out.Host = "docker", nil
		out.Docker = &acs.DockerVolume{
			Scope: cmp.Or(d.Scope, acs.ScopeTask), Autoprovision: d.Autoprovision, Driver: cmp.Or(d.Driver, "local"),
			DriverOpts: d.DriverOpts, Labels: d.Labels,
		}
	case v.Host != nil:
		out.Host.SourcePath = v.Host.SourcePath
	}
	return out
}

// networkInterfaces returns the network interface with the task's own address.
func networkInterfaces(t *ecs.Task) ([]acs.NetworkInterface, error) {
	a, err := arn.Parse(t.TaskARN)
	if err != nil {
		return nil, err
	}
	var out []acs.NetworkInterface
	for _, at := range t.Attachments {
		if at.Type != "ElasticNetworkInterface" {
			continue
		}
		address, err := netip.ParseAddr(at.Detail("privateIPv4Address"))
		if err != nil {
			return nil, fmt.Errorf("address of the network interface: %w", err)
		}
		subnet := fleet.PartAround(address)
		gateway := netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits())
		out = append(out, acs.NetworkInterface{
			ID: at.Detail("networkInterfaceId"), MAC: at.Detail("macAddress"),
			PrivateDNSName: at.Detail("privateDnsName"),
			IPv4:           []acs.IPv4Address{{Primary: true, Address: at.Detail("privateIPv4Address")}},
			SubnetGateway:  gateway.String(), AttachmentARN: attachmentARN(a, t, at),
		})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the awsvpc task has no network interface")
	}
	return out, nil
}

func attachmentARN(a arn.ARN, t *ecs.Task, at ecs.Attachment) string {
	return arn.New("ecs", a.Region, a.Account, "attachment/"+arn.LastID(t.ClusterARN)+"/"+at.ID).String()
}

func translateContainer(
	t *ecs.Task, def *ecs.TaskDefinition, c ecs.ContainerDefinition, o options,
) (acs.Container, error) {
	out := acs.Container{
		Name: c.Name, Image: c.Image, Essential: c.Essential, Command: c.Command, EntryPoint: c.EntryPoint,
		Overrides: "{}", CPU: int64(c.CPU), Memory: int64(c.Memory), Environment: environment(c, o),
		Links: c.Links, StartTimeout: int64(c.StartTimeout), StopTimeout: int64(c.StopTimeout),
	}
	for _, oc := range t.Containers {
		if oc.Name == c.Name {
			out.ARN = oc.ContainerARN
		}
	}
	addOrder(&out, c)
	addPorts(&out, c)
	for _, m := range c.MountPoints {
		out.MountPoints = append(out.MountPoints, acs.MountPoint{
			SourceVolume: m.SourceVolume, ContainerPath: m.ContainerPath, ReadOnly: m.ReadOnly,
		})
	}
	if c.HealthCheck != nil {
		out.HealthCheckType = acs.HealthCheckDocker
	}
	if p := c.RestartPolicy; p != nil && p.Enabled {
		out.RestartPolicy = &acs.RestartPolicy{Enabled: true, AttemptPeriod: int64(p.RestartAttemptPeriod)}
		for _, code := range p.IgnoredExitCodes {
			out.RestartPolicy.IgnoredExitCodes = append(out.RestartPolicy.IgnoredExitCodes, int64(code))
		}
	}
	addAuth(&out, t, c)
	if o.reach != nil {
		o.reach.addImage(&out)
	}
	var err error
	out.DockerConfig, err = dockerConfig(t, def, c, o)
	return out, err
}

// environment returns the container's environment as a map, since the protocol has no list; later
// entries of the definition win over earlier ones.
func environment(c ecs.ContainerDefinition, o options) map[string]string {
	env := make(map[string]string, len(c.Environment)+2)
	env["AWS_EXECUTION_ENV"] = "AWS_ECS_EC2" // as the developer guide lists what ECS sets
	if o.endpointURL != "" {
		env["AWS_ENDPOINT_URL"] = o.endpointURL
	}
	for _, e := range c.Environment {
		env[e.Name] = e.Value
	}
	return env
}

func addOrder(out *acs.Container, c ecs.ContainerDefinition) {
	for _, d := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, acs.Dependency{ContainerName: d.ContainerName, Condition: d.Condition})
	}
	for _, v := range c.VolumesFrom {
		out.VolumesFrom = append(out.VolumesFrom,
			acs.VolumeFrom{SourceContainer: v.SourceContainer, ReadOnly: v.ReadOnly})
	}
}

func addPorts(out *acs.Container, c ecs.ContainerDefinition) {
	for _, p := range c.PortMappings {
		out.PortMappings = append(out.PortMappings, acs.PortMapping{
			ContainerPort: int64(p.ContainerPort), HostPort: int64(p.HostPort),
			ContainerPortRange: p.ContainerPortRange,
			Protocol:           cmp.Or(p.Protocol, "tcp"),
		})
	}
}

// addImage replaces an image in ECR by the same one in the built-in registry, and makes the agent
// ask this control plane for the login.
func (r *reach) addImage(out *acs.Container) {
	image, ok := arn.ParseImage(out.Image)
	if !ok {
		return
	}
	out.Image = r.host + "/" + image.Account + "/" + image.Region + "/" + image.Path
	if out.RegistryAuth == nil {
		out.RegistryAuth = &acs.RegistryAuth{Type: "ecr",
			ECR: &acs.ECRAuthData{RegistryID: image.Account, Region: image.Region}}
	}
	if out.RegistryAuth.ECR != nil {
		out.RegistryAuth.ECR.EndpointOverride = r.url
	}
}

// addAuth says what the task's execution role is used for.
func addAuth(out *acs.Container, t *ecs.Task, c ecs.ContainerDefinition) {
	if t.ExecutionCredentialsID != "" {
		if image, ok := arn.ParseImage(c.Image); ok {
			out.RegistryAuth = &acs.RegistryAuth{Type: "ecr",
				ECR: &acs.ECRAuthData{RegistryID: image.Account, Region: image.Region, UseExecutionRole: true}}
		}
		if c.LogConfiguration != nil && c.LogConfiguration.LogDriver == awslogs {
			out.LogsAuthStrategy = "ExecutionRole"
		}
	}
	if r := c.RepositoryCredentials; r != nil {
		out.RegistryAuth = &acs.RegistryAuth{Type: "asm", ASM: &acs.ASMAuthData{
			CredentialsParameter: r.CredentialsParameter, Region: arn.Region(t.TaskARN),
		}}
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, translateSecret(s, "CONTAINER", t))
	}
	if c.LogConfiguration != nil {
		for _, s := range c.LogConfiguration.SecretOptions {
			out.Secrets = append(out.Secrets, translateSecret(s, "LOG_DRIVER", t))
		}
	}
}

func translateSecret(s ecs.Secret, target string, t *ecs.Task) acs.Secret {
	provider := "ssm"
	if strings.Contains(s.ValueFrom, ":secretsmanager:") {
		provider = "asm"
	}
	return acs.Secret{
		Name: s.Name, ValueFrom: s.ValueFrom, Provider: provider, Type: "ENVIRONMENT_VARIABLE", Target: target,
		Region: cmp.Or(arn.Region(s.ValueFrom), arn.Region(t.TaskARN)),
	}
}
