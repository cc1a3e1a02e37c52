package ecs

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// Limits of a task definition (ecs.md 1.4.1).
const (
	MaxContainers            = 10
	MaxTaskDefinitionBytes   = 64 << 10
	MaxPlacementConstraints  = 10
	MaxConstraintExpression  = 2000
	MaxPortRangesInContainer = 100
)

// longestName is how many characters the name of a cluster or service has at most.
const longestName = 255

// ValidName reports whether s may name a cluster, service, family, container or volume (ecs.md 1.1.4).
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= longestName
}

func client(format string, args ...any) *fault.Error {
	return fault.New("ClientException", format, args...)
}

// Validate checks a task definition as RegisterTaskDefinition does for the EC2 launch type
// (ecs.md 1.4). The error is a *fault.Error of code ClientException, in AWS's words where they are
// known.
func (d *TaskDefinition) Validate() error {
	for _, rule := range []func() error{
		d.checkFamily, d.checkModes, d.checkCompatibilities, d.checkTaskSize, d.checkContainers,
		d.checkHostPorts, d.checkVolumes, d.checkDependencies, d.checkConstraints,
	} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

func (d *TaskDefinition) checkFamily() error {
	switch {
	case d.Family == "":
		return client("Family should not be null or empty.")
	case !ValidName(d.Family):
		return client("Family contains invalid characters. Up to 255 letters (uppercase and lowercase), " +
			"numbers, hyphens, and underscores are allowed.")
	}
	return nil
}

func (d *TaskDefinition) mode() string {
	if d.NetworkMode == "" {
		return NetworkBridge
	}
	return d.NetworkMode
}

func (d *TaskDefinition) checkModes() error {
	if !slices.Contains([]string{NetworkBridge, NetworkHost, NetworkAwsvpc, NetworkNone}, d.mode()) {
		return client("Network mode '%s' is not valid: use bridge, host, awsvpc or none.", d.NetworkMode)
	}
	if d.PIDMode != "" && d.PIDMode != "host" && d.PIDMode != "task" {
		return client("PidMode '%s' is not valid: use host or task.", d.PIDMode)
	}
	if d.IPCMode != "" && d.IPCMode != "host" && d.IPCMode != "task" && d.IPCMode != "none" {
		return client("IpcMode '%s' is not valid: use host, task or none.", d.IPCMode)
	}
	return nil
}

// checkCompatibilities lets EC2 and EXTERNAL pass: there are machines here and no Fargate (ecs.md 1.4.22).
func (d *TaskDefinition) checkCompatibilities() error {
	for _, c := range d.RequiresCompatibilities {
		switch c {
		case "EC2":
		case "EXTERNAL":
			if d.mode() == NetworkAwsvpc {
				return client("Networking mode awsvpc is not supported for EXTERNAL tasks: use bridge, host or none.")
			}
		default:
			return client("The launch type %s is not available: tasks run on container instances. Use EC2 "+
				"or EXTERNAL in requiresCompatibilities.", c)
		}
	}
	if p := d.RuntimePlatform; p != nil && p.OperatingSystemFamily != "" && p.OperatingSystemFamily != "LINUX" {
		return client("The operating system family '%s' is not supported: container instances run LINUX.",
			p.OperatingSystemFamily)
	}
	return nil
}

func (d *TaskDefinition) checkTaskSize() error {
	if d.CPU != "" {
		n, ok := ParseTaskCPU(d.CPU)
		if !ok {
			return client("Invalid 'cpu' setting for task: '%s'. Use CPU units such as '512', or '0.5 vCPU'.", d.CPU)
		}
		if n < MinTaskCPU || n > MaxTaskCPU {
			return client("Invalid 'cpu' setting for task. Specify a value between %d and %d CPU units.",
				MinTaskCPU, MaxTaskCPU)
		}
	}
	if d.Memory != "" {
		if _, ok := ParseTaskMemory(d.Memory); !ok {
			return client("Invalid 'memory' setting for task: '%s'. Use MiB such as '512', or '0.5 GB'.", d.Memory)
		}
	}
	return nil
}

func (d *TaskDefinition) checkContainers() error {
	if len(d.ContainerDefinitions) == 0 {
		return client("Container list cannot be empty.")
	}
	if len(d.ContainerDefinitions) > MaxContainers {
		return client("Too many containers.")
	}
	seen, essential := make(map[string]bool), false
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		if err := d.checkContainer(c); err != nil {
			return err
		}
		if seen[c.Name] {
			return client("Container names must be unique within a task definition: '%s' is used twice.", c.Name)
		}
		seen[c.Name] = true
		essential = essential || c.Essential
	}
	if !essential {
		return client("At least one container of a task definition must be essential.")
	}
	return d.checkMemorySum()
}

func (d *TaskDefinition) checkMemorySum() error {
	limit, ok := ParseTaskMemory(d.Memory)
	if !ok {
		return nil
	}
	sum := 0
	for _, c := range d.ContainerDefinitions {
		if c.Memory > 0 {
			sum += c.Memory
		} else {
			sum += c.MemoryReservation
		}
	}
	if sum > limit {
		return client("The sum of the memory of the containers (%d MiB) is greater than the memory of the "+
			"task (%d MiB).", sum, limit)
	}
	return nil
}

func (d *TaskDefinition) checkVolumes() error {
	seen := make(map[string]bool)
	for _, v := range d.Volumes {
		switch {
		case !ValidName(v.Name):
			return client("Volume name '%s' is not valid: up to 255 letters, numbers, hyphens, and "+
				"underscores are allowed.", v.Name)
		case seen[v.Name]:
			return client("Volume names must be unique within a task definition: '%s' is used twice.", v.Name)
		case v.Host != nil && v.DockerVolumeConfiguration != nil:
			return client("Volume '%s' may have only one of host and dockerVolumeConfiguration.", v.Name)
		}
		if x := v.DockerVolumeConfiguration; x != nil {
			if x.Scope != "" && x.Scope != "task" && x.Scope != "shared" {
				return client("Docker volume scope '%s' of volume '%s' is not valid: use task or shared.",
					x.Scope, v.Name)
			}
			if x.Autoprovision && x.Scope != "shared" {
				return client("Volume '%s': autoprovision is only allowed when scope is shared.", v.Name)
			}
		}
		seen[v.Name] = true
	}
	for _, c := range d.ContainerDefinitions {
		for _, m := range c.MountPoints {
			if !seen[m.SourceVolume] {
				return client("Unknown volume '%s': container '%s' mounts a volume that the task "+
					"definition does not declare.", m.SourceVolume, c.Name)
			}
		}
	}
	return nil
}

func (d *TaskDefinition) checkConstraints() error {
	if len(d.PlacementConstraints) > MaxPlacementConstraints {
		return client("Too many placement constraints: at most %d are allowed.", MaxPlacementConstraints)
	}
	for _, c := range d.PlacementConstraints {
		switch {
		case c.Type != "memberOf":
			return client("constraint.type '%s' is not supported.", c.Type)
		case strings.TrimSpace(c.Expression) == "":
			return client("A memberOf placement constraint needs an expression.")
		case len(c.Expression) > MaxConstraintExpression:
			return client("The placement constraint expression is longer than %d characters.", MaxConstraintExpression)
		}
	}
	return nil
}
