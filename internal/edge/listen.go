package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// displacement is added to the number of a port that cannot be bound.
const displacement = 8000

// port is a socket that the listeners of one port number share.
type port struct {
	number   int
	own      netip.AddrPort // of the load balancer to which the address belongs; invalid for shared addresses
	bound    int            // the bound port; 0 if it could not be bound
	address  string
	reason   string
	listener net.Listener
	since    time.Time
	reported map[string]bool // listener ARNs
}

// bind opens the ports that are new in the table, and closes those that are not in it any more. Connections
// accepted on a closed port live until their next request.
func (e *Edge) bind(t *route.Table) {
	e.bindOwn(t)
	want := map[int]bool{}
	for _, number := range t.Ports() {
		want[number] = true
		if p := e.ports[number]; p == nil || p.listener == nil {
			e.open(number, t)
		}
	}
	for number, p := range e.ports {
		if !want[number] {
			p.close()
			delete(e.ports, number)
		}
	}
}

// open binds a port, or the port displacement above it if that fails.
func (e *Edge) open(number int, t *route.Table) {
	old := e.ports[number]
	p := &port{number: number, since: time.Now(), reported: map[string]bool{}}
	l, err := e.cfg.Listen(net.JoinHostPort(e.cfg.Addr, strconv.Itoa(number)))
	if err == nil {
		p.bound = number
	} else if elsewhere := number + displacement; elsewhere <= 65535 {
		p.reason = fmt.Sprintf("port %d could not be bound (%s); it is served at port %d", number,
			whyNot(err), elsewhere)
		if l, err = e.cfg.Listen(net.JoinHostPort(e.cfg.Addr, strconv.Itoa(elsewhere))); err == nil {
			p.bound = elsewhere
		}
	}
	if err != nil {
		p.reason = fmt.Sprintf("port %d could not be bound (%s), nor could port %d; it is not served", number,
			whyNot(err), number+displacement)
		if old != nil && old.reason == p.reason {
			return
		}
		e.log.Warn("a listener is not served", "port", number, "reason", p.reason)
		e.ports[number] = p
		return
	}
	p.address, p.listener = net.JoinHostPort(e.cfg.Addr, strconv.Itoa(p.bound)), l
	e.ports[number] = p
	log := e.log.With("port", number, "address", p.address)
	if p.reason != "" {
		log = log.With("reason", p.reason)
	}
	log.Info("listening")
	var config *tls.Config
	if t.TLS(number) {
		config = e.tlsConfig(func(t *route.Table) []*route.Listener { return t.On(number) })
	}
	e.work.Go(func() { e.accept(p, l, config) })
}

// whyNot returns words for the usual errors of binding.
func whyNot(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return "permission denied"
	case errors.Is(err, syscall.EADDRINUSE):
		return "address already in use"
	}
	return err.Error()
}

func (p *port) close() {
	if p.listener != nil {
		p.listener.Close() // ends its accept loop
	}
}

// unreported adds where the port's listeners are served, for those that were not reported yet.
func (p *port) unreported(t *route.Table, out map[string]elb.Bound) {
	for _, l := range t.On(p.number) {
		if !p.reported[l.ARN] {
			p.reported[l.ARN] = true
			out[l.ARN] = elb.Bound{Address: p.address, Reason: p.reason, Since: p.since}
		}
	}
}

func (e *Edge) accept(p *port, l net.Listener, config *tls.Config) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// No file descriptors are left, or the client has left: try the next one.
			e.log.Warn("accept", "port", p.number, "error", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		e.work.Go(func() { e.serve(nc, p, config) })
	}
}

// tlsConfig answers with the certificates of the listeners as of each handshake.
func (e *Edge) tlsConfig(listeners func(*route.Table) []*route.Listener) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			var first *tls.Certificate
			for _, l := range listeners(e.live.Load().table) {
				for _, arn := range l.Certificates {
					c, ok := e.certificate(arn)
					if ok && hello.ServerName != "" && hello.SupportsCertificate(c) == nil {
						return c, nil
					}
					if ok && first == nil {
						first = c
					}
				}
			}
			if first == nil {
				return nil, errors.New("no certificate")
			}
			return first, nil
		}}
}

func (e *Edge) certificate(arn string) (*tls.Certificate, bool) {
	if e.cfg.Certificate == nil {
		return nil, false
	}
	return e.cfg.Certificate(arn)
}
