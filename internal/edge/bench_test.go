package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const smallAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world"

// answerAll answers every request on a connection with the same few bytes, as cheaply as it can.
func answerAll(c net.Conn) {
	buf := make([]byte, 4096)
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			n = 0
			if _, err := io.WriteString(c, smallAnswer); err != nil {
				return
			}
		}
	}
}

// load sends n requests over each of several kept connections, and returns how long that took.
func load(b *testing.B, address string, conns, n int) time.Duration {
	request := []byte("GET /path HTTP/1.1\r\nHost: bench.localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	var wg sync.WaitGroup
	began := time.Now()
	for range conns {
		wg.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			br := bufio.NewReader(c)
			for range n {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := skipResponse(br); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

func skipResponse(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			_, err := br.Discard(len("hello, world"))
			return err
		}
	}
}

// haproxy starts HAProxy in front of the target and returns its address and process id.
func haproxy(b *testing.B, target string) (address string, pid int) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			b.Fatal("haproxy is missing (apt-get install haproxy)")
		}
		b.Skip("haproxy is missing (apt-get install haproxy)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	file := filepath.Join(b.TempDir(), "haproxy.cfg")
	config := fmt.Sprintf("global\n maxconn 8000\ndefaults\n mode http\n timeout connect 5s\n"+
		" timeout client 60s\n timeout server 60s\n timeout tunnel 60s\n"+
		" option forwardfor\nfrontend f\n bind %s\n default_backend b\nbackend b\n http-reuse always\n"+
		" server s %s\n", address, target)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, "-db", "-f", file)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address, cmd.Process.Pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatal("haproxy does not listen")
	return "", 0
}

// BenchmarkSmallRequests compares the edge with no proxy and with HAProxy, all over kept
// connections on the loopback. Client, target and proxy share the machine: look at the ratios.
func BenchmarkSmallRequests(b *testing.B) {
	f := newFront(b, func(c *Config) { c.Record = nil })
	target := f.rawServer(answerAll)
	f.target("tg", target)
	f.apply()
	other, _ := haproxy(b, target)
	const conns, n = 16, 500
	var direct, edge, peer time.Duration
	rounds := 0
	for b.Loop() {
		direct += load(b, target, conns, n)
		edge += load(b, f.address(), conns, n)
		peer += load(b, other, conns, n)
		rounds++
	}
	rate := func(d time.Duration) float64 { return float64(rounds*conns*n) / d.Seconds() }
	b.ReportMetric(rate(direct), "direct-req/s")
	b.ReportMetric(rate(edge), "edge-req/s")
	b.ReportMetric(rate(peer), "haproxy-req/s")
	b.ReportMetric(rate(edge)/rate(peer), "edge/haproxy")
}

// BenchmarkOneRequest measures the cost of a request in this process, for edge, client and target together.
func BenchmarkOneRequest(b *testing.B) {
	f := newFront(b, func(c *Config) { c.Record = nil })
	f.target("tg", f.rawServer(answerAll))
	f.apply()
	b.ReportAllocs()
	load(b, f.address(), 1, b.N)
}

// BenchmarkIdleWebSockets compares how much memory an idle relayed WebSocket needs: heap and stacks of the edge,
// resident memory of HAProxy. Client and target have only the sockets.
func BenchmarkIdleWebSockets(b *testing.B) {
	const n = 1000
	f := newFront(b, func(c *Config) { c.Record = nil })
	target, release := idleUpgrades(b)
	defer release()
	f.target("tg", target)
	f.apply()
	other, pid := haproxy(b, target)
	var ours, theirs float64
	for b.Loop() {
		before := inUse()
		closeAll := openUpgrades(b, f.address(), n)
		ours = float64(inUse()-before) / n
		closeAll()
		before = resident(b, pid)
		closeAll = openUpgrades(b, other, n)
		theirs = float64(resident(b, pid)-before) / n
		closeAll()
	}
	b.ReportMetric(ours, "edge-B/ws")
	b.ReportMetric(theirs, "haproxy-B/ws")
	b.ReportMetric(ours/max(theirs, 1), "edge/haproxy")
}

// idleUpgrades is a target that answers upgrades and then does nothing with the connection.
func idleUpgrades(b *testing.B) (address string, release func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	var held []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
			if n, err := c.Read(buf); err == nil && bytes.Contains(buf[:n], []byte("Upgrade")) {
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			} else {
				c.Close() // a probe
			}
		}
	})
	return l.Addr().String(), func() {
		l.Close()
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range held {
			c.Close()
		}
	}
}

func openUpgrades(b *testing.B, address string, n int) (closeAll func()) {
	var conns []net.Conn
	buf := make([]byte, 4096)
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		io.WriteString(c, upgradeRequest+"\r\n")
		if m, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:m], []byte("HTTP/1.1 101")) {
			b.Fatalf("%q %v", buf[:m], err)
		}
		conns = append(conns, c)
	}
	return func() {
		for _, c := range conns {
			c.Close()
		}
	}
}

// inUse returns how much memory Go's heap and stacks use.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func resident(b *testing.B, pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("no /proc to read memory from")
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
