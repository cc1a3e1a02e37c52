package ecs

import "strings"

// checkDependencies is ecs.md 1.4.13. Links and volumesFrom order containers too, so cycles are
// looked for over all three.
func (d *TaskDefinition) checkDependencies() error {
	for _, c := range d.ContainerDefinitions {
		for _, dep := range c.DependsOn {
			if err := d.checkDependency(c.Name, dep); err != nil {
				return err
			}
		}
	}
	if name := d.cycle(); name != "" {
		return client("Container '%s' depends on itself, directly or through other containers: "+
			"dependencies must not form a cycle.", name)
	}
	return nil
}

func (d *TaskDefinition) checkDependency(name string, dep ContainerDependency) error {
	target := d.Container(dep.ContainerName)
	if target == nil {
		return client("Container '%s' depends on container '%s', which does not exist in the task definition.",
			name, dep.ContainerName)
	}
	switch dep.Condition {
	case ConditionStart:
	case ConditionComplete, ConditionSuccess:
		if target.Essential {
			return client("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container.")
		}
	case ConditionHealthy:
		if target.HealthCheck == nil {
			return client("Container '%s' waits for '%s' to be HEALTHY, but that container has no health check.",
				name, dep.ContainerName)
		}
	default:
		return client("Dependency condition '%s' of container '%s' is not valid: use START, COMPLETE, "+
			"SUCCESS or HEALTHY.", dep.Condition, name)
	}
	return nil
}

// Predecessors names the containers that must start before c does: those of dependsOn, links and
// volumesFrom, in that order.
func (c *ContainerDefinition) Predecessors() []string {
	var names []string
	for _, d := range c.DependsOn {
		names = append(names, d.ContainerName)
	}
	for _, l := range c.Links {
		n, _, _ := strings.Cut(l, ":")
		names = append(names, n)
	}
	for _, v := range c.VolumesFrom {
		names = append(names, v.SourceContainer)
	}
	return names
}

// cycle returns the name of a container on a cycle of predecessors, "" if there is none.
func (d *TaskDefinition) cycle() string {
	const visiting, done = 1, 2
	mark := make(map[string]int)
	var visit func(string) string
	visit = func(name string) string {
		switch mark[name] {
		case visiting:
			return name
		case done:
			return ""
		}
		mark[name] = visiting
		if c := d.Container(name); c != nil {
			for _, p := range c.Predecessors() {
				if on := visit(p); on != "" {
					return on
				}
			}
		}
		mark[name] = done
		return ""
	}
	for _, c := range d.ContainerDefinitions {
		if on := visit(c.Name); on != "" {
			return on
		}
	}
	return ""
}
