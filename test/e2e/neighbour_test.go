package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/test/harness"
)

// Everything that listens on other addresses than loopback is for containers. Another machine of the same network that
// adds routes through this one cannot reach it. Without the firewall rules it could, because Linux answers for each of
// its addresses on every interface.
func TestNeighbourReachesNothing(t *testing.T) {
	harness.Need(t, redis, harness.OnPath("iptables"), harness.OnPath("ip"), harness.OnPath("ss"), root)
	s := start(t)
	s.launch(t, 2)
	s.redis(t)
	s.balancer(t, "lb", s.TargetGroup(t, "tg", "/", nil))
	neighbour := addNeighbour(t)
	var open []netip.AddrPort
	harness.Until(t, 20*time.Second, "a cache, two agents and a load balancer listen where containers come",
		func() string {
			open = s.beyondLoopback(t)
			if len(open) < 4 {
				return fmt.Sprint(open, " is all")
			}
			return ""
		})
	for _, where := range open {
		if _, err := net.DialTimeout("tcp", where.String(), 5*time.Second); err != nil {
			t.Errorf("this machine does not reach %s: %v", where, err)
		}
		if err := dialFrom(t, neighbour, where); err == nil {
			t.Errorf("a neighbour reaches %s", where)
		}
		// Without the rules, the other machine gets through.
		call := s.fence(t, where)
		iptables(t, "-D", call)
		if err := dialFrom(t, neighbour, where); err != nil {
			t.Errorf("without a fence a neighbour does not reach %s either (%v), so this test shows nothing",
				where, err)
		}
		if len(s.fences(t, where)) == 0 { // a cache's may be back already
			iptables(t, "-I", call)
		}
	}
}

// Ports that a task publishes can only be reached from this machine. Another machine that routes the container's
// address through this one reaches nothing. Without the rule it would, if Docker forwards such packets (before version
// 28). A rule that a restored firewall has lost is added again.
func TestNeighbourReachesNoTask(t *testing.T) {
	harness.Need(t, harness.OnPath("iptables"), harness.OnPath("ip"), root)
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	x := s.runTask(t, object{"cluster": cluster, "taskDefinition": s.define(t, "web", answering(probe, "here"), nil)})
	out, err := s.Docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
		x.Containers[0].RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	address, err := netip.ParseAddr(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	where, neighbour := netip.AddrPortFrom(address, 8080), addNeighbour(t)
	if conn, err := net.DialTimeout("tcp", where.String(), 5*time.Second); err != nil {
		t.Fatalf("this machine does not reach the task: %v", err)
	} else {
		conn.Close()
	}
	if dialFrom(t, neighbour, where) == nil {
		t.Error("a neighbour reaches the task")
	}
	version, err := s.Docker("version", "-f", "{{.Server.Version}}")
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(string(version), ".")
	if n, err := strconv.Atoi(major); err != nil || n >= 28 {
		t.Skipf("Docker %s does not forward it anyway", version)
	}
	// The agent may add the rule again at any moment.
	harness.Until(t, 30*time.Second, "without the rule a neighbour reaches the task", func() string {
		removeForwardRules(t)
		if err := dialFrom(t, neighbour, where); err != nil {
			return err.Error()
		}
		return ""
	})
	harness.Until(t, 30*time.Second, "the rule is put again", func() string {
		if dialFrom(t, neighbour, where) == nil {
			return "a neighbour reaches the task"
		}
		return ""
	})
}

// removeForwardRules removes the calls of agents' rules for what is forwarded to containers, as a
// restored firewall does.
func removeForwardRules(t *testing.T) {
	t.Helper()
	rules, err := exec.Command("iptables", "-w", "10", "-S", "DOCKER-USER").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range harness.Lines(rules) {
		if strings.Contains(rule, "BERTH-") && strings.Contains(rule, " -o ") {
			iptables(t, "-D", strings.ReplaceAll(strings.TrimPrefix(rule, "-A "), `"`, ""))
		}
	}
}

var root = harness.Part{Name: "root", There: func() error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	return nil
}}

