package acs

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ecs-agent.md 4.4: the wait grows from 250 ms by a factor of 1.5 (±20 %) up to 2 min.
func TestSessionBackoff(t *testing.T) {
	b := SessionBackoff()
	for failures, want := range []time.Duration{250, 375, 562, 843, 1265} {
		if got := b.Wait(failures, 0.5).Truncate(time.Millisecond); got != want*time.Millisecond {
			t.Errorf("after %d failures: %v, want %v", failures, got, want*time.Millisecond)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		wait := b.Wait(rapid.IntRange(0, 10_000).Draw(t, "failures"), rapid.Float64Range(0, 0.999).Draw(t, "chance"))
		if wait < 200*time.Millisecond || wait > 144*time.Second {
			t.Fatalf("waits %v", wait)
		}
	})
}

// ecs-agent.md 4.4: after close codes 1000, 1001, 1006 and 1011, and after a lost connection, the agent
// reconnects at once.
func TestReconnectAtOnce(t *testing.T) {
	for code, want := range map[int]bool{
		1000: true, 1001: true, 1006: true, 1011: true, 1002: false, 1008: false, 4000: false,
	} {
		if ReconnectAtOnce(code) != want {
			t.Errorf("close code %d: %v", code, !want)
		}
	}
}

// ecs-agent.md 3: times are epoch seconds as JSON numbers, with milliseconds as a fraction.
func TestTimeIsSecondsWithMilliseconds(t *testing.T) {
	data, err := json.Marshal(At(time.UnixMilli(1795395483675)))
	if err != nil || string(data) != "1795395483.675" {
		t.Fatalf("got %s, %v", data, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := time.UnixMilli(rapid.Int64Range(0, 250_000_000_000_000).Draw(t, "ms")).UTC()
		data, err := json.Marshal(At(want))
		if err != nil {
			t.Fatal(err)
		}
		var got Time
		if err := json.Unmarshal(data, &got); err != nil || !got.Equal(want) {
			t.Fatalf("%s became %v (%v), want %v", data, got, err, want)
		}
	})
	for _, bad := range []string{`"2026"`, `1e300`, `{}`} {
		var got Time
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was read as %v", bad, got)
		}
	}
}
