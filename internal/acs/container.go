package acs

// Conditions of a Dependency.
const (
	ConditionStart    = "START"
	ConditionComplete = "COMPLETE"
	ConditionSuccess  = "SUCCESS"
	ConditionHealthy  = "HEALTHY"
)

// HealthCheckDocker is the only Container.HealthCheckType: Docker runs the
// check that DockerConfig.Config describes.
const HealthCheckDocker = "docker"

// Container is one container of a Task (ecs-agent.md 5.2). Essential is always sent: if it is absent, the agent
// assumes false.
type Container struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	ARN         string            `json:"containerArn,omitempty"`
	Essential   bool              `json:"essential"`
	Command     []string          `json:"command,omitempty"`
	EntryPoint  []string          `json:"entryPoint,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	CPU         int64             `json:"cpu"`    // CPU units
	Memory      int64             `json:"memory"` // hard limit in MiB, 0 for none
	// Overrides is JSON text. The control plane merges overrides before it sends, so it is "{}".
	Overrides string `json:"overrides,omitempty"`

	PortMappings []PortMapping `json:"portMappings,omitempty"`
	Links        []string      `json:"links,omitempty"`
	VolumesFrom  []VolumeFrom  `json:"volumesFrom,omitempty"`
	MountPoints  []MountPoint  `json:"mountPoints,omitempty"`
	DependsOn    []Dependency  `json:"dependsOn,omitempty"`

	StartTimeout    int64          `json:"startTimeout,omitempty"` // seconds
	StopTimeout     int64          `json:"stopTimeout,omitempty"`  // seconds, 0 for the agent's default
	RestartPolicy   *RestartPolicy `json:"restartPolicy,omitempty"`
	HealthCheckType string         `json:"healthCheckType,omitempty"`

	DockerConfig     DockerConfig  `json:"dockerConfig"`
	LogsAuthStrategy string        `json:"logsAuthStrategy,omitempty"`
	RegistryAuth     *RegistryAuth `json:"registryAuthentication,omitempty"`
	Secrets          []Secret      `json:"secrets,omitempty"`
}

// PortMapping publishes a port or a range. HostPort 0 lets the agent choose.
type PortMapping struct {
	ContainerPort      int64  `json:"containerPort,omitempty"`
	HostPort           int64  `json:"hostPort"`
	ContainerPortRange string `json:"containerPortRange,omitempty"`
	Protocol           string `json:"protocol,omitempty"`
}

// VolumeFrom mounts the volumes of another container.
type VolumeFrom struct {
	SourceContainer string `json:"sourceContainer"`
	ReadOnly        bool   `json:"readOnly"`
}

// MountPoint mounts a volume of the task.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly"`
}

// Dependency delays the start of a container until another one has reached Condition.
type Dependency struct {
	ContainerName string `json:"containerName"`
	Condition     string `json:"condition"`
}

// RestartPolicy restarts a container in place. A container that ran for less
// than AttemptPeriod seconds is not restarted.
type RestartPolicy struct {
	Enabled          bool    `json:"enabled"`
	IgnoredExitCodes []int64 `json:"ignoredExitCodes,omitempty"`
	AttemptPeriod    int64   `json:"restartAttemptPeriod,omitempty"`
}

// DockerConfig is the rest of the container's definition, as JSON text of Docker's Config and HostConfig for
// creating containers (ecs-agent.md 5.3).
type DockerConfig struct {
	Version    string `json:"version,omitempty"`
	Config     string `json:"config,omitempty"`
	HostConfig string `json:"hostConfig,omitempty"`
}

// RegistryAuth says how to log in to the image's registry. Type is "ecr" or "asm".
type RegistryAuth struct {
	Type string       `json:"type"`
	ECR  *ECRAuthData `json:"ecrAuthData,omitempty"`
	ASM  *ASMAuthData `json:"asmAuthData,omitempty"`
}

// ECRAuthData says how to ask ECR for a login.
type ECRAuthData struct {
	RegistryID       string `json:"registryId,omitempty"`
	Region           string `json:"region,omitempty"`
	EndpointOverride string `json:"endpointOverride,omitempty"`
	UseExecutionRole bool   `json:"useExecutionRole,omitempty"`
}

// ASMAuthData names the secret that contains a login.
type ASMAuthData struct {
	CredentialsParameter string `json:"credentialsParameter,omitempty"`
	Region               string `json:"region,omitempty"`
}

// Secret is a value that the agent looks up before the container starts. Provider is "ssm" or "asm", Target
// "CONTAINER" or "LOG_DRIVER".
type Secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
	Provider  string `json:"provider,omitempty"`
	Type      string `json:"type,omitempty"`
	Region    string `json:"region,omitempty"`
	Target    string `json:"target,omitempty"`
}
