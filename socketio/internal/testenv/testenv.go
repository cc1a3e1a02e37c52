// Package testenv starts real programs for tests: redis-server, Chromium, and Node.js with the official Socket.IO
// packages. If a program is not installed, the test is skipped, or fails if the environment variable BERTH_CI is 1.
package testenv

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// Missing skips the test because a program is not installed, or fails it if BERTH_CI is 1.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing", what)
}

// FreePort returns a port on which nothing listens. It is not one of the ports that the system gives to outgoing
// connections. Such a port could be taken before the test listens on it, or while the test restarts a server, and a
// client that dials it meanwhile may even be connected to itself.
func FreePort(t testing.TB) int {
	t.Helper()
	const from, to = 20_000, 32_768
	var err error
	for range 100 {
		port := from + rand.IntN(to-from)
		var ln net.Listener
		if ln, err = net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal(err)
	return 0
}

// Redis is a redis-server that only one test uses.
type Redis struct {
	Port int
	cmd  *exec.Cmd
	end  chan error // gets the result of cmd.Wait
	dir  string
	more []string // more arguments
	bus  int      // the port of the cluster bus; 0 if there is no cluster
}

// StartRedis starts a server, which is stopped at the end of the test.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		Missing(t, "redis-server")
	}
	r := &Redis{Port: FreePort(t), dir: t.TempDir()}
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// URL returns the redis:// address of the server.
func (r *Redis) URL() string { return "redis://127.0.0.1:" + strconv.Itoa(r.Port) }

// Start starts the server and waits until it accepts connections. It can be called again after Stop.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	args := []string{"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
		"no", "--dir", r.dir}
	r.cmd = exec.Command("redis-server", append(args, r.more...)...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	r.end = end
	cmd := r.cmd
	go func() { end <- cmd.Wait() }()
	for until := time.Now().Add(10 * time.Second); ; {
		select {
		case err := <-end: // so if something listens on the port, it is another program
			end <- err
			t.Fatalf("redis-server has ended: %v", err)
		default:
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.Port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Stop kills the server.
func (r *Redis) Stop() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		<-r.end
		r.cmd = nil
	}
}

// Node is a running Node.js script. It reads commands as lines of JSON and answers each with a line of JSON.
type Node struct {
	t     testing.TB
	in    io.Writer
	out   *bufio.Scanner
	asked []byte // the last command
	kill  func()
}

// answerWithin is how long a script may take for an answer. All time limits of clients are shorter, so a script that
// takes longer waits for something that will not happen.
const answerWithin = 2 * time.Minute

// StartNode runs a script of the node directory beside this file.
func StartNode(t testing.TB, script string, args ...string) *Node {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "node")
	}
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "socket.io")); err != nil {
		Missing(t, "node_modules (run npm ci in socketio/internal/testenv/node)")
	}
	cmd := exec.Command(node, append([]string{script}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // at the end of its input, a script stops the programs that it has started
		dead := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		dead.Stop()
	})
	n := &Node{t: t, in: in, out: bufio.NewScanner(out), kill: func() { _ = cmd.Process.Kill() }}
	n.out.Buffer(nil, 1<<20)
	return n
}

// Ask sends a command and decodes the answer into v, unless v is nil. The test fails if the answer is {"error": text}.
func (n *Node) Ask(v any, command map[string]any) {
	n.t.Helper()
	var err error
	if n.asked, err = json.Marshal(command); err != nil {
		n.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(n.in, "%s\n", n.asked); err != nil {
		n.t.Fatal(err)
	}
	n.Read(v)
}

// Read decodes the script's next line into v, unless v is nil. The test fails if none comes within two minutes.
func (n *Node) Read(v any) {
	n.t.Helper()
	late := time.AfterFunc(answerWithin, n.kill)
	if !n.out.Scan() {
		if !late.Stop() {
			n.t.Fatalf("node has not answered %.200s within %v", n.asked, answerWithin)
		}
		n.t.Fatalf("node has ended: %v", n.out.Err())
	}
	late.Stop()
	var failure struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(n.out.Bytes(), &failure) == nil && failure.Error != "" {
		n.t.Fatalf("node: %s", failure.Error)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(n.out.Bytes(), v); err != nil {
		n.t.Fatalf("node said %s: %v", n.out.Bytes(), err)
	}
}

// Browser is a page in a real Chromium.
type Browser struct{ *Node }

// StartBrowser starts Chromium, which is stopped at the end of the test.
func StartBrowser(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		Missing(t, "chromium")
	}
	b := &Browser{StartNode(t, "browser.mjs", path)}
	b.Read(nil)
	return b
}

// Do sends a command to browser.mjs. more has the names and values of its fields in turn.
func (b *Browser) Do(what string, more ...string) {
	b.t.Helper()
	b.ask(nil, what, more)
}

// Eval runs a script in the page and decodes its result into v.
func (b *Browser) Eval(v any, js string) {
	b.t.Helper()
	b.ask(v, "eval", []string{"js", js})
}

// Texts returns the texts of all elements that match a CSS selector.
func (b *Browser) Texts(selector string) (all []string) {
	b.t.Helper()
	b.ask(&all, "texts", []string{"selector", selector})
	return all
}

func (b *Browser) ask(v any, what string, more []string) {
	b.t.Helper()
	c := map[string]any{"do": what}
	for i := 0; i < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	b.Ask(v, c)
}
