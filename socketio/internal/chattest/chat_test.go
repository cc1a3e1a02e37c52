package chattest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio/internal/testenv"
)

const examples = "../../../examples"

// program is the chat's server, built by TestMain; empty if its source is missing.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	if _, err := os.Stat(filepath.Join(examples, "chat")); err != nil {
		return m.Run() // the module of the examples is not there
	}
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "chat")
	if out, err := exec.Command("go", "build", "-o", program, examples+"/chat").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// where, person, list and message are parts of the chat's events.
type where struct{ Runtime, Host, Task, Family, Zone string }

type person struct {
	Name   string
	Server where
}

type list struct {
	People  []person
	Partial bool
}

type message struct {
	ID, Text string
	At       time.Time
	From     person
	Server   where
}

// start runs a chat on a free port. It returns its address, and a function that stops it with SIGTERM.
func start(t *testing.T, more map[string]string) (url string, stop func() error) {
	t.Helper()
	if program == "" {
		testenv.Missing(t, "the source of examples/chat")
	}
	port := testenv.FreePort(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "DRAIN_SECONDS=0")
	for k, v := range more {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	end := sync.OnceValue(func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return <-done
	})
	t.Cleanup(func() { _ = end() })
	url = fmt.Sprint("http://127.0.0.1:", port)
	for {
		res, err := http.Get(url + "/socket.io/socket.io.js") // the article's health check
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK || res.Header.Get("Etag") != `"4.8.4"` {
				t.Fatalf("health check: %d, ETag %s", res.StatusCode, res.Header.Get("Etag"))
			}
			return url, end
		}
		select {
		case err := <-done:
			done <- err
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

type client struct {
	*testenv.Node
	id string
}

func (c client) do(v any, what string, more map[string]any) {
	cmd := map[string]any{"do": what, "id": c.id}
	for k, x := range more {
		cmd[k] = x
	}
	c.Ask(v, cmd)
}

// until reads what the client receives up to an event of that name and decodes its argument.
func (c client) until(event string, v any) {
	for {
		var got []json.RawMessage
		c.do(&got, "next", nil)
		if string(got[0]) == `"`+event+`"` {
			if len(got) > 1 {
				_ = json.Unmarshal(got[1], v)
			}
			return
		}
	}
}

func enter(t *testing.T, url, name, transport string) client {
	t.Helper()
	c := client{testenv.StartNode(t, "client.mjs", url), name}
	c.do(nil, "open", map[string]any{
		"options": map[string]any{"transports": []string{transport}, "auth": map[string]string{"name": name}},
	})
	var w struct {
		You    person
		Server where
	}
	c.until("welcome", &w)
	if w.You.Name != name || w.Server.Runtime != "go" || w.Server.Host == "" {
		t.Fatalf("welcome: %+v", w)
	}
	return c
}

// Two servers share one Redis. Their clients see each other and get each other's messages, on both transports.
func TestTwoServersOneChat(t *testing.T) {
	meta := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v4/abc/task" {
			fmt.Fprint(w, `{"TaskARN":"arn:aws:ecs:eu-west-2:123456789012:task/c/0123456789abcdef",`+
				`"Family":"Socket","Revision":"3","AvailabilityZone":"eu-west-2a"}`)
		}
	}))
	defer meta.Close()
	r := testenv.StartRedis(t)
	one, stopOne := start(t, map[string]string{
		"REDIS_ENDPOINT": r.URL(), "ECS_CONTAINER_METADATA_URI_V4": meta.URL + "/v4/abc",
	})
	two, stopTwo := start(t, map[string]string{"REDIS_ENDPOINT": r.URL()})
	ann := enter(t, one, "Ann", "websocket")
	bob := enter(t, two, "Bob", "polling")
	var joined person
	if ann.until("joined", &joined); joined.Name != "Bob" {
		t.Fatal(joined)
	}
	var online list
	bob.do(&online, "ask", map[string]any{"args": []any{"who", nil}})
	at := map[string]string{}
	for _, p := range online.People {
		at[p.Name] = p.Server.Task + p.Server.Family + p.Server.Zone
	}
	if len(at) != 2 || at["Ann"] != "0123456789abcdefSocket:3eu-west-2a" || online.Partial {
		t.Fatalf("%+v", online)
	}
	ann.do(nil, "ask", map[string]any{"args": []any{"message", " hello <b> "}})
	var m message
	if bob.until("message", &m); m.Text != "hello <b>" || m.From.Name != "Ann" || m.Server.Task == "" {
		t.Fatalf("%+v", m)
	}
	for _, stop := range []func() error{stopOne, stopTwo} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// After SIGTERM the server closes connections in a way after which clients reconnect.
func TestLeavesGracefully(t *testing.T) {
	url, stop := start(t, nil)
	c := enter(t, url, "Ann", "websocket")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var reason string
	if c.until("disconnect", &reason); reason != "transport close" {
		t.Fatalf("%q: the client will not come back by itself", reason)
	}
}

func TestLocalChatSurvivesRedis(t *testing.T) {
	r := testenv.StartRedis(t)
	url, stop := start(t, map[string]string{"REDIS_ENDPOINT": r.URL()})
	defer stop()
	ann, bob := enter(t, url, "Ann", "websocket"), enter(t, url, "Bob", "websocket")
	r.Stop()
	reached := true
	if ann.until("redis", &reached); reached {
		t.Fatal("the chat reports that Redis is back")
	}
	ann.do(nil, "ask", map[string]any{"args": []any{"message", "still here"}})
	var m message
	if bob.until("message", &m); m.Text != "still here" {
		t.Fatal(m)
	}
	r.Start(t)
	if ann.until("redis", &reached); !reached {
		t.Fatal("the chat reports that Redis is lost")
	}
}
