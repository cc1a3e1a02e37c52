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

// answering is a server that answers each request for a page with the next value, and after the last one always with
// that.
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
	if err := d.Remember(config.Address{
		Listen: strings.TrimPrefix(s.URL, "http://"), Region: defaultRegion,
	}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A reason that has only become older is not printed again.
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

// A wait ends as soon as success or failure is certain, and says why.
func TestWait(t *testing.T) {
	service := why.Answer{Kind: "service", Name: "web", Status: "0 of 1 running",
		Reasons: []why.Reason{{Source: "agent", Text: "It pulls."}}}
	steady, failed, back, task, done, lost := service, service, service, service, service, service
	steady.OK, steady.Status = true, "1 of 1 running"
	failed.Failed = true
	unproven := steady
	unproven.ProvenAt = time.Now().Add(time.Minute)
	back.Latest, back.RolledBack = &why.Latest{TaskDefinition: "web:2"}, true
	// of returns an answer about a service that runs one definition and whose last update named another.
	of := func(runs, asked string, edit func(*why.Answer)) why.Answer {
		a := service
		a.TaskDefinition, a.Latest = runs, &why.Latest{TaskDefinition: asked}
		edit(&a)
		return a
	}
	rollout := of("web:2", "web:2", func(*why.Answer) {})
	runs2 := of("web:2", "web:2", func(a *why.Answer) { a.OK, a.Steady = true, true })
	rolledBack := of("web:1", "web:2", func(a *why.Answer) {
		a.Steady, a.Failed, a.RolledBack, a.Latest.FinishedAt = true, true, true, time.Unix(500, 0)
	})
	goesBack := of("web:1", "web:2", func(a *why.Answer) { a.Failed, a.RolledBack = true, true })
	next := of("web:3", "web:3", func(*why.Answer) {})
	task.Kind, task.Status = "task", "PENDING"
	done.Kind, done.Status, done.ExitCode = "task", "STOPPED", new(3)
	lost.Kind, lost.Status = "task", "STOPPED"
	cluster := func(n int, failure string) status.Report {
		r := status.Report{Clusters: []status.Cluster{{Name: "shop", Instances: []status.Instance{
			{ID: "x", Status: "ACTIVE", Notice: "the agent is not connected"},
		}}}, LaunchFailure: failure}
		for range n {
			r.Clusters[0].Instances = append(r.Clusters[0].Instances,
				status.Instance{Status: "ACTIVE", Connected: true})
		}
		return r
	}
	refused := status.Report{Clusters: []status.Cluster{{Name: "shop", Instances: []status.Instance{
		{ID: "x", Status: "ACTIVE", Connected: true, Failed: true,
			Notice: "the container runtime does not work: Docker refuses user nobody"},
	}}}}
	elsewhere := cluster(1, "")
	elsewhere.Clusters = append(elsewhere.Clusters, status.Cluster{Name: "default", Instances: []status.Instance{{}}})
	endless := cluster(1, "")
	endless.Clusters[0].AgentFailure = "instance i-1: the agent exited with code 1"
	endlessElsewhere := cluster(1, "")
	endlessElsewhere.AgentFailure = "instance i-2: the agent exited with code 1"
	ok := done
	ok.ExitCode = new(0)
	for name, tt := range map[string]struct {
		args, page string
		values     []any
		code       int
		out, err   string
	}{
		"steady": {"service web", "explain", []any{service, steady}, 0, "service web: 1 of 1 running\n",
			"service web: 0 of 1 running; It pulls."},
		"failed": {"service web", "explain", []any{service, failed}, 1, "",
			"agent: It pulls.\nberth wait service: service web has failed"},
		"nothing checks it": {"service web", "explain", []any{unproven, failed}, 1, "",
			"service web: 1 of 1 running; nothing checks its tasks, so this waits until they have run for 40s"},
		"proven": {"service web", "explain", []any{unproven, steady}, 0, "service web: 1 of 1 running\n",
			"(--at-once"},
		"at once":     {"service web --at-once", "explain", []any{unproven}, 0, "service web: 1 of 1 running\n", ""},
		"rolled back": {"service web", "explain", []any{back}, 1, "", "is rolled back"},
		"rolled back at once": {"service web", "explain", []any{rollout, rolledBack}, 1, "",
			"agent: It pulls.\nberth wait service: service web was rolled back: its deployment of web:2 failed"},
		"rolled back before": {"service web", "explain", []any{rolledBack}, 1, "", "was rolled back"},
		"deployed again":     {"service web", "explain", []any{rollout, next, runs2}, 0, "service web", ""},
		"the revision is steady": {
			"service web --task-definition web:2", "explain", []any{rollout, runs2}, 0, "service web", "",
		},
		"by its ARN": {"service web --task-definition arn:aws:ecs:us-east-1:123456789012:task-definition/web:2",
			"explain", []any{rollout, runs2}, 0, "service web", ""},
		"the revision is rolled back": {"service web --task-definition web:2", "explain",
			[]any{rollout, goesBack}, 1, "",
			"is rolled back: its deployment of web:2 has failed"},
		"rolled back to the revision": {"service web --task-definition web:1", "explain",
			[]any{goesBack, rolledBack}, 0,
			"service web", "it is on its way back to web:1"},
		"not yet the revision": {"service web --task-definition web:2", "explain", []any{next, rollout, runs2}, 0,
			"service web", "it was last asked to run web:3, not web:2"},
		"another revision": {"service web --task-definition web:2", "explain", []any{rollout, next}, 1, "",
			"was asked to run web:3 before it was steady with web:2"},
		"no revision": {"service web --task-definition web", "explain", []any{rollout}, 2, "", "name one revision"},
		"too late":    {"service web --timeout 1ms", "explain", []any{service}, 1, "", "not within 1ms"},
		"not there":   {"service web", "other", []any{service}, 1, "", "there is no service or task"},
		"a task":      {"service web", "explain", []any{task}, 2, "", "use berth wait task"},
		"task runs": {"task web", "explain", []any{
			task, func() any { a := task; a.OK, a.Status = true, "RUNNING"; return a }(),
		}, 0, "task web: RUNNING\n", ""},
		"task stops":  {"task web", "explain", []any{task, done}, 1, "", "task web has stopped"},
		"job fails":   {"task web --stopped", "explain", []any{task, done}, 3, "", "It pulls."},
		"job is done": {"task web --stopped", "explain", []any{task, ok}, 0, "task web: STOPPED\n", ""},
		"job is lost": {"task web --stopped", "explain", []any{lost}, 1, "", "task web has stopped"},
		"instances": {"instances 2 --cluster shop",
			"status", []any{cluster(1, ""), cluster(2, "")}, 0, "cluster shop: 2 of 2 instances",
			"1 of 2 instances; instance x is ACTIVE (the agent is not connected)"},
		"no launch": {"instances 2 --cluster shop", "status", []any{cluster(1, "the image does not exist")},
			1, "", "the image does not exist"},
		"no Docker": {"instances 1 --cluster shop", "status", []any{refused}, 1, "",
			"0 of 1 instances; instance x is ACTIVE (the container runtime does not work: Docker refuses user nobody)"},
		"another cluster": {"instances 2 --cluster shop", "status", []any{elsewhere, cluster(2, "")}, 0,
			"cluster shop: 2 of 2 instances", "1 in cluster default, which instances join"},
		"no agent": {"instances 2 --cluster shop", "status", []any{cluster(1, ""), endless}, 1, "",
			"instance i-1: the agent exited with code 1"},
		"no agent of another cluster": {"instances 2 --cluster shop", "status",
			[]any{endlessElsewhere, cluster(2, "")}, 0, "cluster shop: 2 of 2 instances", ""},
		"no cluster": {
			"instances 2 --cluster other", "status", []any{cluster(1, "")}, 1, "", "there is no cluster other",
		},
		"no number": {"instances two", "status", []any{cluster(1, "")}, 2, "", `"two" is not a number`},
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
		{Source: "container", Text: "Container app ended with exit code 127 (the command was not " +
			"found). \x1b[31m " + strings.Repeat("long ", 20), Advice: "Look."}}}
	dir := answering(t, "explain", a)
	out, stderr, code := call("explain", "--data", dir, "0123", "--cluster", "shop")
	if code != 0 || !strings.HasPrefix(out, "task 0123 of cluster shop: STOPPED\n\n"+
		"container: Container app ended") || !strings.HasSuffix(out, "\n  Look.\n") {
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

// With --json a wait prints the last answer, however it ends, and nothing else on standard output.
func TestWaitPrintsJSON(t *testing.T) {
	a := why.Answer{Kind: "service", Name: "web", Status: "0 of 1 running",
		Reasons: []why.Reason{{Source: "agent", Text: "It pulls."}}}
	steady, failed := a, a
	steady.OK, failed.Failed = true, true
	for name, tt := range map[string]struct {
		args   string
		values []any
		code   int
	}{
		"steady":   {"service web", []any{a, steady}, 0},
		"failed":   {"service web", []any{a, failed}, 1},
		"too late": {"service web --timeout 300ms", []any{a}, 1},
	} {
		dir := answering(t, "explain", tt.values...)
		out, stderr, code := call(strings.Fields("wait " + tt.args + " --json --data " + dir)...)
		var back, want why.Answer
		want = tt.values[len(tt.values)-1].(why.Answer)
		if err := json.Unmarshal([]byte(out), &back); err != nil || code != tt.code || back.OK != want.OK ||
			back.Failed != want.Failed {
			t.Errorf("%s = %d, %q %q, %v", name, code, out, stderr, err)
		}
	}
	dir := answering(t, "status", status.Report{Clusters: []status.Cluster{
		{Name: "shop", Instances: []status.Instance{{ID: "x", Status: "ACTIVE"}}},
	}, LaunchFailure: "no image"})
	out, _, code := call("wait", "instances", "1", "--cluster", "shop", "--json", "--data", dir)
	var back instancesSeen
	if err := json.Unmarshal([]byte(out), &back); err != nil || code != 1 || back.Wanted != 1 ||
		len(back.Waiting) != 1 || back.LaunchFailure != "no image" {
		t.Errorf("wait instances = %d, %q, %v", code, out, err)
	}
}

// For a task that never ran, berth logs prints the reasons on standard error and fails. With --follow it prints what
// it waits for, until the task has stopped.
func TestLogsOfWhatNeverRan(t *testing.T) {
	waits := why.Answer{Kind: "task", Name: "0123", Cluster: "shop", Status: "PENDING",
		Reasons: []why.Reason{{Source: "agent", Text: "The agent has been pulling image far:1 for 7s."}}}
	broken := why.Answer{Kind: "task", Name: "0123", Cluster: "shop", Status: "STOPPED", Failed: true,
		Reasons: []why.Reason{
			{Source: "agent", Text: "The task could not start: CannotPullContainerError: not found \x1b[2J."},
		}}
	pending := status.Stream{Task: "0123", Container: "app", Driver: "awslogs", Group: "g", Name: "s"}
	stopped, quiet := pending, pending
	stopped.Stopped = true
	quiet.Ran = true
	for name, tt := range map[string]struct {
		args    string
		streams [][]status.Stream
		answers []why.Answer
		code    int
		stderr  []string
	}{
		"never ran": {"", [][]status.Stream{{stopped}}, []why.Answer{broken}, 1,
			[]string{"agent: The task could not start: CannotPullContainerError: not found",
				"no container of task 0123 has ever run"}},
		"waits": {"", [][]status.Stream{{pending}}, []why.Answer{waits}, 1,
			[]string{"pulling image far:1", "no container of task 0123 has ever run"}},
		"followed": {"--follow", [][]status.Stream{{pending}, {pending}, {stopped}},
			[]why.Answer{waits, waits, broken}, 1,
			[]string{"waiting for task 0123: PENDING; The agent has been pulling image far:1 for 7s.\n",
				"CannotPullContainerError", "has ever run"}},
		"no tasks": {"", [][]status.Stream{{}}, []why.Answer{waits}, 1, []string{"has ever run"}},
		"quiet": {"", [][]status.Stream{{quiet}}, []why.Answer{waits}, 0,
			[]string{"has written nothing to its logs within the last 1h0m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var rounds, asks atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/_berth/streams":
					json.NewEncoder(w).Encode(tt.streams[min(int(rounds.Add(1)), len(tt.streams))-1])
				case "/_berth/explain":
					json.NewEncoder(w).Encode(tt.answers[min(int(asks.Add(1)), len(tt.answers))-1])
				default:
					w.Header().Set("Content-Type", "application/x-amz-json-1.1")
					w.WriteHeader(http.StatusBadRequest)
					w.Write([]byte(`{"__type":"ResourceNotFoundException","message":"The specified log ` +
						`group does not exist."}`))
				}
			}))
			defer s.Close()
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			args := append([]string{
				"logs", "0123", "--data", t.TempDir(), "--listen", strings.TrimPrefix(s.URL, "http://"),
			}, strings.Fields(tt.args)...)
			out, stderr, code := call(args...)
			if code != tt.code || out != "" || strings.Contains(stderr, "\x1b") {
				t.Errorf("logs = %d, %q %q", code, out, stderr)
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("logs says %q, want %q", stderr, want)
				}
			}
		})
	}
}

