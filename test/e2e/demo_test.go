package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// printedURL matches the address that berth demo prints for the browser.
var printedURL = regexp.MustCompile(`(?m)^ +(http://\S+)$`)

// berth demo creates the article's stack. Two browser windows reach two tasks, which exchange messages through Redis.
// Ctrl-C removes everything.
func TestDemo(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), redis, chromium, nodeJS)
	s := harness.Demo(t)
	urls := printedURL.FindAllStringSubmatch(s.Log(), -1)
	if len(urls) != 2 {
		t.Fatalf("the demo says:\n%s", s.Log())
	}
	if ids := s.Ask(t, "ec2", "DescribeInstances", form{}).All("instanceId"); len(ids) != 2 {
		t.Errorf("the instances are %v, want two", ids)
	}

	chatInBrowser(t, urls[0][1], urls[1][1])

	s.Interrupt(t)
	s.Leftovers().None(t)
	if _, err := os.Stat(s.Data); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
}

// chatInBrowser opens the chat in two windows, and sends a message from each to the other.
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
		t.Errorf("the windows are on task %q in %q and task %q in %q, want two tasks in two zones", a.Task,
			a.Zone, b.Task, b.Zone)
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
func runNode(t *testing.T, args ...string) []byte { t.Helper(); return runNodeOn(t, nil, args...) }

// runNodeOn is runNode with a standard input.
func runNodeOn(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Stdin = bytes.NewReader(in)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return out
}

// nodeProcess is a Node.js program that runs until its standard input ends, and then prints JSON.
type nodeProcess struct {
	cmd              *exec.Cmd
	in               io.Closer
	told, complaints bytes.Buffer
}

func startNode(t *testing.T, args ...string) *nodeProcess {
	t.Helper()
	p := &nodeProcess{cmd: exec.CommandContext(t.Context(), "node", args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.told, &p.complaints
	in, err := p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	return p
}

// end ends the program and reads what it prints.
func (p *nodeProcess) end(t *testing.T, out any) {
	t.Helper()
	err := errors.Join(p.in.Close(), p.cmd.Wait())
	if err == nil {
		err = json.Unmarshal(p.told.Bytes(), out)
	}
	if err != nil {
		t.Fatalf("node %s: %v\n%s%s", strings.Join(p.cmd.Args, " "), err, p.told.String(), p.complaints.String())
	}
}

// With the option to keep it, the demo leaves everything running, and the command that it prints goes on serving it.
// In this test each task has an address of its own.
func TestDemoKeepsWhatAServerGoesOnWith(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), redis)
	s := harness.Demo(t, "--once", "--keep", "--network", "awsvpc", "--tasks", "3")
	s.Await(t)
	_, goOn, ok := strings.Cut(s.Log(), "Go on with: berth ")
	if !ok {
		t.Fatalf("the demo says:\n%s", s.Log())
	}
	s.GoOn(t, strings.Fields(goOn)...)
	url := "http://127.0.0.1"
	harness.Until(t, 20*time.Second, "the load balancer answers", func() string {
		if lbs := s.Status(t).LoadBalancers; len(lbs) == 1 && lbs[0].Listeners[0].URL != "" {
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
	clusters := s.Status(t).Clusters
	if len(clusters) != 1 || len(clusters[0].Services) != 1 || clusters[0].Services[0].Running != 3 {
		t.Fatalf("status is %+v", clusters)
	}
	for _, x := range clusters[0].Services[0].Tasks {
		if a := get(t, "http://"+x.Address+":3000/socket.io/socket.io.js"); a.status != http.StatusOK {
			t.Errorf("%s answers %d", x.Address, a.status)
		}
	}
}
