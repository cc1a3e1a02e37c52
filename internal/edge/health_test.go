package edge

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// A target's health changes as in alb.md H1-H5 and H9, with interval 30, healthy threshold 5 and unhealthy threshold 2.
func TestHealthStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.check(func(h *elb.HealthCheck) { h.Path = "/health?x=1" })
		key := f.unseen("tg", "10.0.0.1:80")
		probes := p.serve("10.0.0.1:80", ok)
		probes.set("close")
		f.apply()
		after := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := f.states(key); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		initial := "initial Elb.InitialHealthChecking Initial health checks in progress"
		after(20*time.Second, initial)
		probes.set("200 OK")
		after(time.Second, "healthy") // alb.md H3: one success is enough, and a new target is probed at once
		// alb.md H1
		if r := probes.last; r.Host != "10.0.0.1:80" || r.URL.String() != "/health?x=1" ||
			r.Header.Get("Connection") != "close" || r.ProtoMinor != 1 {
			t.Errorf("probe %v %v", r, r.Header)
		}
		probes.set("500 no")
		after(30*time.Second, "healthy") // alb.md H4: one failure is not enough
		after(30*time.Second, "unhealthy Target.ResponseCodeMismatch Health checks failed with these codes: [500]")
		probes.set("")
		after(31*time.Second+4*time.Second, "unhealthy Target.Timeout Request timed out")
		probes.set("close")
		after(30*time.Second, "unhealthy Target.FailedHealthChecks Health checks failed")
		probes.set("200 OK")
		after(4*30*time.Second, "unhealthy Target.FailedHealthChecks Health checks failed")
		after(30*time.Second, "healthy") // alb.md H4: five in a row
	})
}

func TestNewTargetThatNeverAnswers(t *testing.T) { // alb.md H5
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		key := f.unseen("tg", "10.0.0.1:80")
		p.serve("10.0.0.1:80", ok).set("close")
		f.apply()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if f.reported(key).State != elb.Initial {
			t.Error("failures between intervals counted")
		}
		conn, br := p.connect(t)
		if status, _ := ask(t, conn, br, simpleGet); status != 503 { // alb.md F6
			t.Errorf("%d from a group whose targets are all initial", status)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if f.reported(key).State != elb.Unhealthy {
			t.Errorf("state %s", f.reported(key).State)
		}
		if status, _ := ask(t, conn, br, simpleGet); status != 200 { // alb.md F1
			t.Errorf("%d from a group whose targets are all unhealthy", status)
		}
	})
}

func TestProbesAreStartToStart(t *testing.T) { // alb.md H2
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.target("tg", "10.0.0.1:80")
		probes := p.serve("10.0.0.1:80", ok)
		slow := p.targets["10.0.0.1:80"]
		p.targets["10.0.0.1:80"] = func(c net.Conn) { time.Sleep(3 * time.Second); slow(c) }
		f.apply()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for i := range len(probes.times) - 1 {
			if gap := probes.times[i+1].Sub(probes.times[i]); gap != 30*time.Second {
				t.Errorf("gap %v", gap)
			}
		}
		if len(probes.times) < 9 {
			t.Errorf("%d probes", len(probes.times))
		}
	})
}

func TestUnhealthyTargetGetsNothingButKeepsItsConnections(t *testing.T) { // alb.md D5
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.idle("4000")
		sick := f.target("tg", "10.0.0.1:80")
		f.target("tg", "10.0.0.2:80")
		probes := p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			io.Copy(c, c)
		})
		p.serve("10.0.0.2:80", ok)
		f.apply()
		ws, wsBR := p.connect(t)
		io.WriteString(ws, upgradeRequest+"\r\n")
		if res, err := http.ReadResponse(wsBR, nil); err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		probes.set("503 sick")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if f.reported(sick).State != elb.Unhealthy {
			t.Fatal("not unhealthy")
		}
		conn, br := p.connect(t)
		for range 4 {
			if status, _ := ask(t, conn, br, simpleGet); status != 200 {
				t.Errorf("%d", status)
			}
		}
		io.WriteString(ws, "alive")
		expect(t, wsBR, "alive")
		ws.Close()
	})
}

func TestRegisteredAnewIsInitialAgain(t *testing.T) { // alb.md T7
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		key := f.target("tg", "10.0.0.1:80")
		p.serve("10.0.0.1:80", ok).set("")
		f.apply()
		f.drain(key, time.Minute)
		f.apply()
		f.config.Targets[0].Draining, f.config.Targets[0].DrainUntil = time.Time{}, time.Time{}
		f.config.Targets[0].Registered = time.Unix(2, 0)
		f.apply()
		synctest.Wait()
		if h := f.reported(key); h.State != elb.Initial || h.Drained || !h.Registered.Equal(time.Unix(2, 0)) {
			t.Errorf("%+v", h)
		}
	})
}

func TestSlowStartNeedsSomebodyBeside(t *testing.T) { // alb.md S2
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.config.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "60"}
		var keys []string
		for _, a := range []string{"10.0.0.1:80", "10.0.0.2:80"} {
			p.serve(a, ok)
			keys = append(keys, f.unseen("tg", a))
			f.apply()
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		if first, second := f.reported(keys[0]).SlowStart, f.reported(keys[1]).SlowStart; !first.IsZero() ||
			second.IsZero() {
			t.Errorf("slow starts at %v and %v", first, second)
		}
	})
}
