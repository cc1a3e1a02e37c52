package ecs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// checkHostPorts refuses a host port that the task would take twice: it could run nowhere. The
// words are those of a live call (aws/amazon-ecs-agent#1220).
func (d *TaskDefinition) checkHostPorts() error {
	need := d.Need(Overrides{})
	for _, p := range []struct {
		protocol string
		ports    []int
	}{{"TCP", need.PortsTCP}, {"UDP", need.PortsUDP}} {
		seen := make(map[int]bool)
		for _, port := range p.ports {
			if seen[port] {
				return client("%s host port '%d' is mapped multiple times in task.", p.protocol, port)
			}
			seen[port] = true
		}
	}
	return nil
}

// checkPortRanges is ecs.md 1.4.10: not too many, and no port in two of them. It expects ranges
// that checkPortRange accepts.
func checkPortRanges(c *ContainerDefinition) error {
	type span struct{ first, last int }
	var spans []span
	for _, p := range c.PortMappings {
		if first, last, ok := ParsePortRange(p.ContainerPortRange); ok {
			spans = append(spans, span{first, last})
		}
	}
	if len(spans) > MaxPortRangesInContainer {
		return client("Container '%s' has more than %d container port ranges.", c.Name, MaxPortRangesInContainer)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	for i, s := range spans {
		if i > 0 && s.first <= spans[i-1].last {
			return client("Container '%s': the port ranges %d-%d and %d-%d overlap.", c.Name,
				spans[i-1].first, spans[i-1].last, s.first, s.last)
		}
	}
	return nil
}

func (d *TaskDefinition) checkPortRange(c *ContainerDefinition, p PortMapping) error {
	if p.ContainerPort != 0 || p.HostPort != 0 {
		return client("Invalid port mapping in container '%s': cannot specify both single port and port range.", c.Name)
	}
	if m := d.mode(); m != NetworkBridge && m != NetworkAwsvpc {
		return client("containerPortRange is only allowed with the bridge and awsvpc network modes.")
	}
	if _, _, ok := ParsePortRange(p.ContainerPortRange); !ok {
		return client("Invalid containerPortRange '%s' in container '%s': use first-last with 1 <= first < "+
			"last <= 65535.", p.ContainerPortRange, c.Name)
	}
	return nil
}

// ParsePortRange reads "first-last".
func ParsePortRange(s string) (first, last int, ok bool) {
	a, b, found := strings.Cut(s, "-")
	if !found {
		return 0, 0, false
	}
	first, err1 := strconv.Atoi(a)
	last, err2 := strconv.Atoi(b)
	return first, last, err1 == nil && err2 == nil && 1 <= first && first < last && last <= 65535
}
