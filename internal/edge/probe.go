package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// eager is how often a target that was never healthy is probed, in addition to its interval, so that it gets
// requests as soon as possible. Failures of these probes do not count (decision 0153).
const eager = time.Second

// probe checks the health of one registration of a target.
type probe struct {
	u          *upstream
	check      elb.HealthCheck
	group      *group
	slowStart  time.Duration
	registered time.Time
	cancel     context.CancelFunc
}

// startProbe starts probing, again if the settings have changed.
func (u *upstream) startProbe(ctx context.Context, g *route.Group, registered time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.probe; p != nil && p.check == g.HealthCheck && p.slowStart == g.SlowStart &&
		p.registered.Equal(registered) {
		return
	}
	if u.probe != nil {
		u.probe.cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &probe{u: u, check: g.HealthCheck, group: u.edge.group(g.ARN), slowStart: g.SlowStart,
		registered: registered, cancel: cancel}
	u.probe = p
	u.edge.probes.Go(func() { p.run(ctx) })
}

func (u *upstream) stopProbe() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.probe != nil {
		u.probe.cancel()
		u.probe = nil
	}
}

// run sends a probe at every interval, measured from start to start (alb.md H2).
func (p *probe) run(ctx context.Context) {
	interval := time.Duration(p.check.IntervalSeconds) * time.Second
	var counted time.Time
	for {
		began := time.Now()
		v := p.look(ctx)
		if ctx.Err() != nil {
			return
		}
		counts := v.ok || began.Sub(counted) >= interval
		if counts {
			counted = began
		}
		next := began.Add(interval)
		if state := p.u.judge(p, v, counts); state == elb.Initial {
			next = began.Add(min(eager, interval))
		}
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
	}
}

// verdict is the result of one probe.
type verdict struct {
	ok                  bool
	reason, description string
}

// look sends one probe over a new connection (alb.md H1, H7, H9).
func (p *probe) look(ctx context.Context) verdict {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.check.TimeoutSeconds)*time.Second)
	defer cancel()
	status, err := p.get(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || isDialTimeout(err) || isTimeout(err)):
		return verdict{false, elb.ReasonTimeout, "Request timed out"}
	case err != nil:
		return verdict{false, elb.ReasonFailedChecks, "Health checks failed"}
	}
	if m, err := elb.ParseMatcher(p.check.Matcher); err != nil || !m.Matches(status) {
		return verdict{false, elb.ReasonCodeMismatch, "Health checks failed with these codes: [" +
			strconv.Itoa(status) + "]"}
	}
	return verdict{ok: true}
}

func (p *probe) get(ctx context.Context) (status int, err error) {
	address := p.address()
	nc, err := p.u.edge.cfg.Dial(ctx, address)
	if err != nil {
		return 0, err
	}
	socket := nc
	defer socket.Close()                                                           // the probe is over
	stop := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) }) // interrupts reads and writes
	defer stop()
	if p.check.Protocol == elb.HTTPS {
		secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		if err := secure.HandshakeContext(ctx); err != nil {
			return 0, err
		}
		nc = secure
	}
	_, err = nc.Write([]byte("GET " + p.check.Path + " HTTP/1.1\r\nHost: " + address +
		"\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n"))
	if err != nil {
		return 0, err
	}
	br := p.u.edge.buf.reader(nc)
	defer p.u.edge.buf.putReader(br)
	return finalStatus(br, time.Duration(p.check.TimeoutSeconds)*time.Second)
}

// finalStatus reads heads until one is not interim.
func finalStatus(br *bufio.Reader, limit time.Duration) (int, error) {
	var res h1.Response
	var interim interims
	for {
		err := h1.ReadResponse(br, "GET", &res)
		switch {
		case err != nil:
			return 0, err
		case res.Status == 101:
			return 0, errors.New("101 to a probe")
		case res.Status >= 200:
			return res.Status, nil
		}
		if err := interim.add(&res, time.Now(), limit); err != nil {
			return 0, err
		}
	}
}

func (p *probe) address() string {
	if p.check.Port == elb.TrafficPort {
		return p.u.address
	}
	at, err := netip.ParseAddrPort(p.u.address)
	if err != nil {
		return p.u.address
	}
	return net.JoinHostPort(at.Addr().String(), p.check.Port)
}

// streak counts consecutive probes with the same result.
type streak struct{ good, bad int }

// next returns the state after one more probe (alb.md H3-H5): one success makes a new target healthy; later
// changes need several successes or failures in a row.
func (s *streak) next(state string, check elb.HealthCheck, ok bool) string {
	if ok {
		s.good, s.bad = s.good+1, 0
		if state == elb.Initial || s.good >= check.HealthyThreshold {
			return elb.Healthy
		}
		return state
	}
	s.good, s.bad = 0, s.bad+1
	if s.bad >= check.UnhealthyThreshold {
		return elb.Unhealthy
	}
	return state
}

// setRegistration starts the health of t's registration. known is what was reported of it before this edge was
// started.
func (u *upstream) setRegistration(t *route.Target, known elb.Verdict, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.health.Key != "" && u.health.Registered.Equal(t.Registered) {
		return
	}
	u.streak = streak{}
	u.health = elb.Verdict{Key: t.Key, Registered: t.Registered, State: elb.Initial, Reason: elb.ReasonRegistration,
		Description: "Target registration is in progress", Since: now}
	if known.Key == t.Key && known.Registered.Equal(t.Registered) && known.State != "" {
		u.health, u.reported = known, known
	}
}

// judge applies the result of a probe and returns the new state.
func (u *upstream) judge(p *probe, v verdict, counts bool) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.probe != p {
		return u.health.State // it was about an earlier registration
	}
	before := u.health
	if u.health.Reason == elb.ReasonRegistration {
		u.health.Reason, u.health.Description = elb.ReasonInitialChecks, "Initial health checks in progress"
	}
	if counts {
		u.health.State = u.streak.next(before.State, p.check, v.ok)
	}
	switch u.health.State {
	case elb.Healthy:
		u.health.Reason, u.health.Description = "", ""
	case elb.Unhealthy:
		if !v.ok {
			u.health.Reason, u.health.Description = v.reason, v.description
		}
	}
	if u.health.State != before.State {
		u.health.Since, u.health.SlowStart = time.Now(), time.Time{}
		if u.health.State == elb.Healthy && p.slowStart > 0 && hasFullShare(p.group.now.Load(), u.key) {
			u.health.SlowStart = u.health.Since
		}
	}
	if u.health != before {
		u.edge.notice(u)
	}
	return u.health.State
}

// hasFullShare reports whether the group has another healthy target that takes its full share. Only then is
// there a reason for slow start (alb.md S2).
func hasFullShare(g *route.Group, key string) bool {
	return g != nil && slices.ContainsFunc(g.Registered, func(t *route.Target) bool {
		return t.Key != key && t.State == elb.Healthy &&
			(t.SlowStart.IsZero() || time.Since(t.SlowStart) >= g.SlowStart)
	})
}

// knownToBe notes what the control plane knows of the target.
func (u *upstream) knownToBe(h elb.Verdict) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reported = h
}

// currentHealth returns the health as of now.
func (u *upstream) currentHealth() elb.Verdict {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.health
}

// unreported returns the health if it has changed since the last report.
func (u *upstream) unreported() (h elb.Verdict, changed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.health.Drained = u.draining && u.busy.Load() == 0
	changed = u.health != u.reported
	u.reported = u.health
	return u.health, changed
}
