package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/fault"
)

func records() []engine.Record {
	live := engine.Record{
		Task: acs.Task{ARN: "arn:aws:ecs:us-east-1:1:task/agt/live", Family: "f", Version: "3",
			ServiceName: "svc", LaunchType: "EC2", CPU: 0.5, Memory: 256},
		Status: engine.StatusRunning, Desired: acs.DesiredRunning, RoleCredentialsID: "cred",
		ExecutionCredentialsID: "late",
		Containers: []engine.Box{
			{Pause: true, Def: acs.Container{Name: "~internal~ecs~pause"}},
			{
				Def: acs.Container{Name: "web", Image: "web:1", CPU: 128, Memory: 64, ARN: "arn:c",
					HealthCheckType: "docker", DockerConfig: acs.DockerConfig{
						HostConfig: `{"LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g"}}}`,
					}},
				Name: "ecs-f-3-web", RuntimeID: "docker-id", EndpointID: "secret", Phase: engine.Running,
				ImageID: "sha256:1", Health: acs.HealthHealthy, StartedAt: time.Unix(1, 0).UTC(),
				CreatedAt: time.Unix(1, 0).UTC(), Addresses: []netip.Addr{netip.MustParseAddr("172.18.0.2")},
				Ports: []engine.Binding{{ContainerPort: 80, HostPort: 32768, Count: 1, Protocol: "tcp",
					HostIP: netip.MustParseAddr("127.0.1.2")}},
			},
		},
	}
	dead := engine.Record{Task: acs.Task{ARN: "arn:aws:ecs:us-east-1:1:task/agt/dead"},
		Status: engine.StatusStopped, RoleCredentialsID: "old"}
	return []engine.Record{live, dead}
}

func newServer(change func(*Config)) *Server {
	cfg := Config{
		Cluster: "agt", ContainerInstance: "ci", Zone: "us-east-1a", VPC: "vpc-1", RPS: 40, Burst: 60,
		Credentials: NewCredentials(), Tasks: records,
		Stats: func(string) (runtime.Sample, runtime.Sample, bool) {
			return runtime.Sample{
				At: time.Unix(11, 0), CPU: 5, HasNetwork: true, Rx: runtime.Traffic{Bytes: 300},
			}, runtime.Sample{At: time.Unix(10, 0), Rx: runtime.Traffic{Bytes: 100}}, true
		},
		Neighbours: func(context.Context) []netip.AddrPort { return nil },
		Tags: func(_ context.Context, arn string) (map[string]string, error) {
			return map[string]string{"of": arn}, nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

func ask(t *testing.T, s http.Handler, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s answers %d %q", path, w.Code, w.Body)
	}
	return w.Code, out
}

// ecs.md 8.4 and ecs-agent.md 8.
func TestCredentials(t *testing.T) {
	s := newServer(nil)
	if code, out := ask(t, s, "GET", "/v2/credentials/cred", ""); code != http.StatusServiceUnavailable ||
		out["code"] != "CredentialsUninitialized" {
		t.Errorf("before the agent has them: %d %v", code, out)
	}
	s.cfg.Credentials.Put("live", acs.RoleCredentials{ID: "cred", RoleARN: "r", AccessKeyID: "a",
		SecretAccessKey: "s", SessionToken: "t", Expiration: "2027-01-01T00:00:00Z"})
	s.cfg.Credentials.Put("dead", acs.RoleCredentials{ID: "old"})
	code, out := ask(t, s, "GET", "/v2/credentials/cred", "")
	for k, want := range map[string]string{"RoleArn": "r", "AccessKeyId": "a", "SecretAccessKey": "s",
		"Token": "t", "Expiration": "2027-01-01T00:00:00Z"} {
		if code != http.StatusOK || out[k] != want {
			t.Errorf("%d, %s is %v", code, k, out[k])
		}
	}
	for _, id := range []string{"old", "unknown"} {
		if code, out := ask(t, s, "GET", "/v2/credentials/"+id, ""); code != http.StatusBadRequest ||
			out["code"] != "InvalidIdInRequest" {
			t.Errorf("%s: %d %v", id, code, out)
		}
	}
	s.cfg.Credentials.Forget(func(task string) bool { return task == "live" })
	if _, ok := s.cfg.Credentials.Get("cred"); ok {
		t.Error("credentials of a stopped task are still served")
	}
}

// ecs.md 8.5.
func TestTaskMetadata(t *testing.T) {
	s := newServer(nil)
	_, task := ask(t, s, "GET", "/v4/secret/task", "")
	for k, want := range map[string]any{
		"Cluster": "agt", "Family": "f", "Revision": "3", "ServiceName": "svc", "DesiredStatus": "RUNNING",
		"KnownStatus": "RUNNING", "AvailabilityZone": "us-east-1a", "LaunchType": "EC2", "VPCID": "vpc-1",
	} {
		if task[k] != want {
			t.Errorf("%s is %v, want %v", k, task[k], want)
		}
	}
	containers, _ := task["Containers"].([]any)
	if len(containers) != 1 {
		t.Fatalf("containers %v", containers)
	}
	_, c := ask(t, s, "GET", "/v4/secret", "")
	for k, want := range map[string]any{
		"DockerId": "docker-id", "Name": "web", "DockerName": "ecs-f-3-web", "Image": "web:1",
		"ImageID": "sha256:1", "Type": "NORMAL", "KnownStatus": "RUNNING", "LogDriver": "awslogs",
		"ContainerARN": "arn:c", "StartedAt": "1970-01-01T00:00:01Z",
	} {
		if c[k] != want {
			t.Errorf("%s is %v, want %v", k, c[k], want)
		}
	}
	if _, v3 := ask(t, s, "GET", "/v3/secret", ""); v3["LogDriver"] != nil || v3["DockerId"] != "docker-id" {
		t.Errorf("version 3: %v", v3)
	}
	if _, tagged := ask(t, s, "GET", "/v4/secret/taskWithTags", ""); tagged["TaskTags"] == nil ||
		tagged["ContainerInstanceTags"] == nil {
		t.Errorf("tags: %v", tagged)
	}
	_, stats := ask(t, s, "GET", "/v4/secret/stats", "")
	if rate, _ := stats["network_rate_stats"].(map[string]any); rate["rx_bytes_per_sec"] != 200.0 {
		t.Errorf("stats: %v", stats)
	}
	if _, all := ask(t, s, "GET", "/v4/secret/task/stats", ""); all["docker-id"] == nil {
		t.Errorf("task stats: %v", all)
	}
	if code, _ := ask(t, s, "GET", "/v4/other/task", ""); code != http.StatusNotFound {
		t.Errorf("an unknown id: %d", code)
	}
}

// ecs.md 8.5: 40 a second, 60 at once.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(nil)
		served := func() (n int) {
			for range 100 {
				if code, _ := ask(t, s, "GET", "/v4/secret", ""); code == http.StatusOK {
					n++
				} else if code != http.StatusTooManyRequests {
					t.Fatal(code)
				}
			}
			return n
		}
		atOnce := served()
		time.Sleep(time.Second)
		if later := served(); atOnce != 60 || later != 40 {
			t.Errorf("%d of 100 requests were served, and %d of 100 a second later; want 60 and 40", atOnce, later)
		}
	})
}

