package engineio

import (
	"testing"
	"testing/synctest"
	"time"
)

// The time for a pong begins when the ping was due, even if a busy server sends the ping late, so that a dead client is
// not kept for longer. A client always has at least half of the time.
func TestPongCountsFromWhenThePingWasDue(t *testing.T) {
	const interval, timeout = 300 * time.Millisecond, 200 * time.Millisecond
	for late, want := range map[time.Duration]time.Duration{
		0:                      interval + timeout,
		50 * time.Millisecond:  interval + timeout,
		150 * time.Millisecond: interval + 150*time.Millisecond + timeout/2,
		10 * time.Second:       interval + 10*time.Second + timeout/2,
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := New(Options{PingInterval: interval, PingTimeout: timeout}, nil)
			defer srv.Close()
			start := time.Now()
			s := &Session{srv: srv}
			ended := make(chan time.Duration, 1)
			s.recv = endReceiver(func() { ended <- time.Since(start) })
			s.timer = time.AfterFunc(time.Hour, s.beat)
			s.scheduleBeat()
			s.timer.Reset(interval + late)
			if got := <-ended; got != want {
				t.Errorf("a ping %v late: ended after %v, want %v", late, got, want)
			}
		})
	}
}

// A paused session does not end because its pongs are not read. After Resume the client has PingTimeout to answer.
func TestPausedSessionsDoNotTimeOut(t *testing.T) {
	const interval, timeout = 300 * time.Millisecond, 200 * time.Millisecond
	for name, c := range map[string]struct {
		answers bool
		ends    time.Duration // after Resume
	}{
		"no pong comes": {false, timeout},
		"one pong":      {true, interval + timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := New(Options{PingInterval: interval, PingTimeout: timeout}, nil)
				defer srv.Close()
				s := &Session{srv: srv}
				ended := make(chan time.Time, 1)
				s.recv = endReceiver(func() { ended <- time.Now() })
				s.timer = time.AfterFunc(interval, s.beat)
				s.Pause()
				time.Sleep(100*timeout + time.Millisecond) // between two heartbeats
				s.mu.Lock()
				pings := len(s.queue)
				s.mu.Unlock()
				s.Resume()
				resumed := time.Now()
				if c.answers {
					s.pong()
				}
				if after := (<-ended).Sub(resumed); pings < 50 || after != c.ends {
					t.Errorf("%d pings while paused; ended %v after Resume, want %v", pings, after, c.ends)
				}
			})
		})
	}
}

type endReceiver func()

func (endReceiver) Message([]byte, bool) error { return nil }
func (f endReceiver) Closed(Reason)            { f() }
