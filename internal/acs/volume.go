package acs

// Volume is a volume of a Task (ecs-agent.md 5.4). Type "docker" uses Docker, every other type Host.
type Volume struct {
	Name   string        `json:"name"`
	Type   string        `json:"type,omitempty"`
	Host   *HostVolume   `json:"host,omitempty"`
	Docker *DockerVolume `json:"dockerVolumeConfiguration,omitempty"`
}

// HostVolume is a directory of the machine; without SourcePath it is an empty
// volume that lives as long as the task.
type HostVolume struct {
	SourcePath string `json:"sourcePath,omitempty"`
}

// Scopes of a DockerVolume.
const (
	ScopeTask   = "task"
	ScopeShared = "shared"
)

// DockerVolume is a Docker volume. A shared volume keeps its name and outlives the task; with Autoprovision a
// missing one is created.
type DockerVolume struct {
	Scope         string            `json:"scope,omitempty"`
	Autoprovision bool              `json:"autoprovision,omitempty"`
	Driver        string            `json:"driver,omitempty"`
	DriverOpts    map[string]string `json:"driverOpts,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}
