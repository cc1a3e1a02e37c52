package ecs

import (
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/arn"
)

// Complete fills in what AWS fills in when a task definition is registered: defaults, sizes in
// their stored form, and the attributes an instance must have to run it. It expects a definition
// that Validate accepts.
func (d *TaskDefinition) Complete() {
	if d.NetworkMode == "" {
		d.NetworkMode = NetworkBridge
	}
	if n, ok := ParseTaskCPU(d.CPU); ok {
		d.CPU = strconv.Itoa(n)
	}
	if n, ok := ParseTaskMemory(d.Memory); ok {
		d.Memory = strconv.Itoa(n)
	}
	for i := range d.ContainerDefinitions {
		d.completeContainer(&d.ContainerDefinitions[i])
	}
	d.Compatibilities = []string{"EXTERNAL", "EC2"}
	if d.NetworkMode == NetworkAwsvpc {
		d.Compatibilities = []string{"EC2"}
	}
	d.RequiresAttributes = d.requiredAttributes()
}

func (d *TaskDefinition) completeContainer(c *ContainerDefinition) {
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		if p.Protocol != "udp" {
			p.Protocol = "tcp" // every other value is treated so (ecs.md 1.4.8)
		}
		if p.HostPort == 0 && p.ContainerPort != 0 && (d.NetworkMode == NetworkAwsvpc || d.NetworkMode == NetworkHost) {
			p.HostPort = p.ContainerPort
		}
	}
	if h := c.HealthCheck; h != nil {
		setDefault(&h.Interval, 30)
		setDefault(&h.Timeout, 5)
		setDefault(&h.Retries, 3)
	}
	if r := c.RestartPolicy; r != nil && r.Enabled {
		setDefault(&r.RestartAttemptPeriod, 300)
	}
}

func setDefault(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

// requiredAttributes lists the agent capabilities the definition uses (ecs.md 1.4.22), sorted by name.
func (d *TaskDefinition) requiredAttributes() []Attribute {
	const agent = "com.amazonaws.ecs.capability."
	need := map[string]bool{agent + "docker-remote-api.1.18": true}
	if d.TaskRoleARN != "" {
		need[agent+"task-iam-role"] = true
		if d.NetworkMode == NetworkHost {
			need[agent+"task-iam-role-network-host"] = true
		}
	}
	if d.NetworkMode == NetworkAwsvpc {
		need["ecs.capability.task-eni"] = true
	}
	if d.CPU != "" || d.Memory != "" {
		need["ecs.capability.task-cpu-mem-limit"] = true
	}
	if d.PIDMode != "" || d.IPCMode != "" {
		need["ecs.capability.pid-ipc-namespace-sharing"] = true
	}
	for _, c := range d.ContainerDefinitions {
		d.containerAttributes(c, need, agent)
	}
	names := make([]string, 0, len(need))
	for n := range need {
		names = append(names, n)
	}
	slices.Sort(names)
	out := make([]Attribute, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

func (d *TaskDefinition) containerAttributes(c ContainerDefinition, need map[string]bool, agent string) {
	if c.Privileged {
		need[agent+"privileged-container"] = true
	}
	if l := c.LogConfiguration; l != nil {
		need[agent+"logging-driver."+l.LogDriver] = true
		if l.LogDriver == "awslogs" && d.ExecutionRoleARN != "" {
			need["ecs.capability.execution-role-awslogs"] = true
		}
	}
	if c.HealthCheck != nil {
		need["ecs.capability.container-health-check"] = true
	}
	if len(c.DependsOn) > 0 {
		need["ecs.capability.container-ordering"] = true
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		need["ecs.capability.container-restart-policy"] = true
	}
	if _, ok := arn.ParseImage(c.Image); ok {
		need[agent+"ecr-auth"] = true
		if d.ExecutionRoleARN != "" {
			need["ecs.capability.execution-role-ecr-pull"] = true
		}
	}
	if slices.ContainsFunc(c.PortMappings, func(p PortMapping) bool { return p.ContainerPortRange != "" }) {
		need["ecs.capability.network.container-port-range"] = true
	}
}
