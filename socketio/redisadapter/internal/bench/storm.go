//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// perServer returns how many clients one process can have within its limit of open files.
func perServer() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(limit.Cur) - 200, nil // Go has raised the soft limit to the hard one
}

// child is a process with a server or with clients. It gets commands and answers them as lines of text.
type child struct {
	cmd  *exec.Cmd
	in   io.Writer
	out  *bufio.Scanner
	addr string
}

func spawn(cmd *exec.Cmd) (*child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	return &child{cmd: cmd, in: in, out: bufio.NewScanner(out)}, cmd.Start()
}

func (c *child) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return "", err
	}
	if !c.out.Scan() {
		return "", fmt.Errorf("%s has ended", c.cmd.Args[0])
	}
	return c.out.Text(), nil
}

func (c *child) state(line string) (s poolState, err error) {
	text, err := c.ask(line)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// storm has servers, each with its clients, and makes all clients reconnect at once.
type storm struct {
	ctx     context.Context
	start   starter
	servers []*child
	pools   []*child // the clients of each server
	each    int      // clients of a server
	witness *witness // of the first server
}

const (
	stormDrain = 10 * time.Second       // how long servers take to drain
	stormLimit = 3 * time.Minute        // within which all clients must be back
	stormPoll  = 100 * time.Millisecond // between two looks at the state
)

// runStorm ends the servers of n clients, first by killing them and then gracefully, and measures how the clients
// reconnect. It uses as many servers as the limit of open files requires.
func runStorm(ctx context.Context, n int) error {
	most, err := perServer()
	if err != nil {
		return err
	}
	k := (n + most - 1) / most
	fmt.Printf("%d clients on %d server(s), load %s\n", n, k, loadAverage())
	for _, side := range []struct {
		name  string
		start starter
	}{{"Node.js", nodeServer}, {"Go", goServer}} {
		s := &storm{ctx: ctx, start: side.start, each: n / k}
		err := s.run(side.name, k)
		s.end()
		if err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
	}
	return nil
}

func (s *storm) end() {
	for _, c := range append(s.servers, s.pools...) {
		c.kill()
	}
}

func (s *storm) run(name string, k int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for i := range k {
		srv, err := s.serve(freePort())
		if err != nil {
			return err
		}
		s.servers = append(s.servers, srv)
		pool, err := spawn(exec.CommandContext(s.ctx, self, "-clients", strconv.Itoa(s.each), "-addr",
			srv.addr, "-from", strconv.Itoa(i)))
		if err != nil {
			return err
		}
		s.pools = append(s.pools, pool)
	}
	s.witness = &witness{addr: s.servers[0].addr}
	go s.witness.run()
	if _, err := s.all(time.Now(), 0); err != nil {
		return err
	}
	fmt.Printf("%s\n", name)
	if err := s.storm("killed", (*storm).killAll); err != nil {
		return err
	}
	if name != "Go" {
		return nil
	}
	if err := s.verify(); err != nil {
		return err
	}
	if err := s.storm(fmt.Sprintf("drained over %v", stormDrain), (*storm).drainAll); err != nil {
		return err
	}
	return s.verify()
}

// serve starts a server on 127.0.0.1 and waits until it is ready.
func (s *storm) serve(port int) (*child, error) {
	c, err := spawn(s.start(s.ctx, port, serverOptions{}))
	if err != nil {
		return nil, err
	}
	if !c.out.Scan() {
		return nil, fmt.Errorf("%s ended at once", c.cmd.Args[0])
	}
	c.addr = "127.0.0.1:" + strconv.Itoa(port)
	return c, nil
}

func portOf(addr string) int {
	port, _ := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:]) // cannot fail: serve has made the address
	return port
}

// killAll kills the servers and starts new ones on the same ports.
func (s *storm) killAll() error {
	for _, c := range s.servers {
		c.kill()
	}
	return s.replace()
}

// replace starts a new server on the port of each server.
func (s *storm) replace() error {
	for i, old := range s.servers {
		c, err := s.serve(portOf(old.addr))
		if err != nil {
			return err
		}
		s.servers[i] = c
	}
	return nil
}

// drainAll has the servers stop listening, starts new ones on the same ports, and then drains the old ones.
func (s *storm) drainAll() error {
	old := append([]*child(nil), s.servers...)
	for _, c := range old {
		if _, err := fmt.Fprintln(c.in, "leave"); err != nil {
			return err
		}
	}
	time.Sleep(100 * time.Millisecond) // until the ports are free
	if err := s.replace(); err != nil {
		return err
	}
	for _, c := range old {
		if _, err := fmt.Fprintln(c.in, "drain", stormDrain); err != nil {
			return err
		}
	}
	return nil
}

