package fence

import (
	"net"
	"net/netip"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// ofDocker is how Docker names the bridges of its networks: the default one docker0, the others by the network's id. Bridges of people,
// such as br-lan and br-ex, have neighbours on them.
var ofDocker = regexp.MustCompile(`^(docker0|br-[0-9a-f]{12})$`)

// bridges names those by which containers come in: the one that has the address, if any, and Docker's others. Sorted.
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
		// Not from /sys, which may show another network namespace.
		if driver, err := unix.IoctlGetEthtoolDrvinfo(socket, i.Name); err == nil && unix.ByteSliceToString(driver.Driver[:]) == "bridge" {
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
