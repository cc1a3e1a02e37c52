package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/test/harness"
)

// berth env and berth status report about the server whose data directory they are given.
func TestEnvAndStatus(t *testing.T) {
	harness.Need(t, redis)
	s := start(t)
	exports := s.berth(t, "env")
	for _, want := range []string{"export AWS_ENDPOINT_URL=" + s.URL() + " ", "AWS_ACCESS_KEY_ID=AKIA",
		"AWS_SECRET_ACCESS_KEY=", "AWS_REGION=us-east-1 ", "AWS_DEFAULT_REGION=us-east-1\n"} {
		if !strings.Contains(exports, want) {
			t.Errorf("berth env prints no %s:\n%s", want, exports)
		}
	}
	if out := s.berth(t, "status"); !strings.HasPrefix(out, "Region us-east-1\n"+
		"Nothing is here yet. Regions do not see each other: --region names another.\n\nDisk  ") {
		t.Errorf("berth status of an empty server:\n%s", out)
	}

	probe := s.Push(t, "probe")
	s.launch(t, 1)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", answering(probe, "here"), nil), group, 1)
	s.steady(t, "web")
	var report status.Report
	err := json.Unmarshal([]byte(s.berth(t, "status", "--json")), &report)
	if err != nil || len(report.Clusters) != 1 || len(report.Clusters[0].Instances) != 1 {
		t.Fatalf("berth status --json: %+v, %v", report, err)
	}
	out := s.berth(t, "status")
	for _, want := range []string{
		"\nCluster e2e\n", report.Clusters[0].Instances[0].Address + "  ACTIVE", "1 running, 0 pending",
		"service web  ACTIVE  web:1  1 of 1 running, 0 pending  COMPLETED", "RUNNING  us-east-1a",
		"last event: (service web) has reached a steady state.", "\nLoad balancer lb ", "port 80  " + url,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("berth status does not say %q:\n%s", want, out)
		}
	}
}

// berth runs a command for the server and returns what it prints.
func (s server) berth(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.Command(name, args...)
	if err != nil {
		t.Fatalf("berth %s: %v\n%s", name, err, out)
	}
	return out
}

// Web pages of others cannot use the API, neither from their own origin nor by a name of theirs that resolves to
// loopback. No caller can without a signature.
func TestWebPagesAreKeptOut(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name   string
		path   string
		change func(*http.Request)
		want   int
	}{
		{"no page", "/_berth/health", func(*http.Request) {}, http.StatusOK},
		{"own origin", "/_berth/health", func(r *http.Request) { r.Header.Set("Origin", s.URL()) }, http.StatusOK},
		{"origin of another", "/_berth/health",
			func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, http.StatusForbidden},
		{"host of another", "/_berth/health", func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
		{"registry", "/v2/", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
			http.StatusForbidden},
		{"form of another", "/", func(r *http.Request) {
			r.Method = http.MethodPost
			r.Header.Set("Origin", "http://evil.example")
		}, http.StatusForbidden},
		{"image of another", "/_berth/reset", func(r *http.Request) {
			r.Method = http.MethodPost
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, http.StatusForbidden},
		{"without a signature", "/_berth/status", func(*http.Request) {}, http.StatusForbidden},
	} {
		req, err := http.NewRequest(http.MethodGet, s.URL()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.change(req)
		resp, err := s.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.name, resp.Status, c.want)
		}
	}
}
