package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// answering is a server that answers a page with one value after another, the last one for ever.
func answering(t *testing.T, page string, values ...any) (dir string) {
	t.Helper()
	dir = t.TempDir()
	d, err := config.Open(dir, defaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_berth/"+page {
			http.Error(w, "there is no service or task \"x\"", http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(values[min(int(n.Add(1)), len(values))-1])
	}))
	t.Cleanup(s.Close)
	if err := d.Remember(config.Address{Listen: strings.TrimPrefix(s.URL, "http://"), Region: defaultRegion}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// That a reason has become older is no news.
func TestAge(t *testing.T) {
	for text, same := range map[string]string{
		"given 1m2s ago": "given  ago", "given 7s ago": "given  ago", "1 of 2 running": "1 of 2 running",
		"task 70e4273be7ea": "task 70e4273be7ea", "i-1:32771": "i-1:32771",
	} {
		if got := age.ReplaceAllString(text, ""); got != same {
			t.Errorf("%q without its age is %q, want %q", text, got, same)
		}
	}
}

// A wait ends as soon as its end is certain, well or badly, and says why.
func TestWait(t *testing.T) {
	service := why.Answer{Kind: "service", Name: "web", Status: "0 of 1 running", Reasons: []why.Reason{{Source: "agent", Text: "It pulls."}}}
	steady, failed, back, task, done, lost := service, service, service, service, service, service
	steady.OK, steady.Status = true, "1 of 1 running"
	newer := service
	newer.DeployedAt = time.Unix(1000, 0)
	older := steady // the rollback of newer, complete before the next look
	older.DeployedAt = time.Unix(500, 0)
	failed.Failed = true
	back.RolledBack = true
	task.Kind, task.Status = "task", "PENDING"
	done.Kind, done.Status, done.ExitCode = "task", "STOPPED", new(3)
	lost.Kind, lost.Status = "task", "STOPPED"
	cluster := func(n int, failure string) status.Report {
		r := status.Report{Clusters: []status.Cluster{{Name: "shop", Instances: []status.Instance{{ID: "x", Status: "ACTIVE", Notice: "the agent is not connected"}}}}, LaunchFailure: failure}
		for range n {
			r.Clusters[0].Instances = append(r.Clusters[0].Instances, status.Instance{Status: "ACTIVE", Connected: true})
		}
		return r
	}
	ok := done
	ok.ExitCode = new(0)
	for name, tt := range map[string]struct {
		args, page string
		values     []any
		code       int
		out, err   string
	}{
		"steady":              {"service web", "explain", []any{service, steady}, 0, "service web: 1 of 1 running\n", "service web: 0 of 1 running; It pulls."},
		"failed":              {"service web", "explain", []any{service, failed}, 1, "", "agent: It pulls.\nberth wait service: service web has failed"},
		"rolled back":         {"service web", "explain", []any{back}, 1, "", "is rolled back"},
		"rolled back at once": {"service web", "explain", []any{newer, older}, 1, "", "service web is rolled back: its deployment has failed"},
		"deployed again":      {"service web", "explain", []any{func() any { a := service; a.DeployedAt = older.DeployedAt; return a }(), newer, func() any { a := newer; a.OK = true; return a }()}, 0, "service web", ""},
		"too late":            {"service web --timeout 1ms", "explain", []any{service}, 1, "", "not within 1ms"},
		"not there":           {"service web", "other", []any{service}, 1, "", "there is no service or task"},
		"a task":              {"service web", "explain", []any{task}, 2, "", "use berth wait task"},
		"task runs":           {"task web", "explain", []any{task, func() any { a := task; a.OK, a.Status = true, "RUNNING"; return a }()}, 0, "task web: RUNNING\n", ""},
		"task stops":          {"task web", "explain", []any{task, done}, 1, "", "task web has stopped"},
		"job fails":           {"task web --stopped", "explain", []any{task, done}, 3, "", "It pulls."},
		"job is done":         {"task web --stopped", "explain", []any{task, ok}, 0, "task web: STOPPED\n", ""},
		"job is lost":         {"task web --stopped", "explain", []any{lost}, 1, "", "task web has stopped"},
		"instances":           {"instances 2 --cluster shop", "status", []any{cluster(1, ""), cluster(2, "")}, 0, "cluster shop: 2 of 2 instances", "1 of 2 instances; instance x is ACTIVE (the agent is not connected)"},
		"no launch":           {"instances 2 --cluster shop", "status", []any{cluster(1, "the image does not exist")}, 1, "", "the image does not exist"},
		"no cluster":          {"instances 2 --cluster other", "status", []any{cluster(1, "")}, 1, "", "there is no cluster other"},
		"no number":           {"instances two", "status", []any{cluster(1, "")}, 2, "", `"two" is not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := answering(t, tt.page, tt.values...)
			out, stderr, code := call(strings.Fields("wait " + tt.args + " --data " + dir)...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(stderr, tt.err) {
				t.Errorf("wait %s = %d, %q %q, want %d, %q, %q", tt.args, code, out, stderr, tt.code, tt.out, tt.err)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	a := why.Answer{Kind: "task", Name: "0123", Cluster: "shop", Status: "STOPPED", Failed: true, Reasons: []why.Reason{
		{Source: "container", Text: "Container app ended with exit code 127 (the command was not found). \x1b[31m " + strings.Repeat("long ", 20), Advice: "Look."}}}
	dir := answering(t, "explain", a)
	out, stderr, code := call("explain", "--data", dir, "0123", "--cluster", "shop")
	if code != 0 || !strings.HasPrefix(out, "task 0123 of cluster shop: STOPPED\n\ncontainer: Container app ended") || !strings.HasSuffix(out, "\n  Look.\n") {
		t.Errorf("explain = %d, %q %q", code, out, stderr)
	}
	for line := range strings.Lines(out) {
		if len(line) > width+1 || strings.Contains(line, "\x1b") {
			t.Errorf("line %q", line)
		}
	}
	out, _, _ = call("explain", "0123", "--json", "--data", dir)
	var back why.Answer
	if err := json.Unmarshal([]byte(out), &back); err != nil || back.Name != "0123" {
		t.Errorf("explain --json = %s, %v", out, err)
	}
}

// Lines come in the order of time, each once, and are told apart by container and task.
func TestLogs(t *testing.T) {
	streams := []status.Stream{{Task: "aaaaaaaaaaaa", Container: "web", Driver: "awslogs", Group: "g", Name: "s1"},
		{Task: "bbbbbbbbbbbb", Container: "web", Driver: "awslogs", Group: "g", Name: "s2"},
		{Task: "bbbbbbbbbbbb", Container: "side", Driver: "json-file", RuntimeID: "0123456789abcdef"}}
	var round atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_berth/streams" {
			all := append([]status.Stream{}, streams...)
			if round.Add(1) > 1 {
				all = all[:1] // the service is one task now, which has stopped
				all[0].Stopped = true
			}
			json.NewEncoder(w).Encode(all)
			return
		}
		var ask struct {
			LogStreamNames []string
			StartTime      int64
		}
		json.NewDecoder(r.Body).Decode(&ask)
		events := `{"events":[{"eventId":"1","timestamp":32503680000000,"message":"one"},{"eventId":"3","timestamp":32503680002000,"message":"three \u001b[2J"}]}`
		if ask.StartTime > 32503680000000 {
			events = strings.Replace(events, `{"eventId":"1","timestamp":32503680000000,"message":"one"},`, "", 1)
		}
		if ask.LogStreamNames[0] == "s2" {
			events = `{"events":[{"eventId":"2","timestamp":32503680001000,"message":"two"}]}`
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Write([]byte(events))
	}))
	defer s.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	out, stderr, code := call("logs", "web", "--follow", "--data", t.TempDir(), "--listen", strings.TrimPrefix(s.URL, "http://"))
	want := "00:00:00.000 web/aaaaaaaa one\n00:00:01.000 web/bbbbbbbb two\n00:00:02.000 web/aaaaaaaa three \\x1b[2J\n"
	if code != 0 || out != want || !strings.Contains(stderr, "container side of task bbbbbbbbbbbb logs with json-file; on its machine: docker logs 0123456789ab\n") {
		t.Errorf("logs = %d, %q %q, want %q", code, out, stderr, want)
	}
}
