package fence

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses and names of this test's networks. The bridges have names as Docker gives them, but for the one of people.
const (
	bridge, network       = "br-be47feced001", "10.213.77"
	second, secondNetwork = "br-be47feced002", "10.213.78"
	people, lan           = "br-fencelan", "10.213.79"
	wire                  = "10.213.80"
)

// A neighbour that routes the bridge's address through this machine reaches what listens there
// before there is a fence, and after it is removed; in between only this machine and containers do.
// The neighbour is a network namespace on a wire, and another one on a bridge that is not Docker's.
func TestNeighboursAndContainers(t *testing.T) {
	needs(t)
	for name, prefix := range map[string]string{bridge: network, second: secondNetwork, people: lan} {
		addBridge(t, name, prefix)
	}
	addSpace(t, "fence-container", network, bridge)
	addSpace(t, "fence-second", secondNetwork, second)
	addSpace(t, "fence-wire", wire, "")
	addSpace(t, "fence-lan", lan, people)
	insiders, neighbours := []string{"", "fence-container", "fence-second"}, []string{"fence-wire", "fence-lan"}

	l, err := net.Listen("tcp", network+".1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			fmt.Fprint(conn, "+PONG")
			conn.Close()
		}
	}()
	where := l.Addr().(*net.TCPAddr).AddrPort()
	reached := func(space string) bool {
		t.Helper()
		answer, err := dial(space, where)
		t.Logf("from %q: %q %v", space, answer, err)
		return answer == "+PONG"
	}
	f := New("fence-test-" + strconv.Itoa(os.Getpid()))
	t.Cleanup(func() {
		if err := f.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	all := func(fenced bool) {
		t.Helper()
		for _, space := range insiders {
			if !reached(space) {
				t.Errorf("with fence %v: %q does not reach it", fenced, space)
			}
		}
		for _, space := range neighbours {
			if reached(space) == fenced {
				t.Errorf("with fence %v: %q reaches it: %v", fenced, space, fenced)
			}
		}
	}
	all(false)
	put(t, f, where)
	all(true)
	// Packets were dropped, so there was no other reason for the missing answer.
	if counters := iptables(t, "-nvxL", f.name); !dropped(counters) {
		t.Error(counters)
	}
	before := iptables(t, "-S")
	put(t, New(strings.TrimPrefix(f.comment, "berth:")), where) // as at the start after a kill
	if after := iptables(t, "-S"); after != before || strings.Count(after, "-j "+f.name) != 1 {
		t.Errorf("put twice:\n%s\nput once:\n%s", after, before)
	}
	// Somebody restores a firewall that knows of nothing.
	iptables(t, append([]string{"-D", "INPUT"}, strings.Fields(strings.TrimPrefix(f.put.calls[0], "-A INPUT "))...)...)
	f.checked = time.Time{}
	put(t, f, where)
	all(true)
	if err := f.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	all(false)
	if left := iptables(t, "-S"); strings.Contains(left, f.comment) || strings.Contains(left, f.name) {
		t.Error("left: ", left)
	}
}

func put(t *testing.T, f *Fence, where netip.AddrPort) {
	t.Helper()
	if err := f.Put(t.Context(), where); err != nil {
		t.Fatal(err)
	}
}

// A neighbour that routes a container's address, or 127.0.1.N, through this machine reaches what
// the container publishes, as long as Docker forwards that (before version 28). Behind the rules it
// does not, and other containers still do. Ports that are published for neighbours stay reachable
// by the machine's address. Containers do not reach the metadata service.
func TestNeighboursOfNetworks(t *testing.T) {
	needs(t)
	for name, prefix := range map[string]string{bridge: network, second: secondNetwork} {
		addBridge(t, name, prefix)
	}
	addSpace(t, "fence-container", network, bridge)
	addSpace(t, "fence-second", secondNetwork, second)
	addSpace(t, "fence-wire", wire, "")
	addSpace(t, "fence-cloud", lan, "") // has the metadata service
	var services []netip.AddrPort
	for _, address := range []string{"169.254.169.254", "168.63.129.16", "100.100.100.200"} {
		ip(t, "-n fence-cloud address add "+address+"/32 dev eth0")
		ip(t, "route add "+address+"/32 via "+lan+".2")
		t.Cleanup(func() { exec.Command("ip", "route", "delete", address+"/32").Run() })
		services = append(services, listenIn(t, "fence-cloud", netip.MustParseAddrPort(address+":80")))
	}
	forward(t)
	container := listenIn(t, "fence-container", netip.MustParseAddrPort(network+".2:8080"))
	// What Docker puts for a port that is published on an instance's address, and one that is published for everybody.
	instance, machine := netip.MustParseAddrPort("127.0.1.77:3000"), netip.MustParseAddrPort(wire+".1:3001")
	for _, where := range []netip.AddrPort{instance, machine} {
		rule := []string{"PREROUTING", "-p", "tcp", "-d", where.Addr().String(), "--dport",
			strconv.Itoa(int(where.Port())), "!", "-i", bridge,
			"-j", "DNAT", "--to-destination", container.String()}
		iptables(t, append([]string{"-t", "nat", "-I"}, rule...)...)
		t.Cleanup(func() { iptables(t, append([]string{"-t", "nat", "-D"}, rule...)...) })
	}
	ip(t, "-n fence-wire route add 127.0.1.0/24 via "+wire+".1 src "+wire+".2 table local")
	localnet := []string{
		"netns", "exec", "fence-wire", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet",
	}
	if out, err := exec.Command("ip", localnet...).CombinedOutput(); err != nil {
		t.Fatalf("route_localnet of the neighbour: %v: %s", err, out)
	}

	n := NewNetworks("fence-test-" + strconv.Itoa(os.Getpid()))
	t.Cleanup(func() {
		if err := n.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	reached := func(from string, to netip.AddrPort) bool {
		t.Helper()
		answer, err := dial(from, to)
		t.Logf("from %q to %s: %q %v", from, to, answer, err)
		return answer == "+PONG"
	}
	expect := func(what string, want map[[2]string]bool) {
		t.Helper()
		for path, yes := range want {
			if got := reached(path[0], netip.MustParseAddrPort(path[1])); got != yes {
				t.Errorf("%s: from %q to %s: reached %t", what, path[0], path[1], got)
			}
		}
	}
	open := map[[2]string]bool{
		{"fence-wire", container.String()}: true, {"fence-wire", machine.String()}: true,
		{"fence-second", container.String()}: true, {"fence-wire", instance.String()}: true,
		{"", container.String()}: true,
	}
	for _, service := range services {
		open[[2]string{"fence-container", service.String()}] = true
		open[[2]string{"", service.String()}] = true
	}
	expect("without rules", open)
	closed := maps.Clone(open)
	closed[[2]string{"fence-wire", container.String()}] = false
	closed[[2]string{"fence-wire", instance.String()}] = false
	for _, service := range services {
		closed[[2]string{"fence-container", service.String()}] = false
	}
	protect := func(networks ...Network) {
		t.Helper()
		if err := n.Put(t.Context(), networks); err != nil {
			t.Fatal(err)
		}
	}
	protect(Network{Bridge: bridge, Published: true, BlockMetadata: true})
	expect("published for everybody", closed)
	protect(Network{Bridge: bridge, BlockMetadata: true})
	closed[[2]string{"fence-wire", machine.String()}] = false
	expect("published for this machine", closed)
	before := iptables(t, "-S")
	again := NewNetworks(strings.TrimPrefix(n.comment, "berth:")) // as at the start after a kill
	if err := again.Put(t.Context(), []Network{{Bridge: bridge, BlockMetadata: true}}); err != nil {
		t.Fatal(err)
	}
	if after := iptables(t, "-S"); after != before {
		t.Errorf("put twice:\n%s\nput once:\n%s", after, before)
	}
	// Somebody restores a firewall that knows of nothing.
	for _, call := range n.put.calls {
		iptables(t, append([]string{"-D"}, strings.Fields(strings.TrimPrefix(call, "-A "))...)...)
	}
	n.checked = time.Time{}
	protect(Network{Bridge: bridge, BlockMetadata: true})
	expect("after a firewall was restored", closed)
	if err := n.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("after the rules were removed", open)
	if left := iptables(t, "-S"); strings.Contains(left, n.comment) || strings.Contains(left, n.name) {
		t.Error("left: ", left)
	}
}

// The same with IPv6, which networks have if Docker is configured to give it to each.
func TestNeighboursOfNetworksByIPv6(t *testing.T) {
	needs(t)
	if !hasIPv6() {
		t.Skip("this machine has no IPv6")
	}
	for name, prefix := range map[string]string{bridge: network, second: secondNetwork} {
		addBridge(t, name, prefix)
	}
	const container6, second6, wire6, cloud6 = "fd00:be47:77::", "fd00:be47:78::", "fd00:be47:80::", "fd00:be47:79::"
	for _, space := range []struct{ name, prefix, by, prefix6 string }{
		{"fence-container", network, bridge, container6}, {"fence-second", secondNetwork, second, second6},
		{"fence-wire", wire, "", wire6}, {"fence-cloud", lan, "", cloud6},
	} {
		addSpace(t, space.name, space.prefix, space.by)
		end := space.by
		if end == "" {
			end = "v-" + space.name[len("fence-"):]
		}
		ip(t, "address add "+space.prefix6+"1/64 dev "+end+" nodad")
		ip(t, "-n "+space.name+" address add "+space.prefix6+"2/64 dev eth0 nodad")
		ip(t, "-n "+space.name+" route add default via "+space.prefix6+"1")
	}
	settled(t, "", "fence-container", "fence-second", "fence-wire", "fence-cloud")
	const name = "/proc/sys/net/ipv6/conf/all/forwarding"
	before, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte("1"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(name, before, 0o644) })
	at := func(address string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(address), port)
	}
	container := listenIn(t, "fence-container", at(container6+"2", 8080))
	var services []netip.AddrPort
	for _, address := range []string{"fd00:ec2::254", "fd20:ce::254"} {
		ip(t, "-n fence-cloud address add "+address+"/128 dev eth0 nodad")
		ip(t, "route add "+address+"/128 via "+cloud6+"2")
		t.Cleanup(func() { exec.Command("ip", "-6", "route", "delete", address+"/128").Run() })
		services = append(services, listenIn(t, "fence-cloud", at(address, 80)))
	}
	n := NewNetworks("fence-test-six-" + strconv.Itoa(os.Getpid()))
	t.Cleanup(func() {
		if err := n.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	expect := func(what string, neighbour, metadata bool) {
		t.Helper()
		paths := map[netip.AddrPort]map[string]bool{
			container: {"fence-wire": neighbour, "fence-second": true, "": true},
		}
		for _, s := range services {
			paths[s] = map[string]bool{"fence-container": metadata, "fence-second": true, "": true}
		}
		for to, from := range paths {
			for space, yes := range from {
				if answer, err := dial(space, to); (answer == "+PONG") != yes {
					t.Errorf("%s: from %q to %s: %q %v, want it reached: %t", what, space, to, answer, err, yes)
				}
			}
		}
	}
	protect := func(network Network) {
		t.Helper()
		if err := n.Put(t.Context(), []Network{network}); err != nil {
			t.Fatal(err)
		}
	}
	expect("without rules", true, true)
	protect(Network{Bridge: bridge, BlockMetadata: true})
	expect("with all rules", false, false)
	protect(Network{Bridge: bridge, Published: true})
	expect("with the metadata service open", false, true)
	if err := n.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("after the rules were removed", true, true)
	if out, err := exec.Command("ip6tables", "-w", "10", "-S").CombinedOutput(); err != nil ||
		strings.Contains(string(out), n.comment) {
		t.Errorf("left: %s %v", out, err)
	}
}

// settled waits until no link-local address is being probed for doubles: until then nobody is found by it.
func settled(t *testing.T, spaces ...string) {
	t.Helper()
	for _, space := range spaces {
		args := []string{"-6", "address", "show", "tentative"}
		if space != "" {
			args = append([]string{"-n", space}, args...)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			out, err := exec.Command("ip", args...).CombinedOutput()
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("addresses of %q are not settled: %s %v", space, out, err)
			}
			if len(out) == 0 {
				break
			}
		}
	}
}

// forward makes this machine forward what comes for others, as Docker does.
func forward(t *testing.T) {
	t.Helper()
	const name = "/proc/sys/net/ipv4/ip_forward"
	before, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte("1"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(name, before, 0o644) })
	// Docker accepts what goes to a published port; here, whatever goes to the test's networks.
	for _, prefix := range []string{network, secondNetwork, wire, lan, "169.254.169", "168.63.129", "100.100.100"} {
		for _, direction := range []string{"-s", "-d"} {
			rule := []string{"FORWARD", direction, prefix + ".0/24", "-j", "ACCEPT"}
			iptables(t, append([]string{"-A"}, rule...)...)
			t.Cleanup(func() { iptables(t, append([]string{"-D"}, rule...)...) })
		}
	}
}

// listenIn answers "+PONG" in a namespace.
func listenIn(t *testing.T, space string, where netip.AddrPort) netip.AddrPort {
	t.Helper()
	var l net.Listener
	inSpace(space, func() (err error) {
		l, err = net.Listen("tcp", where.String())
		return err
	}, func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			fmt.Fprint(conn, "+PONG")
			conn.Close()
		}
	}()
	return where
}