// storm calls end, which ends the servers, and measures until all clients are back.
func (s *storm) storm(name string, end func(*storm) error) error {
	before, err := s.total("state")
	if err != nil {
		return err
	}
	s.witness.take()
	start := time.Now()
	if err := end(s); err != nil {
		return err
	}
	fastest, err := s.all(start, before.Joins+int64(s.each*len(s.pools)))
	if err != nil {
		return err
	}
	took := time.Since(start)
	trips := s.witness.take()
	after, err := s.total("state")
	if err != nil {
		return err
	}
	fmt.Printf("  %-20s all back after %5.1f s, at most %5.0f joins/s; %d attempts failed, %d joins for %d clients\n",
		name, took.Seconds(), fastest, after.Failures-before.Failures, after.Joins-before.Joins, s.each*len(s.pools))
	fmt.Printf("  %-20s a witness's round trip meanwhile: %.1f ms p50, %.1f ms p99, %.1f ms at most (%d)\n",
		"", percentile(trips, 50), percentile(trips, 99), percentile(trips, 100), len(trips))
	for _, c := range s.servers {
		used, err := cpu([]int{c.cmd.Process.Pid})
		if err != nil {
			return err
		}
		now, most, err := memory(c.cmd.Process.Pid)
		if err != nil {
			return err
		}
		fmt.Printf("  %-20s server: %4.1f s of CPU, %3.0f µs a client; %d MB, at most %d MB\n", "",
			used.Seconds(), float64(used.Microseconds())/float64(s.each), now>>20, most>>20)
	}
	return nil
}

// percentile returns the p-th percentile of v, which it sorts.
func percentile(v []float64, p int) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[(len(v)-1)*p/100]
}

// all waits until clients have joined that many times in total and all clients are joined. It returns the highest
// number of joins per second that it has seen.
func (s *storm) all(start time.Time, joins int64) (fastest float64, err error) {
	last, at := int64(-1), time.Now()
	for time.Since(start) < stormLimit {
		now, err := s.total("state")
		if err != nil {
			return 0, err
		}
		if took := time.Since(at).Seconds(); last >= 0 && took >= 0.9 {
			fastest = max(fastest, float64(now.Joins-last)/took)
			last, at = now.Joins, time.Now()
		} else if last < 0 {
			last = now.Joins
		}
		if now.Joins >= joins && now.In == int64(s.each*len(s.pools)) {
			return fastest, nil
		}
		select {
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		case <-time.After(stormPoll):
		}
	}
	return 0, fmt.Errorf("not all clients are back after %v", stormLimit)
}

func (s *storm) total(line string) (sum poolState, err error) {
	for _, c := range s.pools {
		one, err := c.state(line)
		if err != nil {
			return sum, err
		}
		sum.In += one.In
		sum.Joins += one.Joins
		sum.Failures += one.Failures
		sum.Once += one.Once
		sum.More += one.More
	}
	return sum, nil
}

// verify checks that the servers have each client once. It asks them for their number of clients, and broadcasts an
// event, which a client that is connected twice would get twice.
func (s *storm) verify() error {
	if _, err := s.total("roll"); err != nil {
		return err
	}
	have := -1 // do not count the witness
	for _, c := range s.servers {
		text, err := c.ask("count")
		if err != nil {
			return err
		}
		var clients, sockets int
		if _, err := fmt.Sscan(text, &clients, &sockets); err != nil {
			return err
		}
		have += sockets
		if clients != sockets {
			return fmt.Errorf("%d clients, but %d sockets", clients, sockets)
		}
		if _, err := fmt.Fprintln(c.in, "roll"); err != nil {
			return err
		}
	}
	var sum poolState
	for range 100 {
		var err error
		if sum, err = s.total("state"); err != nil || sum.Once+sum.More == have {
			break
		}
		time.Sleep(stormPoll)
	}
	fmt.Printf("  the servers have %d sockets; a broadcast came to %d clients once, to %d more than once\n",
		have, sum.Once, sum.More)
	if want := s.each * len(s.pools); have != want || sum.Once != want || sum.More != 0 {
		return fmt.Errorf("want %d", want)
	}
	return nil
}