var listener = regexp.MustCompile(`^LISTEN +\d+ +\d+ +(\S+) .*users:\(\((.*)\)\)`)

// beyondLoopback returns the addresses other than loopback on which processes of the server listen.
func (s server) beyondLoopback(t *testing.T) (open []netip.AddrPort) {
	t.Helper()
	ours := []string{"pid=" + strconv.Itoa(s.PID()) + ","}
	for _, p := range s.Leftovers().Processes() {
		pid, _, _ := strings.Cut(p, " ")
		ours = append(ours, "pid="+pid+",")
	}
	out, err := exec.Command("ss", "-ltnpH").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range harness.Lines(out) {
		m := listener.FindStringSubmatch(line)
		if m == nil || !slices.ContainsFunc(ours, func(pid string) bool { return strings.Contains(m[2], pid) }) {
			continue
		}
		where, err := netip.ParseAddrPort(m[1])
		if err != nil || where.Addr().IsUnspecified() {
			t.Fatalf("it listens on %s, which is everywhere", m[1])
		}
		if !where.Addr().IsLoopback() {
			open = append(open, where)
		}
	}
	return open
}

// fences returns the rules that send the packets for an address to a fence.
func (s server) fences(t *testing.T, where netip.AddrPort) (calls []string) {
	t.Helper()
	out, err := exec.Command("iptables", "-w", "10", "-S", "INPUT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range harness.Lines(out) {
		line = strings.ReplaceAll(line, `"`, "")
		port := strings.Contains(line, "-d "+where.Addr().String()+"/32 ") &&
			strings.Contains(line, "--dport "+strconv.Itoa(int(where.Port()))+" ")
		if port || gateway(line).Contains(where.Addr()) {
			calls = append(calls, strings.TrimPrefix(line, "-A "))
		}
	}
	return calls
}

// gateway returns the range of addresses that a rule is about, if it is about one.
func gateway(rule string) netip.Prefix {
	f := strings.Fields(rule)
	if i := slices.Index(f, "-d"); i >= 0 && !strings.Contains(rule, "--dport") {
		p, _ := netip.ParsePrefix(f[i+1]) // none contains nothing
		return p
	}
	return netip.Prefix{}
}

func (s server) fence(t *testing.T, where netip.AddrPort) string {
	t.Helper()
	calls := s.fences(t, where)
	if len(calls) != 1 {
		t.Fatalf("around %s there are the fences %q, want one", where, calls)
	}
	return calls[0]
}

func iptables(t *testing.T, action, rule string) {
	t.Helper()
	if out, err := exec.Command("iptables", append([]string{"-w", "10", action}, strings.Fields(rule)...)...).
		CombinedOutput(); err != nil {
		t.Fatalf("iptables %s %s: %v: %s", action, rule, err, out)
	}
}

// addNeighbour makes a network namespace that is connected with this machine and sends all its packets to it.
func addNeighbour(t *testing.T) (name string) {
	t.Helper()
	const space, end, network = "berth-neighbour", "berthneighbour", "10.213.88"
	remove := func() {
		// at once; the kernel removes those of a namespace some time later
		exec.Command("ip", "link", "delete", end).Run()
		exec.Command("ip", "netns", "delete", space).Run()
	}
	remove() // an earlier run that was killed may have left it
	t.Cleanup(remove)
	for _, args := range []string{
		"netns add " + space, "link add " + end + " type veth peer name eth0 netns " + space,
		"address add " + network + ".1/24 dev " + end, "link set " + end + " up",
		"-n " + space + " address add " + network + ".2/24 dev eth0", "-n " + space + " link set eth0 up",
		"-n " + space + " route add default via " + network + ".1",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return space
}

// dialFrom connects from a network namespace.
func dialFrom(t *testing.T, space string, to netip.AddrPort) error {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // it stays locked, so the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open(filepath.Join("/var/run/netns", space))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			conn, err := net.DialTimeout("tcp", to.String(), 2*time.Second)
			if err == nil {
				conn.Close()
			}
			return err
		}()
	}()
	return <-done
}
