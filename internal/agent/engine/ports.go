package engine

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// portPicker chooses dynamic host ports: the next free one after the last, in a cycle (ecs-agent.md 1.5). Its
// ports belong to one address; two instances of a machine have an address each. A port must also be free in the
// ledger, where a static port may be reserved long before it is bound.
type portPicker struct {
	first, last int
	address     netip.Addr
	// free asks the machine whether a port is free; tests replace it.
	free func(address netip.Addr, port int, protocol string) bool

	ledger *ledger // its mutex guards next, too
	next   int
}

func newPortPicker(first, last int, address netip.Addr, l *ledger) *portPicker {
	return &portPicker{first: first, last: last, address: address, free: canBind, ledger: l, next: first}
}

// pick returns the first of count free ports in a row.
func (p *portPicker) pick(count int, protocol string) (int, error) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	for range p.last - p.first + 1 {
		at := p.next
		if at+count-1 > p.last {
			at = p.first
		}
		p.next = at + 1
		if p.allFreeLocked(at, count, protocol) {
			for port := at; port < at+count; port++ {
				p.ledger.bound[portKey(port, protocol)] = true
			}
			p.next = at + count
			return at, nil
		}
	}
	return 0, fmt.Errorf("no %d free host ports in a row from %d to %d", count, p.first, p.last)
}

func (p *portPicker) allFreeLocked(at, count int, protocol string) bool {
	for port := at; port < at+count; port++ {
		if port > p.last || p.ledger.takenLocked(port, protocol) || !p.free(p.address, port, protocol) {
			return false
		}
	}
	return true
}

// hold marks ports that were assigned before the agent started.
func (p *portPicker) hold(bindings []Binding) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	for _, b := range bindings {
		for port := b.HostPort; port < b.HostPort+b.Count; port++ {
			p.ledger.bound[portKey(port, b.Protocol)] = true
		}
	}
}

// release releases ports.
func (p *portPicker) release(bindings []Binding) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	for _, b := range bindings {
		for port := b.HostPort; port < b.HostPort+b.Count; port++ {
			delete(p.ledger.bound, portKey(port, b.Protocol))
		}
	}
}

func portKey(port int, protocol string) string { return strconv.Itoa(port) + "/" + protocol }

// sharedPort returns a port that a container in host mode would not get, or "". The scheduler counts ports by
// instance, as AWS does, but instances of one machine share its network in host mode. Without this check the
// program in the container would fail again and again with its own message. A running container has its ports
// already.
func (t *task) sharedPort(ctx context.Context, b Box) string {
	if t.view().Task.NetworkMode != networkHost || !t.e.cfg.BindAddress.IsValid() {
		return ""
	}
	if c, err := t.e.rt.Inspect(ctx, b.RuntimeID); err != nil || c.State == runtime.Running {
		return ""
	}
	for _, m := range b.Def.PortMappings {
		protocol := cmp.Or(m.Protocol, "tcp")
		if port := int(m.ContainerPort); port != 0 && !t.e.ports.free(t.e.cfg.BindAddress, port, protocol) {
			return fmt.Sprintf("host port %s is in use on this machine. Tasks with networkMode host have "+
				"the machine's own ports, and all instances of "+
				"this machine share them: stop what uses the port, let the task listen on another one, or "+
				"use networkMode bridge, where each instance has ports "+
				"of its own", portKey(port, protocol))
		}
	}
	return ""
}

// canBind reports whether the port is free on the machine.
func canBind(address netip.Addr, port int, protocol string) bool {
	host := ""
	if address.IsValid() {
		host = address.String()
	}
	where := net.JoinHostPort(host, strconv.Itoa(port))
	if protocol == "udp" {
		conn, err := net.ListenPacket("udp4", where)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	l, err := net.Listen("tcp4", where)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// assign chooses the host ports for a container's mappings in bridge mode.
func (p *portPicker) assign(mappings []acs.PortMapping) ([]Binding, error) {
	var out []Binding
	for _, m := range mappings {
		b, err := binding(m)
		if err == nil && b.HostPort == 0 {
			b.HostPort, err = p.pick(b.Count, b.Protocol)
		}
		if err != nil {
			p.release(out)
			return nil, err
		}
		b.HostIP = p.address
		out = append(out, b)
	}
	p.hold(out)
	return out, nil
}

// binding parses a mapping; the host port is 0 if it is to be chosen.
func binding(m acs.PortMapping) (Binding, error) {
	b := Binding{ContainerPort: int(m.ContainerPort), HostPort: int(m.HostPort), Count: 1, Protocol: m.Protocol}
	if b.Protocol == "" {
		b.Protocol = "tcp"
	}
	if m.ContainerPortRange == "" {
		return b, nil
	}
	from, to, _ := strings.Cut(m.ContainerPortRange, "-")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || first < 1 || last < first || last > 65535 {
		return b, fmt.Errorf("containerPortRange %q is not FIRST-LAST", m.ContainerPortRange)
	}
	b.ContainerPort, b.Count, b.Range = first, last-first+1, true
	return b, nil
}
