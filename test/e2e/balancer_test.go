package e2e

import (
	"net/http"
	"testing"

	"github.com/berthhq/berth/test/harness"
)

// Two services run behind one load balancer, which chooses by the path, as in the article's notes on scaling.
func TestTwoServicesByPath(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	chat, api := s.TargetGroup(t, "chat", "/", nil), s.TargetGroup(t, "api", "/", nil)
	listener, url := s.Balance(t, chat)
	s.Ask(t, "elasticloadbalancing", "CreateRule", form{
		"ListenerArn": listener, "Priority": "10", "Conditions.member.1.Field": "path-pattern",
		"Conditions.member.1.Values.member.1": "/api/*", "Actions.member.1.Type": "forward",
		"Actions.member.1.TargetGroupArn": api,
	})
	for name, group := range map[string]string{"chat": chat, "api": api} {
		s.serve(t, name, s.define(t, name, answering(probe, name), nil), group, 2)
	}
	s.steady(t, "chat")
	s.steady(t, "api")
	for path, want := range map[string]string{
		"/": "chat", "/apis": "chat", "/api/": "api", "/api/people?of=chat": "api",
	} {
		if a := get(t, url+path); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s is answered by %q (%d), want %q", path, a.body, a.status, want)
		}
	}
}

// In host mode a container's own port is registered with the load balancer.
func TestServiceInHostMode(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", answering(probe, "host"), object{"networkMode": "host"}), group, 1)
	s.steady(t, "web")
	if a := get(t, url); a.body != "host" {
		t.Errorf("the load balancer answers %d %q", a.status, a.body)
	}
}

// answering returns a container definition of the probe with the given answer.
func answering(image, answer string) object {
	return container(image, object{"environment": list{object{"name": "ANSWER", "value": answer}}})
}

// A new revision replaces the old one under load, and no request fails.
func TestRollingUpdateLosesNoRequest(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", answering(probe, "old"), nil), group, 4)
	s.steady(t, "web")

	load := harness.Visit(url, 8)
	next := s.define(t, "web", answering(probe, "new"), nil)
	s.Call(t, "ecs", "UpdateService", object{"cluster": cluster, "service": "web", "taskDefinition": next}, nil)
	s.steady(t, "web")
	answers := load.LosesNothing(t)
	if answers["old"] == 0 || answers["new"] == 0 {
		t.Error("the load has not seen both revisions")
	}
	for range 8 {
		if a := get(t, url); a.body != "new" {
			t.Errorf("after the update %q answers", a.body)
		}
	}
}
