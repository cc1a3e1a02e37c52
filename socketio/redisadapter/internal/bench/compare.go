//go:build linux

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
	"slices"
	"strconv"
	"strings"
	"time"
)

// compare runs the measurements and prints their table.
func compare(ctx context.Context, short bool, rounds int, profile string, list []measurement) error {
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is missing")
	}
	fmt.Printf("%s, %s, load %s, medians of %d windows in turn\n", runtime.Version(),
		strings.TrimSpace(output("node", "-v")), loadAverage(), rounds)
	fmt.Printf("%-46s %18s %18s   %s\n", "", "Node.js", "Go", "ratio, lowest to highest")
	for _, m := range list {
		pairs, err := measure(ctx, m, short, rounds, profile)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		report(m, pairs)
	}
	return nil
}

// report prints the lines of a measurement: first the cost, then the rate, and then the others that it has.
func report(m measurement, pairs []pair) {
	unit, gate, faster := "µs CPU", "", ""
	if m.once != nil {
		unit = "B     "
	}
	if m.gate > 0 {
		gate = fmt.Sprintf("  (at most %.2f)", m.gate)
	}
	if m.faster > 0 {
		faster = fmt.Sprintf("  (at least %.0f)", m.faster)
	}
	line(m.what, unit, pairs, gate, func(s sample) float64 { return s.Cost })
	line("", "/s    ", pairs, faster, func(s sample) float64 { return s.Rate })
	if m.latency != "" {
		line("  "+m.latency, "ms    ", pairs, "", func(s sample) float64 { return s.Latency })
	}
	if m.counts {
		allocs := make([]float64, len(pairs))
		for i, p := range pairs {
			allocs[i] = p.Ours.Allocs
		}
		fmt.Printf("%-46s %18s %11.2f\n", "  allocations per operation", "", median(allocs))
	}
}

func line(what, unit string, pairs []pair, gate string, of func(sample) float64) {
	var node, ours, ratios []float64
	for _, p := range pairs {
		node, ours = append(node, of(p.Node)), append(ours, of(p.Ours))
		ratios = append(ratios, of(p.Ours)/of(p.Node))
	}
	spread := ""
	if len(pairs) > 1 {
		spread = fmt.Sprintf("  %.2f to %.2f", slices.Min(ratios), slices.Max(ratios))
	}
	fmt.Printf("%-46s %11.*f %s %11.*f %s   %.2f%s%s\n", what, digits(median(node)), median(node), unit,
		digits(median(ours)), median(ours), unit, median(ratios), spread, gate)
}

func digits(v float64) int {
	if v < 100 {
		return 2
	}
	return 0
}

type starter func(ctx context.Context, port int, opt serverOptions) *exec.Cmd

// serverOptions are the options of a server's process.
type serverOptions struct {
	redis   string // URL; empty if there is only one server
	typed   bool   // handlers decode their arguments; only for our server
	profile string // file for a CPU profile; only for our server
}

func goServer(ctx context.Context, port int, opt serverOptions) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.CommandContext(ctx, self, "-serve", "127.0.0.1:"+strconv.Itoa(port), "-redis", opt.redis,
		"-typed="+strconv.FormatBool(opt.typed), "-profile", opt.profile)
}

func nodeServer(ctx context.Context, port int, opt serverOptions) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", "bench.mjs", strconv.Itoa(port), opt.redis)
	_, file, _, _ := runtime.Caller(0)
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "internal", "testenv", "node")
	return cmd
}

// measure starts the servers of both kinds and then the process that loads them. If m.pinned is set, the servers run on
// one processor and the load on another.
func measure(ctx context.Context, m measurement, short bool, rounds int, profile string) (pairs []pair, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var targets []string
	for _, start := range []starter{nodeServer, goServer} {
		redis := ""
		if m.servers > 1 {
			port := freePort()
			cmd := exec.CommandContext(ctx, "redis-server", "--port", strconv.Itoa(port), "--bind",
				"127.0.0.1", "--save", "", "--appendonly", "no")
			if err := cmd.Start(); err != nil {
				return nil, err
			}
			defer reap(cmd, cancel)
			redis = "redis://127.0.0.1:" + strconv.Itoa(port)
			time.Sleep(300 * time.Millisecond)
		}
		var servers []string
		for range m.servers {
			port := freePort()
			cmd := start(ctx, port, serverOptions{redis: redis, typed: m.typed, profile: profile})
			if m.pinned {
				cmd = pin(ctx, cmd, 0)
			}
			if err := run(cmd); err != nil {
				return nil, err
			}
			defer reap(cmd, cancel)
			servers = append(servers, fmt.Sprintf("127.0.0.1:%d/%d", port, cmd.Process.Pid))
		}
		targets = append(targets, strings.Join(servers, ","))
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-load", m.name, "-targets", strings.Join(targets, ";"), "-rounds",
		strconv.Itoa(rounds), "-short="+strconv.FormatBool(short))
	if m.pinned {
		cmd = pin(ctx, cmd, 1)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return pairs, json.Unmarshal(out, &pairs)
}

func pin(ctx context.Context, cmd *exec.Cmd, cpu int) *exec.Cmd {
	pinned := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(cpu)}, cmd.Args...)...)
	pinned.Dir = cmd.Dir
	return pinned
}

// run starts a server and waits until it prints that it is ready.
func run(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // our server writes its profile
	cmd.WaitDelay = patience
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
	_ = cmd.Wait() // an error is expected: cancel has ended the process
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
