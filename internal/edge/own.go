package edge

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// bindOwn opens the addresses that belong to one load balancer of the table, and closes those that are not in
// it any more. Failures are tried again with those of ports.
func (e *Edge) bindOwn(t *route.Table) {
	want := map[netip.AddrPort]bool{}
	for _, at := range t.OwnAddresses() {
		want[at] = true
		if p := e.own[at]; p == nil || p.listener == nil {
			e.openOwn(at, t)
		}
	}
	for at, p := range e.own {
		if !want[at] {
			p.close()
			delete(e.own, at)
		}
	}
}

func (e *Edge) openOwn(at netip.AddrPort, t *route.Table) {
	number := int(at.Port())
	p := &port{number: number, own: at, address: at.String(), since: time.Now()}
	old := e.own[at]
	e.own[at] = p
	l, err := e.cfg.Listen(p.address)
	if err != nil {
		p.reason = whyNot(err)
		if old == nil || old.reason != p.reason {
			e.log.Warn("containers do not reach a listener", "address", p.address, "reason", p.reason)
		}
		return
	}
	p.bound, p.listener = number, l
	var config *tls.Config
	if t.Own(at).TLS {
		config = e.tlsConfig(func(t *route.Table) []*route.Listener {
			if l := t.Own(at); l != nil {
				return []*route.Listener{l}
			}
			return nil
		})
	}
	e.work.Go(func() { e.accept(p, l, config) })
}

// find returns the listener for a request with this host on this connection, or nil if it was deleted.
func (c *client) find(t *route.Table, host string) *route.Listener {
	if c.own.IsValid() {
		return t.Own(c.own)
	}
	return t.Listener(c.port, host)
}
