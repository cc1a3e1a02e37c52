package fence

import (
	"net"
	"net/netip"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// ofDocker matches Docker's names for the bridges of its networks: docker0 for the default one, the network's
// id for others. Bridges that people create, such as br-lan and br-ex, may connect to neighbours.
var ofDocker = regexp.MustCompile(`^(docker0|br-[0-9a-f]{12})$`)

// bridges returns the bridges on which packets of containers arrive: the one that has the address, if any, and
// Docker's others. They are sorted.
func bridges(at netip.Addr) (names []string, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(socket)
	for _, i := range interfaces {
		if !ofDocker.MatchString(i.Name) && !has(i, at) {
			continue
		}
		// /sys may show another network namespace, so it is not used.
		if driver, err := unix.IoctlGetEthtoolDrvinfo(socket, i.Name); err == nil &&
			unix.ByteSliceToString(driver.Driver[:]) == "bridge" {
			names = append(names, i.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func has(i net.Interface, at netip.Addr) bool {
	addrs, err := i.Addrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == at
	})
}
