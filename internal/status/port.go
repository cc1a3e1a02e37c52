package status

import (
	"cmp"
	"fmt"
	"net"
	"strings"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// port is a port that listeners of several load balancers may share. The edge selects the load balancer by
// the Host header. If the header has no known name, it selects the one that was created first.
type port struct {
	first    *elb.Listener
	balancer *elb.LoadBalancer // of first
	named    map[string]int    // how many load balancers have the name
}

func portsOf(t *state.Tables) map[int]*port {
	ports := map[int]*port{}
	for l := range t.Listeners.All() {
		lb, ok := t.LoadBalancers.Get(l.LoadBalancerARN)
		if !ok {
			continue
		}
		p := ports[l.Port]
		if p == nil {
			p = &port{named: map[string]int{}}
			ports[l.Port] = p
		}
		p.named[lb.Name]++
		if p.first == nil || cmp.Or(lb.Created.Compare(p.balancer.Created), cmp.Compare(lb.ARN, p.balancer.ARN)) < 0 {
			p.first, p.balancer = l, lb
		}
	}
	return ports
}

// hostFor returns the name by which a listener is reached at an address of this machine, or "" if the address
// alone is enough. Names under .localhost resolve to 127.0.0.1; for another address, notice says which Host
// header to send.
func (p *port) hostFor(l *elb.Listener, lb *elb.LoadBalancer, address string) (name, notice string) {
	if p == nil || p.first == l {
		return "", ""
	}
	name = strings.ToLower(lb.Name) + ".localhost"
	if p.named[lb.Name] > 1 {
		name = strings.ToLower(lb.DNSName) + ".localhost"
	}
	if host, _, err := net.SplitHostPort(address); err == nil && host != "127.0.0.1" {
		return "", fmt.Sprintf("send the header Host: %s; without it, requests to this address reach load balancer %s",
			name, p.balancer.Name)
	}
	return name, ""
}

// urlOf returns the URL of an address. If name is not "", the URL has it instead of the address's host.
func urlOf(protocol, address, name string) string {
	scheme, standard := "http", "80"
	if protocol == "HTTPS" {
		scheme, standard = "https", "443"
	}
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("%s://%s", scheme, address)
	}
	host = cmp.Or(name, host)
	if number == standard {
		return fmt.Sprintf("%s://%s", scheme, host)
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, number))
}
