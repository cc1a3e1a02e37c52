package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// eager is how often a target that was never found healthy is probed, besides its interval, so that it serves as soon as it can.
// Failures of these probes do not count (decision 0153).
const eager = time.Second

// probe looks after the health of one registration of a target.
type probe struct {
	u          *upstream
	check      elb.HealthCheck
	group      string
	slowStart  time.Duration
	registered time.Time
	cancel     context.CancelFunc
}

// startProbe begins to probe, anew if what is to be probed has changed.
func (u *upstream) startProbe(ctx context.Context, g *route.Group, registered time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.probe; p != nil && p.check == g.HealthCheck && p.slowStart == g.SlowStart && p.registered.Equal(registered) {
		return
	}
	if u.probe != nil {
		u.probe.cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &probe{u: u, check: g.HealthCheck, group: g.ARN, slowStart: g.SlowStart, registered: registered, cancel: cancel}
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

// run probes at every interval, start to start, however long the answers take (alb.md H2).
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

// verdict is what one probe found.
type verdict struct {
	ok                  bool
	reason, description string
}

// look sends one probe over a connection of its own (alb.md H1, H7, H9).
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
		return verdict{false, elb.ReasonCodeMismatch, "Health checks failed with these codes: [" + strconv.Itoa(status) + "]"}
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
	defer socket.Close()                                                           // nothing more is wanted of it
	stop := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) }) // ends whatever is waited for
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

// finalStatus reads heads until the one that is not interim.
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

// streak counts probes of one kind in a row.
type streak struct{ good, bad int }

// next returns the state that follows from one more probe (alb.md H3-H5): one success makes a new target healthy; later ones must come
// in a row, and so must failures.
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

// setRegistration makes the health that of t's registration. known is what was reported of it before this edge was started.
func (u *upstream) setRegistration(t *route.Target, known elb.TargetHealth, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.health.Key != "" && u.health.Registered.Equal(t.Registered) {
		return
	}
	u.streak = streak{}
	u.health = elb.TargetHealth{Key: t.Key, Registered: t.Registered, State: elb.Initial, Reason: elb.ReasonRegistration,
		Description: "Target registration is in progress", Since: now}
	if known.Key == t.Key && known.Registered.Equal(t.Registered) && known.State != "" {
		u.health, u.told = known, known
	}
}

// judge takes in what a probe found and returns the state that is now.
func (u *upstream) judge(p *probe, v verdict, counts bool) string {
	fullShare := u.edge.hasFullShare(p.group, u.key)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.probe != p {
		return u.health.State // it was about what is no more
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
		if u.health.State == elb.Healthy && p.slowStart > 0 && fullShare {
			u.health.SlowStart = u.health.Since
		}
	}
	if u.health != before {
		u.edge.notice()
	}
	return u.health.State
}

// hasFullShare reports whether the group has a healthy target other than the one that takes its full share: only then is there anything
// to start slowly beside (alb.md S2).
func (e *Edge) hasFullShare(group, key string) bool {
	for _, g := range e.live.Load().table.Groups {
		if g.ARN != group {
			continue
		}
		for _, t := range g.Registered {
			if t.Key != key && t.State == elb.Healthy && (t.SlowStart.IsZero() || time.Since(t.SlowStart) >= g.SlowStart) {
				return true
			}
		}
	}
	return false
}

// currentHealth is the health as of now.
func (u *upstream) currentHealth() elb.TargetHealth {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.health
}

// unreported returns the health if the reporter was not told of it.
func (u *upstream) unreported() (h elb.TargetHealth, changed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.health.Drained = u.draining && u.busy.Load() == 0
	changed = u.health != u.told
	u.told = u.health
	return u.health, changed
}