// inSpace calls do in a namespace, "" for this one, and then done with its error.
func inSpace(space string, do func() error, done func(error)) {
	ended := make(chan error)
	go func() {
		if space == "" {
			ended <- do()
			return
		}
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		ns, err := os.Open(filepath.Join("/var/run/netns", space))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = do()
		}
		ended <- err
	}()
	done(<-ended)
}

// dropped reads whether the rule that drops has had something to do.
func dropped(counters string) bool {
	for line := range strings.Lines(counters) {
		if f := strings.Fields(line); slices.Contains(f, "DROP") {
			return f[0] != "0"
		}
	}
	return false
}

func needs(t *testing.T) {
	t.Helper()
	missing := ""
	for _, program := range []string{"iptables", "iptables-restore", "ip6tables", "ip6tables-restore", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = program
		}
	}
	if os.Geteuid() != 0 {
		missing = "root"
	}
	if missing != "" && os.Getenv("BERTH_CI") == "1" {
		t.Fatal(missing + " is missing")
	}
	if missing != "" {
		t.Skip(missing + " is missing")
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

func iptables(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("iptables", append([]string{"-w", "10"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("iptables %v: %v: %s", args, err, out)
	}
	return string(out)
}

func addBridge(t *testing.T, name, prefix string) {
	t.Helper()
	exec.Command("ip", "link", "delete", name).Run() // of a run that was killed
	ip(t, "link add "+name+" type bridge")
	t.Cleanup(func() { exec.Command("ip", "link", "delete", name).Run() })
	ip(t, "address add "+prefix+".1/24 dev "+name)
	ip(t, "link set "+name+" up")
}

// addSpace makes a network namespace with the address prefix.2 and a route to everything by this
// machine, which it is tied to by a bridge, or by a wire alone.
func addSpace(t *testing.T, name, prefix, by string) {
	t.Helper()
	exec.Command("ip", "netns", "delete", name).Run()
	ip(t, "netns add "+name)
	t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	end := "v-" + name[len("fence-"):]
	ip(t, "link add "+end+" type veth peer name eth0 netns "+name)
	t.Cleanup(func() { exec.Command("ip", "link", "delete", end).Run() })
	if by != "" {
		ip(t, "link set "+end+" master "+by)
	} else {
		ip(t, "address add "+prefix+".1/24 dev "+end)
	}
	ip(t, "link set "+end+" up")
	ip(t, "-n "+name+" address add "+prefix+".2/24 dev eth0")
	ip(t, "-n "+name+" link set eth0 up")
	ip(t, "-n "+name+" route add default via "+prefix+".1")
}

// dial connects from a namespace, "" for this one, and reads what it receives.
func dial(space string, to netip.AddrPort) (answer string, err error) {
	inSpace(space, func() error {
		conn, err := net.DialTimeout("tcp", to.String(), 2*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		heard := make([]byte, 16)
		n, err := conn.Read(heard)
		answer = string(heard[:n])
		return err
	}, func(failed error) { err = failed })
	return answer, err
}
