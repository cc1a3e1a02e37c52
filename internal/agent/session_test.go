package agent

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// When the control plane is back, its instances connect within seconds, however long it was down.
func TestAgentsComeBackSoon(t *testing.T) {
	for name, b := range map[string]acs.Backoff{
		"ACS": noLonger(acs.SessionBackoff()), "TCS": noLonger(acs.TelemetryBackoff()),
	} {
		if first := b.Wait(0, 0.5); first != b.First {
			t.Errorf("%s: the first wait is %v, want %v", name, first, b.First)
		}
		if got := b.Wait(1000, 0.999); got > 6*time.Second || got < 5*time.Second {
			t.Errorf("%s: after many failures the wait is %v, want 5 s and its jitter", name, got)
		}
	}
}
