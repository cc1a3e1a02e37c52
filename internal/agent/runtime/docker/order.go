package docker

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// The engine returns maps; the results of this package are ordered.

func sortPorts(ports []runtime.Port) {
	slices.SortFunc(ports, func(a, b runtime.Port) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.HostPort, b.HostPort))
	})
}

func sortAddresses(addresses []runtime.Address) {
	slices.SortFunc(addresses, func(a, b runtime.Address) int { return cmp.Compare(a.Network, b.Network) })
}