// Lines are printed in the order of their times, once each, with the names of container and task where needed.
func TestLogs(t *testing.T) {
	streams := []status.Stream{{
		Task: "aaaaaaaaaaaa", Container: "web", Driver: "awslogs", Group: "g", Name: "s1", Ran: true,
	},
		{Task: "bbbbbbbbbbbb", Container: "web", Driver: "awslogs", Group: "g", Name: "s2", Ran: true},
		{Task: "bbbbbbbbbbbb", Container: "side", Driver: "json-file", RuntimeID: "0123456789abcdef", Ran: true}}
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
		events := `{"events":[{"eventId":"1","timestamp":32503680000000,"message":"one"},{"eventId":"3",` +
			`"timestamp":32503680002000,"message":"three \u001b[2J"}]}`
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
	out, stderr, code := call("logs", "web", "--follow", "--data", t.TempDir(), "--listen",
		strings.TrimPrefix(s.URL, "http://"))
	want := "00:00:00.000 web/aaaaaaaa one\n00:00:01.000 web/bbbbbbbb two\n00:00:02.000 web/aaaaaaaa three \\x1b[2J\n"
	if code != 0 || out != want || !strings.Contains(stderr,
		"container side of task bbbbbbbbbbbb logs with json-file; on its machine: docker logs 0123456789ab\n") {
		t.Errorf("logs = %d, %q %q, want %q", code, out, stderr, want)
	}
}
