package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// berth wait ends at once for a task that fits on no instance. It names the answers to the load balancer's health
// checks for which a service's tasks were stopped, and berth logs says why there are no logs. berth down returns when
// Docker has removed everything.
func TestReasonsAndDown(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	s.serve(t, "large", s.define(t, "large", container(probe, object{"memoryReservation": 9000}), nil), "", 1)
	began := time.Now()
	out, err := s.Command("wait", "service", "large", "--timeout", "5m")
	if err == nil || time.Since(began) > time.Minute || !strings.Contains(
		strings.Join(strings.Fields(out), " "), "It never fits: even with nothing else on it") {
		t.Errorf("wait for a task that is too large ended after %s with %v:\n%s", time.Since(began), err, out)
	}
	if out, err := s.Command("logs", "large"); err == nil ||
		!strings.Contains(out, "no container of service large has ever run") {
		t.Errorf("logs of what never ran: %v:\n%s", err, out)
	}

	group := s.TargetGroup(t, "sick", "/redis", nil) // there is no Redis, so the probe answers with an error
	s.Balance(t, group)
	s.serve(t, "sick", s.define(t, "sick", container(probe, nil), nil), group, 1)
	out, err = s.Command("wait", "service", "sick", "--timeout", "2m")
	if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "),
		"failed: Health checks failed with these codes: [5") {
		t.Errorf("wait for a service whose checks fail: %v:\n%s", err, out)
	}

	s.See()
	if out, err := s.Command("down", "--yes"); err != nil || !strings.HasSuffix(out, "Stopped it.\n") {
		t.Fatalf("down: %v:\n%s", err, out)
	}
	s.Leftovers().None(t)
	if left, err := os.ReadDir(filepath.Join(s.Data, "instances")); err != nil || len(left) != 0 {
		t.Errorf("directories of instances are left: %v, %v", left, err)
	}
	harness.Until(t, 10*time.Second, "the process has ended", func() string {
		if s.Unhealthy() == "" {
			return "it answers"
		}
		return ""
	})
}
