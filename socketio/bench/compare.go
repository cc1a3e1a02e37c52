package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// measurement is one row of the table.
type measurement struct {
	name, what string
	servers    int
	pinned     bool
	run        func(l *load) (result, error)
	gate       float64 // of CPU, or of memory, per operation against Node's; 0 for none
}

var measurements = []measurement{
	{"connect", "connect, join, leave (64 at a time)", 1, true, (*load).connect, 0.33},
	{"ack", "ack round trip, 200 clients, 32 B", 1, true, (*load).ack, 0.45},
	{"echo", "echo, 200 clients, 1 KiB", 1, true, (*load).echo, 0.40},
	{"pipe", "ack round trip, 50 clients, 16 in flight each", 1, true, (*load).pipe, 0},
	{"fanout", "broadcast to 5,000, one at a time, 64 B", 1, true, (*load).fanout, 0.70},
	{"fanout8", "broadcast to 1,000, 8 in flight, 64 B", 1, true, (*load).fanout8, 0},
	{"cores", "broadcast to 1,000, 8 in flight, no pinning", 1, false, (*load).fanout8, 0},
	{"idle", "memory of 10,000 idle connections", 1, true, (*load).idle, 0.20},
	{"cross", "event through Redis to another server, 500/s", 2, false, (*load).cross, 0},
}

// result is what one run found. Cost is microseconds of the server's CPU per operation, or bytes per
// connection for idle.
type result struct {
	Rate    float64 `json:"rate"`
	Cost    float64 `json:"cost"`
	Latency float64 `json:"latency"` // ms, median
	Note    string  `json:"note"`
}

func compare(ctx context.Context, short bool, list []measurement) error {
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is missing")
	}
	fmt.Printf("%s, %s, load %s\n", runtime.Version(), strings.TrimSpace(output("node", "-v")), loadAverage())
	fmt.Printf("%-48s %26s %26s   %s\n", "", "Node.js", "Go", "ratio (gate)")
	for _, m := range list {
		node, err := measure(ctx, m, nodeServer, short)
		if err != nil {
			return fmt.Errorf("%s on Node.js: %w", m.name, err)
		}
		ours, err := measure(ctx, m, goServer, short)
		if err != nil {
			return fmt.Errorf("%s on Go: %w", m.name, err)
		}
		print(m, node, ours)
	}
	return nil
}

func print(m measurement, node, ours result) {
	gate := ""
	if m.gate > 0 {
		gate = fmt.Sprintf(" (at most %.2f)", m.gate)
	}
	unit := "µs"
	if m.name == "idle" {
		unit = "B "
	}
	fmt.Printf("%-48s %17.1f %s cost   %17.1f %s cost   %.2f%s\n", m.what, node.Cost, unit, ours.Cost, unit, ours.Cost/node.Cost, gate)
	fmt.Printf("%-48s %17.0f /s        %17.0f /s        %.2f\n", "", node.Rate, ours.Rate, ours.Rate/node.Rate)
	if node.Latency > 0 {
		fmt.Printf("%-48s %17.2f ms p50    %17.2f ms p50    %.2f\n", "", node.Latency, ours.Latency, ours.Latency/node.Latency)
	}
	if ours.Note != "" {
		fmt.Printf("%-48s %26s %26s\n", "", node.Note, ours.Note)
	}
}

type starter func(ctx context.Context, port int, redis string) *exec.Cmd

func goServer(ctx context.Context, port int, redis string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.CommandContext(ctx, self, "-serve", "127.0.0.1:"+strconv.Itoa(port), "-redis", redis)
}

func nodeServer(ctx context.Context, port int, redis string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", "bench.mjs", strconv.Itoa(port), redis)
	_, file, _, _ := runtime.Caller(0)
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "testenv", "node")
	return cmd
}

// measure starts the servers and then the load, each on its own processor.
func measure(ctx context.Context, m measurement, start starter, short bool) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	redis := ""
	if m.servers > 1 {
		port := freePort()
		cmd := exec.CommandContext(ctx, "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
		if err := cmd.Start(); err != nil {
			return result{}, err
		}
		defer reap(cmd, cancel)
		redis = "redis://127.0.0.1:" + strconv.Itoa(port)
		time.Sleep(300 * time.Millisecond)
	}
	var addrs []string
	pid := 0
	for range m.servers {
		port := freePort()
		cmd := start(ctx, port, redis)
		if m.pinned {
			cmd = pin(ctx, cmd, 0)
		}
		if err := run(cmd); err != nil {
			return result{}, err
		}
		defer reap(cmd, cancel)
		addrs = append(addrs, "127.0.0.1:"+strconv.Itoa(port))
		pid = cmd.Process.Pid
	}
	time.Sleep(300 * time.Millisecond)
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-load", m.name, "-addr", strings.Join(addrs, ","), "-pid", strconv.Itoa(pid), "-short="+strconv.FormatBool(short))
	if m.pinned {
		cmd = pin(ctx, cmd, 1)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("load: %w", err)
	}
	var r result
	return r, json.Unmarshal(out, &r)
}

func pin(ctx context.Context, cmd *exec.Cmd, cpu int) *exec.Cmd {
	pinned := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(cpu)}, cmd.Args...)...)
	pinned.Dir = cmd.Dir
	return pinned
}

// run starts a server and waits until it says that it is ready.
func run(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	if !bufio.NewScanner(out).Scan() {
		return fmt.Errorf("%s ended at once", cmd.Args[0])
	}
	return nil
}

func reap(cmd *exec.Cmd, cancel func()) {
	cancel()
	_ = cmd.Wait() // it was killed
}

func freePort() int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func output(name string, args ...string) string {
	out, _ := exec.Command(name, args...).Output()
	return string(out)
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
