package ecs

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var portNameRule = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,63}$`)

func (d *TaskDefinition) checkContainer(c *ContainerDefinition) error {
	switch {
	case c.Name == "":
		return client("Container.name should not be null or empty.")
	case !ValidName(c.Name):
		return client("Container name '%s' is not valid: up to 255 letters (uppercase and lowercase), "+
			"numbers, hyphens, and underscores are allowed.", c.Name)
	case c.Image == "":
		return client("Container.image should not be null or empty.")
	case c.CPU < 0:
		return client("Invalid setting for container '%s'. 'cpu' must not be negative.", c.Name)
	case c.StartTimeout < 0 || c.StopTimeout < 0:
		return client("Invalid setting for container '%s'. 'startTimeout' and 'stopTimeout' must "+
			"not be negative.", c.Name)
	case slices.ContainsFunc(c.Environment, func(e KeyValuePair) bool { return e.Name == "" }):
		return client("Invalid setting for container '%s'. An environment variable must have a name.", c.Name)
	}
	for _, rule := range []func(*ContainerDefinition) error{
		d.checkMemory, d.checkPorts, d.checkNetworkFields, checkHealth, d.checkLog, d.checkReferences,
		checkUlimits, checkLinux, checkRestart, checkRequirements, d.checkUnavailable,
	} {
		if err := rule(c); err != nil {
			return err
		}
	}
	return nil
}

// checkMemory is ecs.md 1.4.5.
func (d *TaskDefinition) checkMemory(c *ContainerDefinition) error {
	switch {
	case d.Memory == "" && c.Memory == 0 && c.MemoryReservation == 0:
		return client("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' "+
			"must be specified.", c.Name)
	case c.Memory < 0 || c.MemoryReservation < 0:
		return client("Invalid setting for container '%s'. 'memory' and 'memoryReservation' must "+
			"not be negative.", c.Name)
	case c.Memory != 0 && c.Memory < MinContainerMemory:
		return client("Invalid setting for container '%s'. 'memory' must be at least %d MiB.",
			c.Name, MinContainerMemory)
	case c.Memory != 0 && c.MemoryReservation > c.Memory:
		return client("Invalid setting for container '%s'. 'memory' must be greater than or equal to "+
			"'memoryReservation'.", c.Name)
	}
	if limit, ok := ParseTaskMemory(d.Memory); ok && c.Memory > limit {
		return client("The 'memory' setting for container '%s' is greater than for the task.", c.Name)
	}
	return nil
}

// checkPorts is ecs.md 1.4.8, 1.4.10, 1.4.11.
func (d *TaskDefinition) checkPorts(c *ContainerDefinition) error {
	mode := d.mode()
	if mode == NetworkNone && len(c.PortMappings) > 0 {
		return client("When networkMode=none, port mappings are not allowed: container '%s' has them.", c.Name)
	}
	for _, p := range c.PortMappings {
		if p.Name != "" && !d.portNameFree(p.Name) {
			return client("Port mapping name '%s' is not valid or not unique: use up to 64 lower-case "+
				"letters, digits, '_' and '-', not starting with '-'.", p.Name)
		}
		if p.ContainerPortRange != "" {
			if err := d.checkPortRange(c, p); err != nil {
				return err
			}
			continue
		}
		if p.ContainerPort == 0 {
			return client("Invalid 'containerPort' setting for container '%s'.", c.Name)
		}
		if p.ContainerPort < 1 || p.ContainerPort > 65535 || p.HostPort < 0 || p.HostPort > 65535 {
			return client("Invalid port in container '%s': ports must be between 1 and 65535.", c.Name)
		}
		if (mode == NetworkAwsvpc || mode == NetworkHost) && p.HostPort != 0 && p.HostPort != p.ContainerPort {
			return client("When networkMode=%s, the host ports and container ports in port mappings must match.", mode)
		}
		if p.AppProtocol != "" && !slices.Contains([]string{"http", "http2", "grpc"}, p.AppProtocol) {
			return client("appProtocol '%s' is not valid: use http, http2 or grpc.", p.AppProtocol)
		}
	}
	return checkPortRanges(c)
}

func (d *TaskDefinition) portNameFree(name string) bool {
	n := 0
	for _, c := range d.ContainerDefinitions {
		for _, p := range c.PortMappings {
			if p.Name == name {
				n++
			}
		}
	}
	return n == 1 && portNameRule.MatchString(name)
}

// checkNetworkFields is ecs.md 1.4.12.
func (d *TaskDefinition) checkNetworkFields(c *ContainerDefinition) error {
	mode := d.mode()
	if len(c.Links) > 0 && mode != NetworkBridge {
		return client("Links are not supported on container when networkMode=%s.", mode)
	}
	if mode != NetworkAwsvpc {
		return nil
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{c.DisableNetworking, "Disable Networking is"}, {len(c.DNSServers) > 0, "Dns servers are"}, {
			len(c.DNSSearchDomains) > 0, "Dns search domains are",
		}, {c.Hostname != "", "Hostname is"}, {len(c.ExtraHosts) > 0, "Extra hosts are"},
	} {
		if f.set {
			return client("%s not supported on container when networkMode=awsvpc.", f.name)
		}
	}
	return nil
}

// checkHealth is ecs.md 1.4.15; zero means the default.
func checkHealth(c *ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 || (h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL") &&
		!(len(h.Command) == 1 && h.Command[0] == "NONE") {
		return client("Invalid health check of container '%s': the command must start with CMD or CMD-SHELL.", c.Name)
	}
	for _, r := range []struct {
		name          string
		value, lo, hi int
	}{{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 60}, {"retries", h.Retries, 1, 10},
		{"startPeriod", h.StartPeriod, 0, 300}} {
		if r.value != 0 && (r.value < r.lo || r.value > r.hi) {
			return client("Invalid health check of container '%s': %s must be between %d and %d.",
				c.Name, r.name, r.lo, r.hi)
		}
	}
	return nil
}

var logDrivers = []string{"awslogs", "fluentd", "gelf", "json-file", "journald", "syslog", "splunk", "none"}

// checkLog is ecs.md 1.4.18 and 1.4.19.
func (d *TaskDefinition) checkLog(c *ContainerDefinition) error {
	if l := c.LogConfiguration; l != nil {
		switch {
		case l.LogDriver == "awsfirelens":
			return client("Log driver awsfirelens is not available yet: use one of %s.", strings.Join(logDrivers, ", "))
		case !slices.Contains(logDrivers, l.LogDriver):
			return client("Log driver '%s' is not valid: use one of %s.", l.LogDriver, strings.Join(logDrivers, ", "))
		case l.LogDriver == "awslogs":
			return checkAwslogs(l.Options)
		}
	}
	return nil
}

// awslogsNeeded are in the order in which AWS names those that are missing.
var awslogsNeeded = []string{"awslogs-region", "awslogs-group"}

var awslogsOptions = []string{
	"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group",
	"awslogs-datetime-format", "awslogs-multiline-pattern", "mode", "max-buffer-size",
}

// checkAwslogs is ecs.md 1.4.18 and 7.10. The words about options that are missing, empty or not allowed and about
// awslogs-create-group are those of live calls (aws-cloudformation/cfn-lint#1787,
// terraform-aws-modules/terraform-aws-ecs#206, aws/amazon-ecs-agent#872, terraform-linters/tflint-ruleset-aws#348).
func checkAwslogs(options map[string]string) error {
	var missing []string
	for _, o := range awslogsNeeded {
		if _, ok := options[o]; !ok {
			missing = append(missing, o)
		}
	}
	if len(missing) > 0 {
		return client("Log driver awslogs requires options: %s", strings.Join(missing, ", "))
	}
	for _, o := range awslogsNeeded {
		if options[o] == "" {
			return client("Log driver awslogs option '%s' should not be null or empty.", o)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(awslogsOptions, o) {
			return client("Log driver awslogs disallows options: %s", o)
		}
	}
	if v, ok := options["awslogs-create-group"]; ok && v != "true" {
		return client("Log driver awslogs option 'awslogs-create-group' should only be set to 'true', " +
			"else omit option.")
	}
	if v, ok := options["mode"]; ok && v != "blocking" && v != "non-blocking" {
		return client("Log driver awslogs option 'mode' should be 'blocking' or 'non-blocking', not '%s'.", v)
	}
	if options["awslogs-datetime-format"] != "" && options["awslogs-multiline-pattern"] != "" {
		return client("Log driver awslogs: awslogs-datetime-format and awslogs-multiline-pattern exclude each other.")
	}
	return nil
}

// checkReferences is ecs.md 1.4.17: what a container names must be in the task definition.
func (d *TaskDefinition) checkReferences(c *ContainerDefinition) error {
	for _, v := range c.VolumesFrom {
		if d.Container(v.SourceContainer) == nil || v.SourceContainer == c.Name {
			return client("Container '%s' takes volumes from '%s', which is not another container of the "+
				"task definition.", c.Name, v.SourceContainer)
		}
	}
	for _, l := range c.Links {
		name, _, _ := strings.Cut(l, ":")
		if d.Container(name) == nil || name == c.Name {
			return client("Invalid setting for container '%s'. Link '%s' does not name another container "+
				"of the task definition.", c.Name, l)
		}
	}
	for _, m := range c.MountPoints {
		if m.ContainerPath == "" {
			return client("Container '%s' mounts volume '%s' nowhere: containerPath must not be empty.",
				c.Name, m.SourceVolume)
		}
	}
	return nil
}
