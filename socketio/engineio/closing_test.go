package engineio_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
)

// upgrading is a polling session during its upgrade to a WebSocket.
type upgrading struct {
	r *rig
	t *testing.T
	q string  // of its requests
	w *socket // its candidate
	s *engineio.Session
}

func (u *upgrading) connect() {
	u.w = u.r.dial(strings.Replace(u.q, "polling", "websocket", 1))
}

func (u *upgrading) probe() {
	u.connect()
	u.say("2probe")
	u.w.want("3probe")
}

func (u *upgrading) say(text string) {
	u.t.Helper()
	if err := u.w.Send(text); err != nil {
		u.t.Fatal(err)
	}
}

func (u *upgrading) poll(want string) {
	u.t.Helper()
	if _, body, _ := u.r.do("GET", u.q, ""); body != want {
		u.t.Errorf("a poll got %q, want %q", body, want)
	}
}

func (u *upgrading) send(text string) {
	u.s.Send(engineio.Seal(append(engineio.NewBuffer(len(text)), text...)))
}

// When a session ends during an upgrade, its client gets everything that was sent to it and then notices the end.
// before brings the client to a stage of the upgrade, and after is what it does next.
func TestClosingAtEveryStageOfAnUpgrade(t *testing.T) {
	for _, stage := range []struct {
		name          string
		before, after func(*upgrading)
	}{
		{"polling", func(*upgrading) {}, func(u *upgrading) {
			u.poll("4last")
			u.poll("1")
		}},
		{"connected", (*upgrading).connect, func(u *upgrading) {
			u.w.want("closed")
			u.poll("4last")
			u.poll("1")
		}},
		{"probed, and the poll is on its way", (*upgrading).probe, func(u *upgrading) {
			u.poll("4last")
			u.say("5")
			u.w.want("closed")
		}},
		{"probed, and polling has stopped", (*upgrading).probe, func(u *upgrading) {
			u.say("5")
			u.w.want("4last")
			u.w.want("closed")
		}},
		{"probed, and it goes back to polling", (*upgrading).probe, func(u *upgrading) {
			u.poll("4last")
			u.poll("1")
			u.w.want("closed")
		}},
		{"probed, and something else is said", (*upgrading).probe, func(u *upgrading) {
			u.say("4x")
			u.w.want("closed")
			u.poll("4last")
			u.poll("1")
		}},
		{"changed", func(u *upgrading) {
			u.probe()
			u.say("5")
			u.say("4echo")
			u.w.want("4echo")
		}, func(u *upgrading) {
			u.w.want("4last")
			u.w.want("closed")
		}},
	} {
		for way, leave := range map[string]func(*rig, *engineio.Session){
			"session closed": func(_ *rig, s *engineio.Session) { s.Close() },
			"server drained": func(r *rig, _ *engineio.Session) {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_ = r.srv.Drain(ctx, 0) // closes the session and does not wait
			},
		} {
			t.Run(stage.name+", "+way, func(t *testing.T) {
				r := start(t, engineio.Options{})
				u := &upgrading{r: r, t: t, q: r.open()}
				u.s = r.session()
				stage.before(u)
				u.send("last")
				leave(r, u.s)
				want := engineio.ReasonForcedClose
				if way == "server drained" {
					want = engineio.ReasonShutdown
				}
				if why := r.reason(); why != want {
					t.Error(why)
				}
				stage.after(u)
				if err := r.srv.Drain(t.Context(), 0); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Close waits for a client that is about to change to its WebSocket.
func TestServerClosesDuringAnUpgrade(t *testing.T) {
	r := start(t, engineio.Options{})
	u := &upgrading{r: r, t: t, q: r.open()}
	u.probe()
	closed := make(chan struct{})
	go func() {
		r.srv.Close()
		close(closed)
	}()
	r.reason()
	u.say("5")
	u.w.want("closed")
	<-closed
}

// A session that fails when its client has stopped polling ends on the WebSocket of the upgrade.
func TestFailureDuringAnUpgrade(t *testing.T) {
	r := start(t, engineio.Options{UpgradeTimeout: time.Minute})
	u := &upgrading{r: r, t: t, q: r.open()}
	u.s = r.session()
	u.probe()
	u.send("lost")
	u.s.Fail(engineio.ReasonSlow)
	r.reason()
	u.say("5")
	u.w.want("closed")
}
