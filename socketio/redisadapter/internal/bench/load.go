//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const path = "/socket.io/?EIO=4&transport=websocket"

// patience is how long after a window the last answers may take.
const patience = 30 * time.Second

// load is the client's side of a measurement against one of the two servers.
type load struct {
	addrs []string
	pids  []int
	short bool
	part  float64 // the quantile of the latencies that is reported
	group link.Group
	took  []float64 // latencies of the current window, in ms
	mu    sync.Mutex
}

// window makes traffic for the given time. It returns the number of operations when all of them have been answered.
type window func(time.Duration) (ops int64, err error)

// sample is the result of one window.
type sample struct {
	Rate    float64 `json:"rate"`    // operations per second
	Cost    float64 `json:"cost"`    // microseconds of the server's CPU per operation, or bytes per connection
	Latency float64 `json:"latency"` // the quantile, in ms
	Allocs  float64 `json:"allocs"`  // per operation, only of our server
}

// pair has the results of two windows of the same round.
type pair struct{ Node, Ours sample }

func parseTargets(text string) (both [2]*load, err error) {
	sides := strings.Split(text, ";")
	if len(sides) != len(both) {
		return both, fmt.Errorf("bad -targets %q", text)
	}
	for i, side := range sides {
		l := &load{}
		for t := range strings.SplitSeq(side, ",") {
			addr, pid, _ := strings.Cut(t, "/")
			n, err := strconv.Atoi(pid)
			if err != nil {
				return both, err
			}
			l.addrs, l.pids = append(l.addrs, addr), append(l.pids, n)
		}
		both[i] = l
	}
	return both, nil
}

// runLoad runs a measurement and prints its pairs as JSON.
func runLoad(name, targets string, rounds int, short bool) error {
	debug.SetGCPercent(400)
	both, err := parseTargets(targets)
	if err != nil {
		return err
	}
	for _, l := range both {
		l.short = short
	}
	i := slices.IndexFunc(measurements, func(m measurement) bool { return m.name == name })
	if i < 0 {
		return fmt.Errorf("no measurement %q", name)
	}
	for _, l := range both {
		l.part = cmp.Or(measurements[i].quantile, 0.5)
	}
	pairs, err := alternate(&measurements[i], both, rounds)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(pairs)
}

// alternate runs the windows of both servers in turn. It does not return the first round.
func alternate(m *measurement, both [2]*load, rounds int) ([]pair, error) {
	if m.once != nil {
		var p pair
		var err error
		if p.Node, err = m.once(both[0]); err == nil {
			p.Ours, err = m.once(both[1])
		}
		return []pair{p}, err
	}
	var windows [2]window
	for i, l := range both {
		var err error
		if windows[i], err = m.open(l); err != nil {
			return nil, err
		}
	}
	var pairs []pair
	for round := range rounds + 1 {
		var got [2]sample
		for i := range both {
			side := (i + round) % 2 // each server is the first in every second round
			var err error
			if got[side], err = both[side].measure(windows[side], m.counts && side == 1); err != nil {
				return nil, err
			}
		}
		pairs = append(pairs, pair{got[0], got[1]})
	}
	return pairs[1:], nil
}

// measure runs one window.
func (l *load) measure(w window, allocs bool) (s sample, err error) {
	length := 800 * time.Millisecond
	if l.short {
		length /= 4
	}
	var before, after float64
	if allocs {
		if before, err = l.allocations(); err != nil {
			return s, err
		}
	}
	l.took = nil
	startCPU, err := cpu(l.pids)
	if err != nil {
		return s, err
	}
	start := time.Now()
	n, err := w(length)
	if err != nil {
		return s, err
	}
	took := time.Since(start)
	endCPU, err := cpu(l.pids)
	if err != nil {
		return s, err
	}
	if n == 0 {
		return s, errors.New("nothing came back")
	}
	if allocs {
		if after, err = l.allocations(); err != nil {
			return s, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return sample{
		Rate: float64(n) / took.Seconds(), Cost: float64((endCPU - startCPU).Nanoseconds()) / 1000 / float64(n),
		Latency: quantile(l.took, l.part), Allocs: (after - before) / float64(n),
	}, nil
}

// allocations asks our server how many objects it has allocated so far.
func (l *load) allocations() (float64, error) {
	answer := make(chan string, 1)
	c, err := l.dial(l.addrs[0], func(_ *lean.Client, p []byte) { answer <- string(p) })
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Send(`421["mallocs"]`); err != nil {
		return 0, err
	}
	for {
		select {
		case text := <-answer:
			if text, ok := strings.CutPrefix(text, "431["); ok {
				return strconv.ParseFloat(strings.TrimSuffix(text, "]"), 64)
			}
		case <-time.After(patience):
			return 0, errors.New("the server does not report its allocations")
		}
	}
}

// count returns how many clients to use instead of n.
func (l *load) count(n int) int {
	if l.short {
		n /= 5
	}
	return n
}

// dial connects a client and joins the main namespace. on gets everything that the client receives after that.
func (l *load) dial(addr string, on func(*lean.Client, []byte)) (*lean.Client, error) {
	joined := make(chan struct{})
	var once sync.Once
	c, err := lean.Dial(&l.group, addr, path, func(c *lean.Client, f lean.Frame) {
		switch {
		case f.Op != wsframe.Text:
			once.Do(func() { close(joined) })
		case f.Data[0] == '0':
			_ = c.Send("40")
		case len(f.Data) > 1 && f.Data[1] == '0':
			once.Do(func() { close(joined) })
		case on != nil:
			on(c, f.Data)
		}
	})
	if err != nil {
		return nil, err
	}
	<-joined
	return c, nil
}

// many connects n clients.
func (l *load) many(n int, on func(*lean.Client, []byte)) ([]*lean.Client, error) {
	all := make([]*lean.Client, n)
	errs := make(chan error, 16)
	var next atomic.Int64
	for range cap(errs) {
		go func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c, err := l.dial(l.addrs[i%len(l.addrs)], on)
				if err != nil {
					errs <- err
					return
				}
				all[i] = c
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *load) latency(d time.Duration) {
	l.mu.Lock()
	l.took = append(l.took, float64(d.Microseconds())/1000)
	l.mu.Unlock()
}

func median(v []float64) float64 { return quantile(v, 0.5) }

func quantile(v []float64, part float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[int(float64(len(v))*part)]
}
