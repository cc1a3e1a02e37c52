package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/berthhq/berth/internal/golden"
	"github.com/berthhq/berth/internal/status"
)

// berth status prints a system that has one of everything in readable form.
func TestStatusPrintsEverything(t *testing.T) {
	var b strings.Builder
	printStatus(&b, status.Report{
		Region: "eu-west-2",
		Clusters: []status.Cluster{
			{
				Name: "chat",
				Instances: []status.Instance{
					{EC2InstanceID: "i-0123456789abcdef0", Zone: "eu-west-2a", Address: "127.0.1.2",
						Status: "ACTIVE", Connected: true, Running: 2, Pending: 1, FreeCPU: 1024, CPU: 2048,
						FreeMemory: 3000, Memory: 3906},
					{ID: "0123456789abcdef0123456789abcdef", Zone: "eu-west-2b", Address: "127.0.1.3",
						Status: "DRAINING", FreeCPU: 2048, CPU: 2048, FreeMemory: 3906, Memory: 3906,
						Notice: "the agent is not connected"},
				},
				Services: []status.Service{
					{Name: "web", Status: "ACTIVE", TaskDefinition: "web:2", Rollout: "IN_PROGRESS",
						Desired: 2, Running: 1, Pending: 1, LastEvent: "(service web) has started 1 tasks.",
						LastFailure: "CannotPullContainerError: no such image", Tasks: []status.Task{
							{ID: "aaaa", Definition: "web:2", Status: "RUNNING", Zone: "eu-west-2a",
								Instance: "i-0123456789abcdef0", Address: "127.0.1.2:32768"},
							{ID: "bbbb", Definition: "web:2",
								Status: "PENDING", Zone: "eu-west-2b", Instance: "i-1",
								Notice: "On its container instance i-1 the agent is not connected"},
						}},
					{Name: "quiet", Status: "ACTIVE", TaskDefinition: "quiet:1", Rollout: "COMPLETED",
						Scaling: "Scaling policies have changed nothing: the desired count is at its maximum, 4."},
				},
				Waiting: []status.Waiting{{CapacityProvider: "machines", Reason: "Auto Scaling group asg has reached " +
					"its maximum of 2 instances"}},
				Tasks: []status.Task{{StartedBy: "nightly", ID: "cccc", Definition: "once:1",
					Status: "RUNNING", Zone: "eu-west-2a", Instance: "i-0123456789abcdef0"}},
			},
			{Name: "empty"},
		},
		LaunchFailure: "Auto Scaling group asg: Launching a new EC2 instance: the image does not exist",
		LoadBalancers: []status.LoadBalancer{
			{Name: "alb", DNSName: "alb-1.eu-west-2.elb.amazonaws.com", Listeners: []status.Listener{
				{Port: 80, URL: "http://127.0.0.1", Targets: map[string]int{"healthy": 2, "draining": 1},
					Rules: []status.Rule{
						{Priority: 10, If: []string{"path-pattern /api/* or /v2/*", "http-request-method POST"},
							Groups: []status.Group{
								{Name: "api", Weight: 9, Targets: map[string]int{"healthy": 1}},
								{Name: "api-next", Weight: 1}}},
						{Priority: 20, If: []string{"host-header old.example.com"}, Then: "redirect with 301"},
						{Groups: []status.Group{
							{Name: "web", Weight: 1, Targets: map[string]int{"healthy": 1, "draining": 1}},
						}},
					}},
				{Port: 443, Notice: "the port is taken"},
			}}},
		Caches: []status.Cache{
			{ID: "redis", Status: "available", Endpoint: "127.0.0.1:6379", Engine: "redis-server 7"},
		},
	})
	golden.Compare(t, "status.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > width {
			t.Errorf("a line is wider than %d columns: %s", width, line)
		}
	}
}

// Control characters in names, reasons and errors do not reach the terminal.
func TestStatusQuotesTextOfOthers(t *testing.T) {
	const bad = "\x1b]0;x\a\u009b2J\u202e\tz\n"
	var r status.Report
	fill(reflect.ValueOf(&r).Elem(), bad)
	for name, print := range map[string]func(io.Writer){
		"text": func(w io.Writer) { printStatus(w, r) },
		"json": func(w io.Writer) { _ = printJSON(w, r) },
	} {
		var b strings.Builder
		print(&b)
		for _, c := range b.String() {
			if c != '\n' && !unicode.IsGraphic(c) {
				t.Errorf("%s: %q reaches the terminal in\n%q", name, c, b.String())
				break
			}
		}
		if !strings.Contains(b.String(), `\u202e`) {
			t.Errorf("%s: nothing was quoted", name)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, bad, http.StatusForbidden)
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	_, stderr, _ := call("status", "--data", t.TempDir(), "--listen", strings.TrimPrefix(server.URL, "http://"))
	if strings.ContainsAny(stderr, "\x1b\a\u009b\u202e") || !strings.Contains(stderr, `\x1b]0;x`) {
		t.Errorf("an error reaches the terminal as %q", stderr)
	}
}

// fill sets every string below v, and gives every list and map one element.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		fill(key, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
	}
}

// If a server refuses a call with a sentence, the command prints the sentence and nothing that follows it.
func TestStatusPassesARefusalOn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_berth/status" ||
			!strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/") {
			t.Errorf("asked for %s with %s", r.URL, r.Header.Get("Authorization"))
		}
		http.Error(w, " The signature is of another region. \n\nThe Canonical String is\n'GET", http.StatusForbidden)
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	out, stderr, code := call("status", "--data", t.TempDir(), "--listen", strings.TrimPrefix(server.URL, "http://"))
	if code == 0 || out != "" || !strings.Contains(stderr, "refuses the key AKIDEXAMPLE of the environment "+
		"(AWS_ACCESS_KEY_ID): The signature is of another region.") || strings.Contains(stderr, "Canonical") {
		t.Errorf("status ends with %d and says %q, %q", code, out, stderr)
	}
}
