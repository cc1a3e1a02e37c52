package acs

import "time"

// The rules of a session (ecs-agent.md 4.4 and 9), for both ends.
const (
	// HeartbeatEvery is how often the control plane sends a Heartbeat on ACS.
	HeartbeatEvery = 20 * time.Second
	// HeartbeatLost is how long the agent may be silent before the control plane ends the session: three
	// heartbeats without an answer.
	HeartbeatLost = 3 * HeartbeatEvery
	// SilenceLimit, plus up to SilenceJitter, is how long the agent waits for a known message before it
	// connects again, on both services.
	SilenceLimit  = 60 * time.Second
	SilenceJitter = 60 * time.Second
	// ConnectionAge plus up to ConnectionAgeJitter is how long an agent keeps one
	// ACS connection.
	ConnectionAge       = 30 * time.Minute
	ConnectionAgeJitter = 5 * time.Minute
	// InactiveWait is how long an agent waits after it was refused with InactiveInstanceException.
	InactiveWait = time.Hour
	// PublishEvery is the period of measurements and health on TCS.
	PublishEvery = 20 * time.Second
	// EndpointsFor is how long an answer of DiscoverPollEndpoint is used.
	EndpointsFor = 12 * time.Hour
	// MaxFrame is the longest frame either end accepts, in bytes.
	MaxFrame = 4 << 20
)

// Close codes after which the agent reconnects at once, without a back-off.
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeAbnormal  = 1006
	closeInternal  = 1011
)

// ReconnectAtOnce tells whether a session that ended with the websocket close
// code is taken up again without waiting. A plain loss of the connection counts
// as 1006.
func ReconnectAtOnce(code int) bool {
	switch code {
	case closeNormal, closeGoingAway, closeAbnormal, closeInternal:
		return true
	}
	return false
}

// InactiveInstance is the error that says that the container instance was deregistered.
const InactiveInstance = "InactiveInstanceException"

// Backoff computes pauses that grow by Factor from First to Most, with a random deviation of Jitter (0.2 is ±20
// %). With zero failures the pause is First.
type Backoff struct {
	First, Most    time.Duration
	Factor, Jitter float64
}

// SessionBackoff is the back-off of the agent's ACS connection.
func SessionBackoff() Backoff {
	return Backoff{First: 250 * time.Millisecond, Most: 2 * time.Minute, Factor: 1.5, Jitter: 0.2}
}

// TelemetryBackoff is the back-off of the agent's TCS connection.
func TelemetryBackoff() Backoff {
	return Backoff{First: time.Second, Most: time.Minute, Factor: 1.5, Jitter: 0.2}
}

// Wait returns how long to wait after a number of consecutive failures. r, a random number in [0,1), selects
// the deviation.
func (b Backoff) Wait(failures int, r float64) time.Duration {
	wait := float64(b.First)
	for range failures {
		wait *= b.Factor
		if wait >= float64(b.Most) {
			wait = float64(b.Most)
			break
		}
	}
	return time.Duration(wait * (1 - b.Jitter + 2*b.Jitter*r))
}

// Jittered returns base plus the fraction r, in [0,1), of jitter.
func Jittered(base, jitter time.Duration, r float64) time.Duration {
	return base + time.Duration(float64(jitter)*r)
}
