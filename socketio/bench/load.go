package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const path = "/socket.io/?EIO=4&transport=websocket"

// load is the client's side of a measurement.
type load struct {
	addrs []string
	pid   int
	short bool
	group link.Group
}

func runLoad(name string, addrs []string, pid int, short bool) error {
	debug.SetGCPercent(400)
	l := &load{addrs: addrs, pid: pid, short: short}
	for _, m := range measurements {
		if m.name != name {
			continue
		}
		r, err := m.run(l)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return fmt.Errorf("no measurement %q", name)
}

func (l *load) seconds(n int) time.Duration {
	if l.short {
		n = max(1, n/3)
	}
	return time.Duration(n) * time.Second
}

func (l *load) count(n int) int {
	if l.short {
		n /= 5
	}
	return n
}

// dial opens and joins; on gets everything after that.
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

// window measures operations and CPU between a warm-up and the end.
func (l *load) window(ops *atomic.Int64, warm, length time.Duration) (result, error) {
	time.Sleep(warm)
	startCPU, err := cpu(l.pid)
	if err != nil {
		return result{}, err
	}
	startOps, start := ops.Load(), time.Now()
	time.Sleep(length)
	n, took := ops.Load()-startOps, time.Since(start)
	endCPU, err := cpu(l.pid)
	if err != nil {
		return result{}, err
	}
	if n == 0 {
		return result{}, fmt.Errorf("nothing came back")
	}
	return result{Rate: float64(n) / took.Seconds(), Cost: float64((endCPU - startCPU).Microseconds()) / float64(n)}, nil
}

func (l *load) connect() (result, error) {
	n := l.count(20000)
	var next, done atomic.Int64
	before, err := cpu(l.pid)
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 64 {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				c, err := l.dial(l.addrs[0], nil)
				if err != nil {
					failed.Store(&err)
					return
				}
				c.Close()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	took := time.Since(start)
	time.Sleep(200 * time.Millisecond)
	after, err := cpu(l.pid)
	return result{Rate: float64(n) / took.Seconds(), Cost: float64((after - before).Microseconds()) / float64(n)}, err
}

// turns keeps inflight requests per client going, each of which is answered by one frame.
func (l *load) turns(clients, inflight int, frame string) (result, error) {
	var ops atomic.Int64
	raw := lean.AppendFrame(nil, wsframe.Text, []byte(frame))
	all, err := l.many(clients, func(c *lean.Client, _ []byte) {
		ops.Add(1)
		_ = c.Raw(raw)
	})
	if err != nil {
		return result{}, err
	}
	for _, c := range all {
		for range inflight {
			if err := c.Raw(raw); err != nil {
				return result{}, err
			}
		}
	}
	return l.window(&ops, l.seconds(2), l.seconds(6))
}

func (l *load) ack() (result, error) {
	return l.turns(200, 1, `421["ack","`+strings.Repeat("x", 32)+`"]`)
}

func (l *load) echo() (result, error) {
	return l.turns(200, 1, `42["echo","`+strings.Repeat("x", 1024)+`"]`)
}

func (l *load) pipe() (result, error) {
	return l.turns(50, 16, `421["ack","`+strings.Repeat("x", 32)+`"]`)
}

func (l *load) fanout() (result, error) { return l.broadcast(l.count(5000), 1) }

func (l *load) fanout8() (result, error) { return l.broadcast(1000, 8) }

// broadcast keeps some broadcasts in flight: when all clients have one, the next is asked for.
func (l *load) broadcast(clients, inflight int) (result, error) {
	raw := lean.AppendFrame(nil, wsframe.Text, []byte(`42["all","`+strings.Repeat("x", 64)+`"]`))
	var ops atomic.Int64
	var mu sync.Mutex
	var first *lean.Client
	var sent time.Time
	var took []float64
	all, err := l.many(clients, func(*lean.Client, []byte) {
		if ops.Add(1)%int64(clients) != 0 {
			return
		}
		mu.Lock()
		took = append(took, float64(time.Since(sent).Microseconds())/1000)
		sent = time.Now()
		mu.Unlock()
		_ = first.Raw(raw)
	})
	if err != nil {
		return result{}, err
	}
	first = all[0]
	sent = time.Now()
	for range inflight {
		if err := first.Raw(raw); err != nil {
			return result{}, err
		}
	}
	r, err := l.window(&ops, l.seconds(2), l.seconds(8))
	if inflight == 1 {
		mu.Lock()
		r.Latency = median(took)
		mu.Unlock()
	}
	return r, err
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// idle is the growth of resident memory by connections that do nothing.
func (l *load) idle() (result, error) {
	before, err := resident(l.pid)
	if err != nil {
		return result{}, err
	}
	n := l.count(10000)
	start := time.Now()
	if _, err := l.many(n, nil); err != nil {
		return result{}, err
	}
	rate := float64(n) / time.Since(start).Seconds()
	time.Sleep(l.seconds(6))
	after, err := resident(l.pid)
	return result{Rate: rate, Cost: float64(after-before) / float64(n), Note: fmt.Sprintf("%d to %d MB", before>>20, after>>20)}, err
}

// cross sends events from a client of the first server and measures when a client of the second has
// them; the CPU is the second server's.
func (l *load) cross() (result, error) {
	var ops atomic.Int64
	var mu sync.Mutex
	var took []float64
	sender, err := l.dial(l.addrs[0], nil)
	if err != nil {
		return result{}, err
	}
	_, err = l.dial(l.addrs[1], func(_ *lean.Client, p []byte) {
		var sent int64
		_, _ = fmt.Sscanf(string(p), `42["all",%d]`, &sent)
		mu.Lock()
		took = append(took, float64(time.Now().UnixMicro()-sent)/1000)
		mu.Unlock()
		ops.Add(1)
	})
	if err != nil {
		return result{}, err
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = sender.Send(fmt.Sprintf(`42["all",%d]`, time.Now().UnixMicro()))
			}
		}
	})
	r, err := l.window(&ops, l.seconds(1), l.seconds(6))
	close(stop)
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	r.Latency = median(took)
	return r, err
}
