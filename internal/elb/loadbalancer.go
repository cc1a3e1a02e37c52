package elb

import (
	"iter"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Schemes of a load balancer.
const (
	SchemeInternetFacing = "internet-facing"
	SchemeInternal       = "internal"
)

// denyIGW is the one attribute whose default depends on the load balancer: an internal one lets no
// IPv6 traffic of an internet gateway in (alb.md 8.4).
const denyIGW = "ipv6.deny_all_igw_traffic"

// StateActive is the only state of a load balancer here: the edge serves it from the moment the answer leaves.
const StateActive = "active"

// LoadBalancer is an application load balancer. Its key is its ARN.
type LoadBalancer struct {
	ARN     string
	Name    string
	DNSName string
	// Scheme is SchemeInternetFacing or SchemeInternal; both are served on the edge's address.
	Scheme        string
	VPCID         string
	IPAddressType string
	Zones         []Zone
	// SecurityGroups is stored and returned; the edge listens on the machine's own addresses, which
	// groups do not guard.
	SecurityGroups []string
	Created        time.Time
	// Slot numbers the load balancer among those of the server, from 1 on: containers reach it at
	// the gateway's address of that number. It is 0 when all numbers were taken.
	Slot int `json:",omitempty"`
	// Attributes holds only what was set; read through Attribute or Settings.
	Attributes map[string]string
	Tags       tag.Set
}

// MetricName returns the part of the ARN of a load balancer or target group that CloudWatch uses in dimensions:
// app/NAME/ID or targetgroup/NAME/ID (alb.md 9.4).
func MetricName(arn string) string {
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	return strings.TrimPrefix(resource, "loadbalancer/")
}

// Zone is an Availability Zone a load balancer was given, by one of its subnets.
type Zone struct{ Name, SubnetID string }

// Attribute returns the value of an attribute, or its default.
func (l *LoadBalancer) Attribute(key string) string {
	if v, ok := l.Attributes[key]; ok {
		return v
	}
	if key == denyIGW && l.Scheme == SchemeInternal {
		return "true"
	}
	return LoadBalancerAttributes.Default(key)
}

// Settings is what the edge must know of a load balancer's attributes, in Go's types.
type Settings struct {
	Idle            time.Duration // no byte either way for this long closes a connection
	ClientKeepAlive time.Duration // age at which a client connection is asked to close
	PreserveHost    bool          // Host reaches the target as the client wrote it
	XFFMode         string        // append, preserve, remove
	XFFClientPort   bool
	DropInvalid     bool   // header fields with names outside [-A-Za-z0-9]+ are removed
	Desync          string // defensive, strictest
	TLSHeaders      bool   // x-amzn-tls-version and -cipher-suite on HTTPS listeners
	HTTP2           bool
}

// Settings reads the attributes that concern the edge.
func (l *LoadBalancer) Settings() Settings {
	return Settings{
		Idle:            seconds(l.Attribute("idle_timeout.timeout_seconds")),
		ClientKeepAlive: seconds(l.Attribute("client_keep_alive.seconds")),
		PreserveHost:    l.Attribute("routing.http.preserve_host_header.enabled") == "true",
		XFFMode:         l.Attribute("routing.http.xff_header_processing.mode"),
		XFFClientPort:   l.Attribute("routing.http.xff_client_port.enabled") == "true",
		DropInvalid:     l.Attribute("routing.http.drop_invalid_header_fields.enabled") == "true",
		Desync:          l.Attribute("routing.http.desync_mitigation_mode"),
		TLSHeaders:      l.Attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") == "true",
		HTTP2:           l.Attribute("routing.http2.enabled") == "true",
	}
}

// NextSlot returns the slot of a new load balancer: the first free one after that of the newest
// load balancer, so that a number rests for as long as possible before it is used again. It is 0
// when all numbers up to last are taken.
func NextSlot(all iter.Seq[*LoadBalancer], last int) int {
	taken, newest := map[int]bool{}, &LoadBalancer{}
	for lb := range all {
		taken[lb.Slot] = true
		if lb.Slot > 0 && !lb.Created.Before(newest.Created) {
			newest = lb
		}
	}
	for i := range last {
		if slot := (newest.Slot+i)%last + 1; !taken[slot] {
			return slot
		}
	}
	return 0
}
