package agent

import (
	"maps"
	"slices"
)

// attribute is a name with an optional value, as the API has it.
type attribute struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// capabilities returns what this agent supports, by the names that task definitions require (ecs-agent.md 3.2).
func (c *Config) capabilities() []string {
	const ours, older = "ecs.capability.", "com.amazonaws.ecs.capability."
	out := []string{
		older + "privileged-container", older + "ecr-auth",
		ours + "execution-role-ecr-pull", ours + "ecr-endpoint", ours + "container-health-check",
		ours + "container-ordering", ours + "full-sync", ours + "network.container-port-range",
		ours + "container-restart-policy", ours + "docker-plugin.local", ours + "task-eni",
		ours + "pid-ipc-namespace-sharing",
	}
	for _, version := range []string{
		"1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.28", "1.29", "1.30", "1.32",
	} {
		out = append(out, older+"docker-remote-api."+version)
	}
	for _, driver := range c.LoggingDrivers {
		out = append(out, older+"logging-driver."+driver)
	}
	if slices.Contains(c.LoggingDrivers, "awslogs") {
		out = append(out, ours+"execution-role-awslogs")
	}
	if c.TaskRole {
		out = append(out, older+"task-iam-role")
	}
	if c.TaskRoleNetworkHost {
		out = append(out, older+"task-iam-role-network-host")
	}
	if c.TaskLimits {
		out = append(out, ours+"task-cpu-mem-limit", ours+"increased-task-cpu-limit")
	}
	return out
}

// attributes returns the attributes of a registration; custom ones only for the first (ecs-agent.md 1.5).
func (c *Config) attributes(first bool) []attribute {
	var out []attribute
	for _, name := range c.capabilities() {
		out = append(out, attribute{Name: name})
	}
	values := map[string]string{
		"ecs.os-type": "linux", "ecs.os-family": "LINUX", "ecs.os-type-detailed": "LINUX",
		"ecs.cpu-architecture": c.Architecture, "ecs.availability-zone": c.Zone,
		"ecs.instance-type": c.InstanceType, "ecs.ami-id": c.ImageID, "ecs.vpc-id": c.VPC,
		"ecs.subnet-id": c.Subnet,
	}
	if first {
		maps.Copy(values, c.Attributes)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" || c.Attributes[name] != "" || first && has(c.Attributes, name) {
			out = append(out, attribute{Name: name, Value: values[name]})
		}
	}
	return out
}

func has(m map[string]string, name string) bool {
	_, ok := m[name]
	return ok
}
