package engine

import (
	"fmt"
	"slices"
	"sync"

	"github.com/berthhq/berth/internal/acs"
)

// Resources are those of the machine or of a task. CPU is in units of 1/1024 vCPU, Memory in MiB; ports are
// host ports.
type Resources struct {
	CPU, Memory        int64
	PortsTCP, PortsUDP []int
}

// ports yields the protocols with their ports.
func (r Resources) ports(yield func(protocol string, ports []int) bool) {
	_ = yield("tcp", r.PortsTCP) && yield("udp", r.PortsUDP)
}

func (r Resources) hasPort(port int, protocol string) bool {
	for own, ports := range r.ports {
		if own == protocol && slices.Contains(ports, port) {
			return true
		}
	}
	return false
}

// ledger keeps account of the machine's resources (ecs.md 1.3.7). A task waits until the resources it needs are
// free; a task that fits need not wait for others (there is no queue).
type ledger struct {
	total Resources

	mu    sync.Mutex
	held  map[string]Resources // by task ARN
	bound map[string]bool      // "port/protocol": host ports of containers, dynamic ones too; portPicker writes it
}

func newLedger(total Resources) *ledger {
	return &ledger{total: total, held: map[string]Resources{}, bound: map[string]bool{}}
}

// reserve takes the resources of a task, or says what is lacking. A task keeps resources that it has.
func (l *ledger) reserve(task string, need Resources) (lacking string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.held[task]; ok {
		return ""
	}
	free := l.total
	for _, h := range l.held {
		free.CPU -= h.CPU
		free.Memory -= h.Memory
	}
	switch {
	case need.CPU > free.CPU:
		return fmt.Sprintf("waiting for %d of the instance's %d CPU units", need.CPU, l.total.CPU)
	case need.Memory > free.Memory:
		return fmt.Sprintf("waiting for %d of the instance's %d MiB of memory", need.Memory, l.total.Memory)
	}
	for protocol, ports := range need.ports {
		for _, p := range ports {
			if l.takenLocked(p, protocol) {
				return fmt.Sprintf("waiting for host port %s", portKey(p, protocol))
			}
		}
	}
	l.held[task] = need
	return ""
}

// takenLocked reports whether a host port is taken: by a container, by a task whose containers do not run yet,
// or by the machine.
func (l *ledger) takenLocked(port int, protocol string) bool {
	if l.bound[portKey(port, protocol)] || l.total.hasPort(port, protocol) {
		return true
	}
	for _, h := range l.held {
		if h.hasPort(port, protocol) {
			return true
		}
	}
	return false
}

// hold reserves the resources of a task that was running before the agent started.
func (l *ledger) hold(task string, need Resources) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[task] = need
}

// release releases the task's resources, and reports whether it had any.
func (l *ledger) release(task string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.held[task]
	delete(l.held, task)
	return ok
}

// need returns the resources that a task needs (ecs.md 1.3.6, ecs-agent.md 6.4).
func need(r *Record) Resources {
	n := Resources{CPU: int64(r.Task.CPU*1024 + 0.5), Memory: r.Task.Memory}
	for i := range r.Containers {
		c := &r.Containers[i].Def
		if r.Task.CPU == 0 {
			n.CPU += c.CPU
		}
		if r.Task.Memory == 0 {
			n.Memory += containerMemory(c)
		}
		if r.Task.NetworkMode == networkAwsvpc {
			continue
		}
		for _, p := range c.PortMappings {
			port := int(p.HostPort)
			if r.Task.NetworkMode == networkHost {
				port = int(p.ContainerPort)
			}
			switch {
			case port == 0:
			case p.Protocol == "udp":
				n.PortsUDP = append(n.PortsUDP, port)
			default:
				n.PortsTCP = append(n.PortsTCP, port)
			}
		}
	}
	return n
}

// containerMemory returns the soft limit in MiB if there is one, or else the hard limit.
func containerMemory(c *acs.Container) int64 {
	if soft := readHostConfig(c.DockerConfig.HostConfig).MemoryReservation; soft > 0 {
		return soft >> 20
	}
	return c.Memory
}
