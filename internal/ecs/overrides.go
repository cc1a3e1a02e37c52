package ecs

import "slices"

// Overrides are what a RunTask or StartTask changes of a task definition (ecs.md 1.4.23).
type Overrides struct {
	ContainerOverrides []ContainerOverride `json:",omitempty"`
	CPU                string              `json:",omitempty"`
	Memory             string              `json:",omitempty"`
	TaskRoleARN        string              `json:",omitempty"`
	ExecutionRoleARN   string              `json:",omitempty"`
}

// ContainerOverride changes one container; zero members leave the definition's value.
type ContainerOverride struct {
	Name                 string
	Command              []string              `json:",omitempty"`
	Environment          []KeyValuePair        `json:",omitempty"`
	EnvironmentFiles     []EnvironmentFile     `json:",omitempty"`
	CPU                  *int                  `json:",omitempty"`
	Memory               *int                  `json:",omitempty"`
	MemoryReservation    *int                  `json:",omitempty"`
	ResourceRequirements []ResourceRequirement `json:",omitempty"`
}

// Apply returns c as it runs under these overrides. Environment variables are merged by name, everything else is replaced.
func (o Overrides) Apply(c ContainerDefinition) ContainerDefinition {
	for _, v := range o.ContainerOverrides {
		if v.Name != c.Name {
			continue
		}
		if v.Command != nil {
			c.Command = v.Command
		}
		c.Environment = mergeEnvironment(c.Environment, v.Environment)
		if v.EnvironmentFiles != nil {
			c.EnvironmentFiles = v.EnvironmentFiles
		}
		if v.CPU != nil {
			c.CPU = *v.CPU
		}
		if v.Memory != nil {
			c.Memory = *v.Memory
		}
		if v.MemoryReservation != nil {
			c.MemoryReservation = *v.MemoryReservation
		}
		if v.ResourceRequirements != nil {
			c.ResourceRequirements = v.ResourceRequirements
		}
	}
	return c
}

func mergeEnvironment(base, over []KeyValuePair) []KeyValuePair {
	out := slices.Clone(base)
	for _, v := range over {
		if i := slices.IndexFunc(out, func(e KeyValuePair) bool { return e.Name == v.Name }); i >= 0 {
			out[i] = v
		} else {
			out = append(out, v)
		}
	}
	return out
}
