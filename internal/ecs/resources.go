package ecs

import (
	"cmp"
	"slices"
	"strconv"
)

// Resources are what an instance offers or a task takes. CPU is units of 1/1024 vCPU, Memory is
// MiB, ports are host ports.
type Resources struct {
	CPU      int
	Memory   int
	PortsTCP []int    `json:",omitempty"`
	PortsUDP []int    `json:",omitempty"`
	GPUs     int      `json:",omitempty"`
	GPUIDs   []string `json:",omitempty"`
	ENIs     int      `json:",omitempty"`
}

// Need is what a task of this definition takes of an instance once o is applied (ecs.md 1.3.6): the
// task's own cpu and memory if set, else the sums over its containers (memoryReservation before
// memory); static host ports outside awsvpc; GPUs; a network interface in awsvpc.
func (d *TaskDefinition) Need(o Overrides) Resources {
	var r Resources
	for _, c := range d.ContainerDefinitions {
		c = o.Apply(c)
		r.CPU += c.CPU
		if c.MemoryReservation > 0 {
			r.Memory += c.MemoryReservation
		} else {
			r.Memory += c.Memory
		}
		for _, q := range c.ResourceRequirements {
			if q.Type == "GPU" {
				n, _ := strconv.Atoi(q.Value)
				r.GPUs += n
			}
		}
		d.addPorts(&r, c)
	}
	if n, err := strconv.Atoi(cmp.Or(o.CPU, d.CPU)); err == nil {
		r.CPU = n
	}
	if n, err := strconv.Atoi(cmp.Or(o.Memory, d.Memory)); err == nil {
		r.Memory = n
	}
	if d.NetworkMode == NetworkAwsvpc {
		r.ENIs = 1
	}
	slices.Sort(r.PortsTCP)
	slices.Sort(r.PortsUDP)
	return r
}

func (d *TaskDefinition) addPorts(r *Resources, c ContainerDefinition) {
	mode := d.mode()
	if mode != NetworkBridge && mode != NetworkHost {
		return
	}
	for _, p := range c.PortMappings {
		port := p.HostPort
		if port == 0 && mode == NetworkHost {
			port = p.ContainerPort
		}
		switch {
		case port == 0:
		case p.Protocol == "udp":
			r.PortsUDP = append(r.PortsUDP, port)
		default:
			r.PortsTCP = append(r.PortsTCP, port)
		}
	}
}

// Sub returns r less what used takes: CPU and memory shrink, the lists of ports in use grow (ecs.md 1.3.5).
func (r Resources) Sub(used Resources) Resources {
	r.CPU -= used.CPU
	r.Memory -= used.Memory
	r.GPUs -= used.GPUs
	r.ENIs -= used.ENIs
	r.PortsTCP = append(slices.Clone(r.PortsTCP), used.PortsTCP...)
	r.PortsUDP = append(slices.Clone(r.PortsUDP), used.PortsUDP...)
	return r
}
