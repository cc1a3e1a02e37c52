package agent

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
)

// asked returns how often an action of the control plane's API was called.
func (p *plane) asked(action string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.Action == action {
			n++
		}
	}
	return n
}

// Images with names of ECR are pulled from the control plane's registry (ecs.md 8.1).
func TestImageNamesLeadToRegistries(t *testing.T) {
	p := newPlane(t)
	p.answer["GetAuthorizationToken"] = func([]byte) (int, any) {
		return http.StatusOK, map[string]any{"authorizationData": []map[string]any{{
			"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:pass:word")),
			"expiresAt":          time.Now().Add(12 * time.Hour).Unix(),
		}}}
	}
	cfg := p.config(t.TempDir())
	r, err := newRegistries(cfg.BackendHost,
		func(region string) *awscall.Client { return cfg.client("ecr", "x", http.DefaultClient) })
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(p.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{
		"redis:7": "redis:7",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web:1": u.Host + "/123456789012/us-east-1/team/web:1",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com/web":        u.Host + "/123456789012/us-east-1/web",
		"public.ecr.aws/x/y": "public.ecr.aws/x/y",
	} {
		ref, login, err := r.Resolve(t.Context(), image, nil)
		if err != nil || ref != want || (login == nil) == strings.Contains(image, ".dkr.ecr.") {
			t.Errorf("%s: %s, %v, %v", image, ref, login, err)
		}
		if login != nil && (login.Username != "AWS" || login.Password != "pass:word") {
			t.Errorf("%s: login %+v", image, login)
		}
	}
	if n := p.asked("GetAuthorizationToken"); n != 1 {
		t.Errorf("asked for %d logins", n)
	}
	if _, _, err := r.Resolve(t.Context(), "x", &acs.RegistryAuth{Type: "asm"}); err == nil ||
		!strings.Contains(err.Error(), "asm") {
		t.Errorf("a login from a secret: %v", err)
	}
}

// The agent asks for endpoints once in twelve hours, and uses the old answer if there is no new one (ecs-agent.md 3
// and 4.4).
func TestEndpointsAreKept(t *testing.T) {
	p := newPlane(t)
	cfg := p.config(t.TempDir())
	c := newControl(&cfg, http.DefaultClient)
	for range 3 {
		if ends, err := c.discover(t.Context(), testInstance); err != nil || ends.Endpoint != p.server.URL+"/acs" {
			t.Fatalf("%+v, %v", ends, err)
		}
	}
	if n := p.asked("DiscoverPollEndpoint"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	c.asked = time.Now().Add(-13 * time.Hour)
	p.mu.Lock()
	p.answer["DiscoverPollEndpoint"] = func([]byte) (int, any) { return http.StatusInternalServerError, nil }
	p.mu.Unlock()
	if ends, err := c.discover(t.Context(), testInstance); err != nil || ends.Endpoint == "" ||
		p.asked("DiscoverPollEndpoint") != 2 {
		t.Errorf("%+v, %v", ends, err)
	}
}

// Errors of a registration are retried or end the agent (ecs-agent.md 3.1 and 10).
func TestRegistrationsThatFail(t *testing.T) {
	p := newPlane(t)
	dir := t.TempDir()
	code := ""
	p.answer["RegisterContainerInstance"] = func([]byte) (int, any) {
		if code == "" {
			return http.StatusOK, map[string]any{
				"containerInstance": map[string]any{"containerInstanceArn": testInstance},
			}
		}
		return http.StatusBadRequest, map[string]string{"__type": code, "message": "no"}
	}
	attempt := func(change func(*Config)) error {
		cfg := p.config(dir)
		if change != nil {
			change(&cfg)
		}
		h := newHandler(t, t.TempDir(), &work{})
		if code == "" {
			_, err := register(t.Context(), &cfg, h.store, newControl(&cfg, http.DefaultClient).api, h.log)
			if err != nil {
				return err
			}
			cfg.Cluster = "other"
		}
		_, err := register(t.Context(), &cfg, h.store, newControl(&cfg, http.DefaultClient).api, h.log)
		return err
	}
	if err := attempt(nil); !errors.Is(err, ErrOtherCluster) {
		t.Errorf("another cluster's data directory: %v", err)
	}
	for _, code = range []string{"ClientException", "InvalidParameterException"} {
		if err := attempt(nil); !errors.Is(err, ErrTerminal) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := attempt(func(c *Config) { c.ReservedMemory = c.Memory }); err == nil ||
		!strings.Contains(err.Error(), "ECS_RESERVED_MEMORY") {
		t.Errorf("no memory left: %v", err)
	}
	if err := attempt(func(c *Config) { c.IdentityDocument = "/nowhere/identity.json" }); err == nil ||
		!strings.Contains(err.Error(), "identity document") {
		t.Errorf("no identity document: %v", err)
	}
}
