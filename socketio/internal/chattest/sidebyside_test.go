package chattest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/socketio/internal/testenv"
)

// The Node.js server of the article and ours share one Redis, and their clients can talk to each other.
func TestSideBySideWithNode(t *testing.T) {
	dir := filepath.Join(examples, "chat-node")
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "socket.io")); err != nil {
		testenv.Missing(t, "node_modules (run npm ci in examples/chat-node)")
	}
	r := testenv.StartRedis(t)
	port := testenv.FreePort(t)
	server := exec.Command(node, "server.js")
	server.Dir = dir
	server.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "REDIS_ENDPOINT="+r.URL(), "DRAIN_SECONDS=0")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	if !bufio.NewScanner(out).Scan() { // it prints a line when it listens
		t.Fatal("the Node.js server has ended")
	}
	url, stop := start(t, map[string]string{"REDIS_ENDPOINT": r.URL()})

	ann := enter(t, url, "Ann", "websocket")
	bob := client{testenv.StartNode(t, "client.mjs", fmt.Sprint("http://127.0.0.1:", port)), "Bob"}
	bob.do(nil, "open", map[string]any{"options": map[string]any{"auth": map[string]string{"name": "Bob"}}})
	var joined person
	if ann.until("joined", &joined); joined.Name != "Bob" || joined.Server.Runtime != "node" {
		t.Fatalf("%+v", joined)
	}
	for _, c := range []client{ann, bob} {
		var online list
		if c.do(&online, "ask", map[string]any{"args": []any{"who", nil}}); len(online.People) != 2 || online.Partial {
			t.Fatalf("%s sees %+v", c.id, online)
		}
	}
	for from, to := range map[client]client{ann: bob, bob: ann} {
		from.do(nil, "ask", map[string]any{"args": []any{"message", "from " + from.id}})
		var m message
		for m.Text != "from "+from.id {
			to.until("message", &m)
		}
		if m.From.Name != from.id || m.ID == "" || m.At.IsZero() {
			t.Fatalf("%+v", m)
		}
	}
	var typing person
	ann.do(nil, "emit", map[string]any{"args": []any{"typing", nil}})
	if bob.until("typing", &typing); typing.Name != "Ann" {
		t.Fatal(typing)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var left person
	if bob.until("left", &left); left.Name != "Ann" {
		t.Fatal(left)
	}
}
