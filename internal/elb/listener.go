package elb

import (
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Protocols of listeners and target groups.
const (
	HTTP  = "HTTP"
	HTTPS = "HTTPS"
)

// Listener is a port of a load balancer. Its key is its ARN; its default actions are those of its default rule.
type Listener struct {
	ARN             string
	LoadBalancerARN string
	Protocol        string // HTTP or HTTPS
	Port            int    // 1-65535, unique per load balancer
	SSLPolicy       string // HTTPS only
	// Certificates are ARNs, the default certificate first; HTTPS only.
	Certificates []string
	Created      time.Time
	// Attributes holds only what was set; read through Attribute.
	Attributes map[string]string
	Tags       tag.Set
}

// Attribute returns the value of an attribute, or its default.
func (l *Listener) Attribute(key string) string {
	if v, ok := l.Attributes[key]; ok {
		return v
	}
	return ListenerAttributes.Default(key)
}

// BoundListener is where the edges really serve a listener. Its key is the listener's ARN. Written by publish alone.
type BoundListener struct {
	ListenerARN string
	Bound
	// Edges is where each edge serves it, by the edge's id. It is empty while one edge serves.
	Edges map[string]Bound `json:",omitempty"`
}
