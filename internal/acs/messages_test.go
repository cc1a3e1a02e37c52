package acs

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ecs-agent.md 9: on TCS the agent backs off from one second up to one minute.
func TestTelemetryBackoff(t *testing.T) {
	b := TelemetryBackoff()
	for failures, want := range map[int]time.Duration{0: time.Second, 1: 1500 * time.Millisecond,
		2: 2250 * time.Millisecond, 11: time.Minute, 1000: time.Minute} {
		if got := b.Wait(failures, 0.5); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}

// ecs-agent.md 4.4: 60 s + rand(0..60 s), 30 min + rand(0..5 min).
func TestJitter(t *testing.T) {
	for r, want := range map[float64]time.Duration{
		0: 60 * time.Second, 0.5: 90 * time.Second, 0.999: 119940 * time.Millisecond,
	} {
		if got := Jittered(SilenceLimit, SilenceJitter, r); got != want {
			t.Errorf("Jittered(%v) = %v, want %v", r, got, want)
		}
	}
}

// ecs-agent.md 9: a set of statistics summarises samples, of either sign and in any order.
func TestStatisticsSumUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Int64Range(-1<<40, 1<<40), 1, 20).Draw(t, "samples")
		var counters CounterSet
		var stats StatsSet
		least, most, sum := int64(math.MaxInt64), int64(math.MinInt64), int64(0)
		for _, v := range samples {
			counters.Add(v)
			stats.Add(float64(v))
			least, most, sum = min(least, v), max(most, v), sum+v
		}
		if want := (CounterSet{Min: least, Max: most, Sum: sum, SampleCount: int64(len(samples))}); counters != want {
			t.Fatalf("counters of %v are %+v, want %+v", samples, counters, want)
		}
		if want := (StatsSet{
			Min: float64(least), Max: float64(most), Sum: float64(sum), SampleCount: int64(len(samples)),
		}); stats != want {
			t.Fatalf("statistics of %v are %+v, want %+v", samples, stats, want)
		}
	})
}

// Every message that Decode knows is encoded with the type name that it is decoded from (ecs-agent.md 4.3 and
// 9), so that none is read as another one.
func TestMessagesKeepTheirNames(t *testing.T) {
	for _, name := range []string{
		"HeartbeatMessage", "HeartbeatAckRequest", "PayloadMessage", "AckRequest",
		"NackRequest", "TaskManifestMessage", "TaskStopVerificationMessage", "TaskStopVerificationAck",
		"IAMRoleCredentialsMessage", "IAMRoleCredentialsAckRequest", "AttachTaskNetworkInterfacesMessage",
		"AttachInstanceNetworkInterfacesMessage", "ConfirmAttachmentMessage",
		"StageUpdateMessage", "PerformUpdateMessage", "CloseMessage", "ErrorMessage", "PublishMetricsRequest",
		"PublishHealthRequest", "PublishInstanceStatusRequest", "AckPublishMetric", "AckPublishHealth",
		"AckPublishInstanceStatus", "StopTelemetrySessionMessage", "BerthHostsMessage",
	} {
		for _, frame := range []string{`{"type":"` + name + `"}`, `{"type":"` + name + `","message":{}}`} {
			m, err := Decode([]byte(frame))
			if err != nil {
				t.Errorf("%s: %v", frame, err)
				continue
			}
			if _, unknown := m.(*Unknown); unknown || m.MessageType() != name {
				t.Errorf("%s is a %T of type %s", frame, m, m.MessageType())
			}
			again, err := Encode(m)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if back, err := Decode(again); err != nil || !reflect.DeepEqual(back, m) {
				t.Errorf("%s comes back as %+v, %v", name, back, err)
			}
		}
		if _, err := Decode([]byte(`{"type":"` + name + `","message":[]}`)); err == nil ||
			!strings.Contains(err.Error(), "decoding "+name) {
			t.Errorf("a list for a body of %s: %v", name, err)
		}
	}
}

// A frame without an envelope is refused. A body of an unknown type is encoded unchanged, and a missing body
// does not become an empty one.
func TestEnvelopes(t *testing.T) {
	for _, bad := range []string{
		``, `[]`, `"text"`, `{}`, `{"message":{}}`, `{"type":""}`, `{"type":7}`, `{"type":"AckRequest"`,
	} {
		if m, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q is read as %T", bad, m)
		}
	}
	for frame, want := range map[string]string{
		`{"type":"NewMessage","message":{"a":[1, 2]}}`: `{"type":"NewMessage","message":{"a":[1,2]}}`,
		`{"type":"NewMessage"}`:                        `{"type":"NewMessage","message":{}}`,
	} {
		m, err := Decode([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(m); err != nil || string(got) != want {
			t.Errorf("%s goes out as %s, %v", frame, got, err)
		}
	}
	if _, err := Encode(&PublishMetrics{
		Tasks: []TaskMetric{{Containers: []ContainerMetric{{CPU: &StatsSet{Max: math.NaN()}}}}},
	}); err == nil ||
		!strings.HasPrefix(err.Error(), "encoding PublishMetricsRequest: ") {
		t.Errorf("a measurement that is not a number: %v", err)
	} else if _, ok := errors.AsType[*json.UnsupportedValueError](err); !ok {
		t.Errorf("the cause is lost: %v", err)
	}
}

// The zero time is encoded as null and decoded from null, so that an event that has not happened does not get
// a date in 1970.
func TestNoTimeIsNull(t *testing.T) {
	if data, err := json.Marshal(Time{}); err != nil || string(data) != "null" {
		t.Errorf("the zero time is %s, %v", data, err)
	}
	kept := At(time.Unix(7, 0))
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept.Unix() != 7 {
		t.Errorf("null becomes %v, %v", kept, err)
	}
}
