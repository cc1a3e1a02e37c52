package ecs

// ContainerDefinition describes one container of a task. Times are seconds, memory is MiB, CPU is units of 1/1024 vCPU.
type ContainerDefinition struct {
	Name                   string
	Image                  string
	CPU                    int                    `json:",omitempty"`
	Memory                 int                    `json:",omitempty"` // hard limit, 0 = none
	MemoryReservation      int                    `json:",omitempty"` // soft limit, 0 = none
	Essential              bool                   // defaulted to true at registration
	Links                  []string               `json:",omitempty"`
	PortMappings           []PortMapping          `json:",omitempty"`
	EntryPoint             []string               `json:",omitempty"`
	Command                []string               `json:",omitempty"`
	Environment            []KeyValuePair         `json:",omitempty"`
	EnvironmentFiles       []EnvironmentFile      `json:",omitempty"`
	MountPoints            []MountPoint           `json:",omitempty"`
	VolumesFrom            []VolumeFrom           `json:",omitempty"`
	LinuxParameters        *LinuxParameters       `json:",omitempty"`
	Secrets                []Secret               `json:",omitempty"`
	DependsOn              []ContainerDependency  `json:",omitempty"`
	StartTimeout           int                    `json:",omitempty"`
	StopTimeout            int                    `json:",omitempty"`
	Hostname               string                 `json:",omitempty"`
	User                   string                 `json:",omitempty"`
	WorkingDirectory       string                 `json:",omitempty"`
	DisableNetworking      bool                   `json:",omitempty"`
	Privileged             bool                   `json:",omitempty"`
	ReadonlyRootFilesystem bool                   `json:",omitempty"`
	DNSServers             []string               `json:",omitempty"`
	DNSSearchDomains       []string               `json:",omitempty"`
	ExtraHosts             []HostEntry            `json:",omitempty"`
	DockerSecurityOptions  []string               `json:",omitempty"`
	Interactive            bool                   `json:",omitempty"`
	PseudoTerminal         bool                   `json:",omitempty"`
	DockerLabels           map[string]string      `json:",omitempty"`
	Ulimits                []Ulimit               `json:",omitempty"`
	LogConfiguration       *LogConfiguration      `json:",omitempty"`
	HealthCheck            *HealthCheck           `json:",omitempty"`
	SystemControls         []SystemControl        `json:",omitempty"`
	ResourceRequirements   []ResourceRequirement  `json:",omitempty"`
	RestartPolicy          *RestartPolicy         `json:",omitempty"`
	RepositoryCredentials  *RepositoryCredentials `json:",omitempty"`
	VersionConsistency     string                 `json:",omitempty"`
}

// PortMapping publishes a container port. HostPort 0 in bridge mode means a dynamic port (ecs.md 1.4.8).
type PortMapping struct {
	ContainerPort      int    `json:",omitempty"`
	HostPort           int    `json:",omitempty"`
	Protocol           string `json:",omitempty"` // tcp or udp, never empty after registration
	ContainerPortRange string `json:",omitempty"` // "first-last"; excludes the two ports above
	Name               string `json:",omitempty"`
	AppProtocol        string `json:",omitempty"`
}

// MappingsOf returns how many of the container's port mappings are for a container port: two if it serves both tcp
// and udp. Ranges of ports are not counted.
func (c *ContainerDefinition) MappingsOf(port int) (n int) {
	for _, p := range c.PortMappings {
		if p.ContainerPort == port {
			n++
		}
	}
	return n
}

// EnvironmentFile names an object with KEY=VALUE lines; type is always s3.
type EnvironmentFile struct{ Type, Value string }

// MountPoint mounts a volume of the task.
type MountPoint struct {
	SourceVolume  string
	ContainerPath string
	ReadOnly      bool `json:",omitempty"`
}

// VolumeFrom mounts all volumes of another container of the task.
type VolumeFrom struct {
	SourceContainer string
	ReadOnly        bool `json:",omitempty"`
}

// LinuxParameters are options of the container's kernel view. Sizes are MiB.
type LinuxParameters struct {
	Capabilities       *KernelCapabilities `json:",omitempty"`
	Devices            []Device            `json:",omitempty"`
	InitProcessEnabled bool                `json:",omitempty"`
	MaxSwap            *int                `json:",omitempty"`
	SharedMemorySize   int                 `json:",omitempty"`
	Swappiness         *int                `json:",omitempty"`
	Tmpfs              []Tmpfs             `json:",omitempty"`
}

// KernelCapabilities are added to and dropped from Docker's default set.
type KernelCapabilities struct {
	Add  []string `json:",omitempty"`
	Drop []string `json:",omitempty"`
}

// Device is a host device a container may use.
type Device struct {
	HostPath      string
	ContainerPath string   `json:",omitempty"`
	Permissions   []string `json:",omitempty"`
}

// Tmpfs is a memory file system; Size is MiB.
type Tmpfs struct {
	ContainerPath string
	Size          int
	MountOptions  []string `json:",omitempty"`
}

// Secret is an environment variable or log option whose value is fetched at task start.
type Secret struct{ Name, ValueFrom string }

// Conditions of a ContainerDependency (ecs.md 1.4.13).
const (
	ConditionStart    = "START"
	ConditionComplete = "COMPLETE"
	ConditionSuccess  = "SUCCESS"
	ConditionHealthy  = "HEALTHY"
)

// ContainerDependency makes a container wait for another to reach a condition.
type ContainerDependency struct{ ContainerName, Condition string }

// HostEntry is a line of /etc/hosts.
type HostEntry struct{ Hostname, IPAddress string }

// Ulimit is a resource limit; Soft must not exceed Hard.
type Ulimit struct {
	Name      string
	SoftLimit int
	HardLimit int
}

// LogConfiguration names Docker's log driver and its options.
type LogConfiguration struct {
	LogDriver     string
	Options       map[string]string `json:",omitempty"`
	SecretOptions []Secret          `json:",omitempty"`
}

// HealthCheck is the command that tells a container's health; times are seconds (ecs.md 1.4.15).
type HealthCheck struct {
	Command     []string
	Interval    int // 5–300, default 30
	Timeout     int // 2–60, default 5
	Retries     int // 1–10, default 3
	StartPeriod int `json:",omitempty"` // 0–300
}

// SystemControl is a namespaced kernel parameter.
type SystemControl struct{ Namespace, Value string }

// ResourceRequirement asks for a special device; Type GPU is the only one that exists on EC2.
type ResourceRequirement struct{ Type, Value string }

// RestartPolicy restarts a container in place (ecs.md 1.4.16).
type RestartPolicy struct {
	Enabled              bool
	IgnoredExitCodes     []int `json:",omitempty"`
	RestartAttemptPeriod int   `json:",omitempty"` // seconds, 60–1800, default 300
}

// RepositoryCredentials names the secret that opens a private registry.
type RepositoryCredentials struct{ CredentialsParameter string }
