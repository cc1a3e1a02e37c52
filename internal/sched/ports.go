package sched

import (
	"fmt"
	"strings"
)

// portsFree reports whether the static host ports of a task are unused and whether the instance
// stays within its limit of reserved ports.
func portsFree(i *Instance, r *Request) bool {
	if len(r.PortsTCP)+len(r.PortsUDP) == 0 {
		return true
	}
	if m := i.machineOf(r); m != nil && (anyTaken(m.HostTCP, r.PortsTCP) || anyTaken(m.HostUDP, r.PortsUDP)) {
		return false
	}
	return !anyTaken(i.PortsTCP, r.PortsTCP) && !anyTaken(i.PortsUDP, r.PortsUDP) && portsAfter(i, r) <= maxPorts
}

// machineOf returns the machine whose own ports a task of the request would use (network mode
// host). It is nil if the task uses the ports of its instance only.
func (i *Instance) machineOf(r *Request) *Machine {
	if !r.HostNetwork {
		return nil
	}
	return i.Machine
}

func anyTaken(used Ports, wanted []uint16) bool {
	for k, p := range wanted {
		if _, taken := used[p]; taken || repeated(wanted, k) {
			return true
		}
	}
	return false
}

// repeated reports whether port k is already in the list before it: a task cannot bind one port
// twice.
func repeated(wanted []uint16, k int) bool {
	for _, p := range wanted[:k] {
		if p == wanted[k] {
			return true
		}
	}
	return false
}

func portsAfter(i *Instance, r *Request) int {
	return len(i.PortsTCP) + len(i.PortsUDP) + len(r.PortsTCP) + len(r.PortsUDP)
}

func explainPorts(i *Instance, r *Request) string {
	list := append(conflicts(i.PortsTCP, r.PortsTCP, "tcp"), conflicts(i.PortsUDP, r.PortsUDP, "udp")...)
	if m := i.machineOf(r); m != nil && len(list) == 0 {
		list = append(conflicts(m.HostTCP, r.PortsTCP, "tcp"), conflicts(m.HostUDP, r.PortsUDP, "udp")...)
		for k := range list {
			list[k] += " on another instance of the same machine (networkMode host)"
		}
	}
	if len(list) == 0 {
		return fmt.Sprintf("needs %d more host ports, %d of at most %d are reserved",
			len(r.PortsTCP)+len(r.PortsUDP), len(i.PortsTCP)+len(i.PortsUDP), maxPorts)
	}
	return "needs " + strings.Join(list, ", ")
}

func conflicts(used Ports, wanted []uint16, protocol string) []string {
	var list []string
	for k, p := range wanted {
		holder, taken := used[p]
		switch {
		case taken && holder != "":
			list = append(list, fmt.Sprintf("host port %d/%s, which %s uses", p, protocol, holder))
		case taken:
			list = append(list, fmt.Sprintf("host port %d/%s, which is in use or reserved", p, protocol))
		case repeated(wanted, k):
			list = append(list, fmt.Sprintf("host port %d/%s twice", p, protocol))
		}
	}
	return list
}
