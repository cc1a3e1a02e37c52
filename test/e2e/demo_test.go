package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	printedURL = regexp.MustCompile(`(?m)^ +(http://\S+)$`)
	printedAPI = regexp.MustCompile(`the API is at http://([^,]+),`)
)

// berth demo brings the article's stack up; a person with two browser windows lands on two tasks, which talk through Redis; Ctrl-C removes
// everything.
func TestDemo(t *testing.T) {
	need(t, docker, redis, chromium, nodeJS)
	dir := t.TempDir()
	s := &server{data: filepath.Join(dir, "data"), region: "us-east-1", client: http.DefaultClient, instances: map[string]bool{}}
	s.process = spawn(t, filepath.Join(dir, "demo.log"), "demo", "--listen", "127.0.0.1:0", "--data", s.data)
	t.Cleanup(s.process.kill)
	until(t, 90*time.Second, "the demo prints its URLs", func() string {
		if s.process.ended() || strings.Contains(s.process.output(), "Ctrl-C ends") {
			return ""
		}
		return "it says: " + tail(s.process.output(), 1)
	})
	told := s.process.output()
	api, urls := printedAPI.FindStringSubmatch(told), printedURL.FindAllStringSubmatch(told, -1)
	if len(api) != 2 || len(urls) != 2 {
		t.Fatalf("the demo says (it has ended: %v):\n%s", s.process.ended(), told)
	}
	s.addr = api[1]
	s.see()
	if len(s.instances) != 2 {
		t.Errorf("%d instances run, want 2", len(s.instances))
	}

	chatInBrowser(t, urls[0][1], urls[1][1])

	s.process.stop(t, syscall.SIGINT)
	s.leftovers().none(t)
	if _, err := os.Stat(s.data); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
}

// chatInBrowser opens the chat in two windows, and lets each say something to the other.
func chatInBrowser(t *testing.T, urls ...string) {
	t.Helper()
	args := append([]string{"js/chat.mjs"}, urls...)
	if os.Getenv("BERTH_SCREENSHOT") != "" {
		args = append(args, "../../docs/chat.png")
	}
	out := runNode(t, args...)
	var windows []struct {
		Task, Zone, Transport string
		Saw                   []string // messages of the other
	}
	if err := json.Unmarshal(out, &windows); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a, b := windows[0], windows[1]
	if a.Task == "" || a.Task == b.Task || a.Zone == b.Zone {
		t.Errorf("the windows are on task %q in %q and task %q in %q, want two tasks in two zones", a.Task, a.Zone, b.Task, b.Zone)
	}
	if a.Transport != "websocket" || b.Transport != "websocket" {
		t.Errorf("transports are %s and %s, want websocket", a.Transport, b.Transport)
	}
	for i, w := range windows {
		if len(w.Saw) == 0 {
			t.Errorf("window %d read nothing of the other", i)
		}
	}
}

// runNode runs a script of this directory and returns what it prints.
func runNode(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return out
}

// The demo leaves everything running when it is asked to, and the command it names goes on with it: here with an address for each task.
func TestDemoKeepsWhatAServerGoesOnWith(t *testing.T) {
	need(t, docker, redis)
	dir := t.TempDir()
	s := &server{data: filepath.Join(dir, "data"), region: "us-east-1", client: http.DefaultClient, instances: map[string]bool{}}
	s.process = spawn(t, filepath.Join(dir, "demo.log"), "demo", "--once", "--keep", "--network", "awsvpc", "--tasks", "3", "--listen", "127.0.0.1:0", "--data", s.data)
	t.Cleanup(s.process.kill)
	until(t, 90*time.Second, "the demo ends", func() string {
		if s.process.ended() {
			return ""
		}
		return "it says: " + tail(s.process.output(), 1)
	})
	told := s.process.output()
	_, goOn, ok := strings.Cut(told, "Go on with: berth ")
	if !ok || s.process.cmd.ProcessState.ExitCode() != 0 {
		t.Fatalf("the demo says:\n%s", told)
	}
	s.addr = printedAPI.FindStringSubmatch(told)[1]

	s.process = spawn(t, filepath.Join(dir, "server.log"), strings.Fields(goOn)...)
	t.Cleanup(func() { s.end(t) })
	s.ready(t)
	url := "http://127.0.0.1"
	until(t, 20*time.Second, "the load balancer answers", func() string {
		if lbs := s.status(t).LoadBalancers; len(lbs) == 1 && lbs[0].Listeners[0].URL != "" {
			url = lbs[0].Listeners[0].URL
		}
		a, err := fetch(url)
		if err != nil {
			return err.Error()
		}
		if a.status != http.StatusOK {
			return fmt.Sprint(a.status)
		}
		return ""
	})
	clusters := s.status(t).Clusters
	if len(clusters) != 1 || len(clusters[0].Services) != 1 || clusters[0].Services[0].Running != 3 {
		t.Fatalf("status is %+v", clusters)
	}
	for _, x := range clusters[0].Services[0].Tasks {
		if a := get(t, "http://"+x.Address+":3000/socket.io/socket.io.js"); a.status != http.StatusOK {
			t.Errorf("%s answers %d", x.Address, a.status)
		}
	}
}
