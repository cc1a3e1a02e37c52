package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/status"
)

// The options that the guard's answers name (--allow-host, --allow-origin) exist.
func TestAllowedHostsAndOrigins(t *testing.T) {
	s := run(t, func(c *Config) {
		c.AllowedHosts, c.AllowedOrigins = []string{"builder.lan"}, []string{"http://127.0.0.1:3000"}
	})
	for host, want := range map[string]int{"builder.lan": http.StatusOK, "other.lan": http.StatusForbidden} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/_berth/health", nil)
		r.Host = host
		r.Header.Set("Origin", "http://127.0.0.1:3000")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
	if _, err := New(t.Context(), Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", Account: "123456789012", AllowedHosts: []string{"http://x"},
	}); err == nil || !strings.Contains(err.Error(), "is not a host name") {
		t.Errorf("New with a URL for a host name: %v", err)
	}
}

// run starts a server on a free port and stops it when the test ends.
func run(t testing.TB, edit func(*Config)) *Server {
	t.Helper()
	cfg := Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Region: "us-east-1", Account: "123456789012",
		EdgeAddr:     "127.0.0.1",
		AgentCommand: []string{"/nonexistent"}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	if code := healthOf(s); code != http.StatusServiceUnavailable {
		t.Errorf("health before the edge serves = %d, want 503", code)
	}
	go func() { done <- s.Run(ctx) }()
	<-s.ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// healthOf returns the answer to a health check. It can be called before the server serves anything.
func healthOf(s *Server) int {
	w := httptest.NewRecorder()
	s.health(w, httptest.NewRequest(http.MethodGet, "/_berth/health", nil))
	return w.Code
}

func do(t *testing.T, s *Server, method, path, body string, edit func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func sign(s *Server, service, payload string) func(*http.Request) {
	return func(r *http.Request) {
		c := sigv4.Credentials{AccessKeyID: s.dir.AccessKey.ID, SecretAccessKey: s.dir.AccessKey.Secret}
		sigv4.Sign(r, c, "us-east-1", service, sigv4.HashPayload([]byte(payload)), time.Now())
	}
}

func createCluster(t *testing.T, s *Server, name string) {
	t.Helper()
	body := `{"clusterName":"` + name + `"}`
	code, answer := do(t, s, "POST", "/", body, func(r *http.Request) {
		r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateCluster")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		sign(s, "ecs", body)(r)
	})
	if code != http.StatusOK {
		t.Fatalf("CreateCluster = %d %s", code, answer)
	}
}

func TestServerAnswers(t *testing.T) {
	s := run(t, nil)
	if code, body := do(t, s, "GET", "/_berth/health", "", nil); code != 200 ||
		!strings.Contains(body, `"status":"ready"`) {
		t.Errorf("health = %d %s", code, body)
	}
	createCluster(t, s, "c")
	if code, body := do(t, s, "GET", "/_berth/metrics", "", nil); code != 200 ||
		!strings.Contains(body, `berth_api_calls_total{action="CreateCluster",code="",service="ecs"} 1`) {
		t.Errorf("metrics = %d %s", code, body)
	}
	if code, _ := do(t, s, "GET", "/_berth/status", "", nil); code != 403 {
		t.Errorf("status without a signature = %d, want 403", code)
	}
	code, body := do(t, s, "GET", "/_berth/status", "", sign(s, "berth", ""))
	var r status.Report
	if err := json.Unmarshal([]byte(body), &r); code != 200 || err != nil || len(r.Clusters) != 1 ||
		r.Clusters[0].Name != "c" {
		t.Errorf("status = %d %s, %v", code, body, err)
	}
}

// A caller of the API can run containers as root, so web pages must not be able to call it.
func TestWebPagesAreKeptOut(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	for name, edit := range map[string]func(*http.Request){
		"a page of another origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"a rebound host name":      func(r *http.Request) { r.Host = "evil.example" },
		"a cross-site fetch":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		for _, path := range []string{"/", "/_berth/reset", "/v2/"} {
			if code, _ := do(t, s, "POST", path, "", edit); code != http.StatusForbidden {
				t.Errorf("%s: POST %s = %d, want 403", name, path, code)
			}
		}
	}
}

func TestResetNeedsTheOwnerOrDevelopmentCredentials(t *testing.T) {
	s := run(t, nil)
	createCluster(t, s, "c")
	if code, body := do(t, s, "POST", "/_berth/reset", "", nil); code != 403 ||
		!strings.Contains(body, "--dev-credentials") {
		t.Errorf("reset = %d %s", code, body)
	}
	if n := s.store.View().Clusters.Len(); n != 1 {
		t.Errorf("%d clusters after a refused reset, want 1", n)
	}
	if code, body := do(t, s, "POST", "/_berth/reset", "", sign(s, "berth", "")); code != http.StatusNoContent {
		t.Errorf("reset with the key of the data directory = %d %s", code, body)
	}
	if n := s.store.View().Clusters.Len(); n != 0 {
		t.Errorf("%d clusters after a reset by the owner", n)
	}
	dev := run(t, func(c *Config) { c.DevCredentials = true })
	createCluster(t, dev, "c")
	if code, body := do(t, dev, "POST", "/_berth/reset", "", nil); code != http.StatusNoContent {
		t.Errorf("reset = %d %s", code, body)
	}
	if n := dev.store.View().Clusters.Len(); n != 0 {
		t.Errorf("%d clusters after a reset", n)
	}
}

// Only a caller with the key of the data directory may stop the server.
func TestStop(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	if last, err := config.LastAddress(s.cfg.Data); err != nil ||
		last.Listen != s.Addr() || last.Region != "us-east-1" || last.RegistryTLS != "" || last.Earlier != nil {
		t.Errorf("the data directory remembers %+v, %v", last, err)
	}
	update := func(tx *state.Tx) error { tx.Clusters.Put(&ecs.Cluster{ClusterARN: "c"}); return nil }
	if err := s.store.Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	if code, body := do(t, s, "POST", "/_berth/reset?wait=all&stop=true", "", nil); code != http.StatusForbidden ||
		!strings.Contains(body, "nothing was removed") || s.store.View().Clusters.Len() != 1 {
		t.Errorf("a caller that may reset but not stop: %d %s, %d clusters", code, body, s.store.View().Clusters.Len())
	}
	for name, edit := range map[string]func(*http.Request){
		"nobody": nil,
		"test/test": func(r *http.Request) {
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, "us-east-1",
				"berth", sigv4.EmptyPayload, time.Now())
		},
	} {
		if code, _ := do(t, s, "POST", "/_berth/stop", "", edit); code != http.StatusForbidden {
			t.Errorf("stop by %s = %d, want 403", name, code)
		}
	}
	if code, body := do(t, s, "POST", "/_berth/stop", "", sign(s, "berth", "")); code != http.StatusNoContent {
		t.Errorf("stop = %d %s", code, body)
	}
}

func TestOneServerPerDataDirectoryAndAddress(t *testing.T) {
	s := run(t, nil)
	cfg := s.cfg
	cfg.Listen = "127.0.0.1:0"
	if _, err := New(t.Context(), cfg); err == nil ||
		!strings.Contains(err.Error(), "another berth server is running with the data directory") {
		t.Errorf("second server in the directory: %v", err)
	}
	cfg.Data, cfg.Listen = t.TempDir(), s.Addr()
	if _, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("second server at the address: %v", err)
	}
	cfg.Data, cfg.Account, cfg.Listen = s.cfg.Data, "210987654321", "127.0.0.1:0"
	if _, err := New(t.Context(), cfg); err == nil ||
		!strings.Contains(err.Error(), "belongs to account 123456789012") {
		t.Errorf("another account's directory: %v", err)
	}
}

func TestWhatWasAnsweredIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	t.Run("first", func(t *testing.T) {
		createCluster(t, run(t, func(c *Config) { c.Data = dir }), "c")
	})
	s := run(t, func(c *Config) { c.Data = dir })
	if _, ok := s.store.View().Clusters.Get("arn:aws:ecs:us-east-1:123456789012:cluster/c"); !ok {
		t.Error("the cluster is gone")
	}
}
