package fence

import (
	"context"
	"fmt"
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

// A neighbour that routes the bridge's address through this machine reaches what listens there before there is a fence, and after it is
// removed; in between only this machine and containers do. The neighbour is a network namespace on a wire, and another one on a bridge that is not Docker's.
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
	// Packets were dropped: it is not for another reason that nobody answered.
	if counters := iptables(t, "-nvxL", f.chain); !dropped(counters) {
		t.Error(counters)
	}
	before := iptables(t, "-S")
	put(t, New(strings.TrimPrefix(f.comment, "berth:")), where) // as at the start after a kill
	if after := iptables(t, "-S"); after != before || strings.Count(after, "-j "+f.chain) != 1 {
		t.Errorf("put twice:\n%s\nput once:\n%s", after, before)
	}
	// Somebody restores a firewall that knows of nothing.
	iptables(t, append([]string{"-D", "INPUT"}, strings.Fields(strings.TrimPrefix(f.put[0], "-A INPUT "))...)...)
	f.checked = time.Time{}
	put(t, f, where)
	all(true)
	if err := f.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	all(false)
	if left := iptables(t, "-S"); strings.Contains(left, f.comment) || strings.Contains(left, f.chain) {
		t.Error("left: ", left)
	}
}

func put(t *testing.T, f *Fence, where netip.AddrPort) {
	t.Helper()
	if err := f.Put(t.Context(), where); err != nil {
		t.Fatal(err)
	}
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
	for _, program := range []string{"iptables", "iptables-restore", "ip"} {
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

// addSpace makes a network namespace with the address prefix.2 and a route to everything by this machine, which it is tied to by a
// bridge, or by a wire alone.
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

// dial connects from a namespace, "" for this one, and reads what it is told.
func dial(space string, to netip.AddrPort) (answer string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if space != "" {
			runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
			var ns *os.File
			if ns, err = os.Open(filepath.Join("/var/run/netns", space)); err != nil {
				return
			}
			defer ns.Close()
			if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return
			}
		}
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", to.String(), 2*time.Second); err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		heard := make([]byte, 16)
		n := 0
		n, err = conn.Read(heard)
		answer = string(heard[:n])
	}()
	<-done
	return answer, err
}
