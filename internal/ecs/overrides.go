package ecs

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/fault"
)

// MaxOverridesBytes bounds the JSON of a call's overrides (ecs.md 1.4.23).
const MaxOverridesBytes = 8192

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

// Apply returns c as it runs under these overrides. Environment variables are merged by name,
// everything else is replaced.
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

// Override checks overrides of the definition and returns them with sizes in their stored form
// (ecs.md 1.4.23, 1.4.6). The error is a *fault.Error of code InvalidParameterException.
func (d *TaskDefinition) Override(o Overrides) (Overrides, error) {
	invalid := func(format string, args ...any) (Overrides, error) {
		return o, fault.New("InvalidParameterException", format, args...)
	}
	if doc, err := json.Marshal(o); err != nil || len(doc) > MaxOverridesBytes {
		return invalid("The overrides are longer than %d characters.", MaxOverridesBytes)
	}
	if o.CPU != "" {
		n, ok := ParseTaskCPU(o.CPU)
		if !ok || n < MinTaskCPU || n > MaxTaskCPU {
			return invalid("Invalid 'cpu' override '%s'. Specify between %d and %d CPU units, such as '512'.",
				o.CPU, MinTaskCPU, MaxTaskCPU)
		}
		o.CPU = strconv.Itoa(n)
	}
	if o.Memory != "" {
		n, ok := ParseTaskMemory(o.Memory)
		if !ok {
			return invalid("Invalid 'memory' override '%s'. Use MiB such as '512'.", o.Memory)
		}
		o.Memory = strconv.Itoa(n)
	}
	for _, c := range o.ContainerOverrides {
		if d.Container(c.Name) == nil {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		}
		if len(c.EnvironmentFiles) > 0 {
			return invalid("environmentFiles are not available yet: pass the values with environment.")
		}
	}
	if err := d.overridden(o).checkContainers(); err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok {
			return invalid("With these overrides the task cannot run: %s", e.Message)
		}
		return o, err
	}
	return o, nil
}

// overridden is the definition as it runs under these overrides.
func (d *TaskDefinition) overridden(o Overrides) *TaskDefinition {
	c := *d
	if o.Memory != "" {
		c.Memory = o.Memory
	}
	c.ContainerDefinitions = nil
	for _, v := range d.ContainerDefinitions {
		c.ContainerDefinitions = append(c.ContainerDefinitions, o.Apply(v))
	}
	return &c
}
