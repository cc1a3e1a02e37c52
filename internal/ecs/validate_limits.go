package ecs

import (
	"slices"
	"strconv"
)

func checkUlimits(c *ContainerDefinition) error {
	for _, u := range c.Ulimits {
		if u.HardLimit >= 0 && (u.SoftLimit > u.HardLimit || u.SoftLimit < 0) { // below 0 is without limit
			return client("Ulimit '%s' of container '%s': the soft limit must not be greater than "+
				"the hard limit.", u.Name, c.Name)
		}
	}
	return nil
}

// checkLinux is ecs.md 1.4.21; sizes are MiB.
func checkLinux(c *ContainerDefinition) error {
	l := c.LinuxParameters
	if l == nil {
		return nil
	}
	switch {
	case l.Swappiness != nil && (*l.Swappiness < 0 || *l.Swappiness > 100):
		return client("Container '%s': swappiness must be between 0 and 100, not %d.", c.Name, *l.Swappiness)
	case l.MaxSwap != nil && *l.MaxSwap < 0:
		return client("Container '%s': maxSwap must not be negative.", c.Name)
	case l.SharedMemorySize < 0:
		return client("Container '%s': sharedMemorySize must not be negative.", c.Name)
	}
	for _, t := range l.Tmpfs {
		if t.ContainerPath == "" || t.Size < 1 {
			return client("Container '%s': a tmpfs needs a containerPath and a size of at least 1 MiB.", c.Name)
		}
	}
	for _, d := range l.Devices {
		if d.HostPath == "" {
			return client("Container '%s': a device needs a hostPath.", c.Name)
		}
		for _, p := range d.Permissions {
			if !slices.Contains([]string{"read", "write", "mknod"}, p) {
				return client("Container '%s': the permission '%s' of device %s is not valid: use read, "+
					"write or mknod.", c.Name, p, d.HostPath)
			}
		}
	}
	return nil
}

// checkRestart is ecs.md 1.4.16.
func checkRestart(c *ContainerDefinition) error {
	r := c.RestartPolicy
	if r == nil || !r.Enabled {
		return nil
	}
	if len(r.IgnoredExitCodes) > 50 {
		return client("Container '%s': at most 50 ignoredExitCodes are allowed.", c.Name)
	}
	if r.RestartAttemptPeriod != 0 && (r.RestartAttemptPeriod < 60 || r.RestartAttemptPeriod > 1800) {
		return client("Container '%s': restartAttemptPeriod must be between 60 and 1800 seconds.", c.Name)
	}
	return nil
}

func checkRequirements(c *ContainerDefinition) error {
	for _, r := range c.ResourceRequirements {
		if r.Type != "GPU" {
			return client("Resource requirement '%s' of container '%s' is not supported: use GPU.", r.Type, c.Name)
		}
		if n, err := strconv.Atoi(r.Value); err != nil || n < 1 {
			return client("Container '%s': the number of GPUs must be a positive integer, not '%s'.", c.Name, r.Value)
		}
	}
	return nil
}