// A request with an id that belongs to another agent on the machine is passed on to that agent, at most once.
func TestNeighbours(t *testing.T) {
	var asked int
	other := httptest.NewServer(newServer(func(c *Config) {
		c.Neighbours = func(context.Context) []netip.AddrPort { asked++; return nil }
	}))
	defer other.Close()
	at := netip.MustParseAddrPort(strings.TrimPrefix(other.URL, "http://"))
	dead := netip.MustParseAddrPort("127.0.0.1:1")
	s := newServer(func(c *Config) {
		c.Tasks = func() []engine.Record { return nil }
		c.Neighbours = func(context.Context) []netip.AddrPort { return []netip.AddrPort{dead, at} }
	})
	if code, out := ask(t, s, "GET", "/v4/secret", ""); code != http.StatusOK || out["Name"] != "web" {
		t.Errorf("%d %v", code, out)
	}
	if code, out := ask(t, s, "GET", "/v2/credentials/nobodys", ""); code != http.StatusBadRequest ||
		out["code"] != "InvalidIdInRequest" {
		t.Errorf("%d %v", code, out)
	}
	if asked != 0 {
		t.Error("a request was passed on a second time")
	}
}

func TestTaskProtection(t *testing.T) {
	var action string
	var in any
	var err error
	s := newServer(func(c *Config) {
		c.Credentials.Put("live", acs.RoleCredentials{ID: "cred", AccessKeyID: "role-key"})
		c.Protection = func(_ context.Context, rc acs.RoleCredentials, a string, request, out any) error {
			if action, in = a, request; rc.AccessKeyID != "role-key" {
				t.Errorf("called as %+v", rc)
			}
			if err != nil {
				return err
			}
			return json.Unmarshal([]byte(`{"protectedTasks":[{"taskArn":"arn","protectionEnabled":true,`+
				`"expirationDate":1795395483}]}`), out)
		}
	})
	const path = "/api/secret/task-protection/v1/state"
	code, out := ask(t, s, "PUT", path, `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`)
	p, _ := out["protection"].(map[string]any)
	if code != http.StatusOK || p["ProtectionEnabled"] != true || action != "UpdateTaskProtection" {
		t.Errorf("%d %v by %s", code, out, action)
	}
	if m := in.(map[string]any); m["expiresInMinutes"] != int64(60) || m["cluster"] != "agt" {
		t.Errorf("asked for %v", m)
	}
	if code, _ := ask(t, s, "GET", path, ""); code != http.StatusOK || action != "GetTaskProtection" {
		t.Errorf("%d by %s", code, action)
	}
	for body, want := range map[string]int{`{}`: 400, `{"x":1}`: 400, `nonsense`: 400} {
		if code, out := ask(t, s, "PUT", path, body); code != want || out["error"] == nil {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	err = fault.New("AccessDeniedException", "no").WithStatus(400)
	if code, _ := ask(t, s, "GET", path, ""); code != 400 {
		t.Errorf("refused: %d", code)
	}
	err = errors.New("not available")
	if code, _ := ask(t, s, "GET", path, ""); code != http.StatusGatewayTimeout {
		t.Errorf("without a control plane: %d", code)
	}
}
