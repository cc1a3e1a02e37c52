package route

import (
	"strings"

	"github.com/berthhq/berth/internal/elb"
)

// MaxLocation is the greatest length of the Location of a redirect, in bytes (alb.md A7).
const MaxLocation = 8 << 10

// Location returns the target of the redirect for a request that was received over protocol ("http"
// or "https") at port. ok is false when it would be longer than MaxLocation. The port is always
// written, as AWS does.
func Location(rd *elb.Redirect, r *Request, protocol, port string) (location string, ok bool) {
	host := hostOnly(r.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	fill := strings.NewReplacer(
		elb.PlaceProtocol, protocol,
		elb.PlaceHost, host,
		elb.PlacePort, port,
		elb.PlacePath, strings.TrimPrefix(r.Path, "/"),
		elb.PlaceQuery, r.Query)
	var b strings.Builder
	b.WriteString(strings.ToLower(fill.Replace(rd.Protocol)))
	b.WriteString("://")
	b.WriteString(fill.Replace(rd.Host))
	b.WriteString(":")
	b.WriteString(fill.Replace(rd.Port))
	b.WriteString(fill.Replace(rd.Path))
	if q := fill.Replace(rd.Query); q != "" {
		b.WriteString("?")
		b.WriteString(q)
	}
	return b.String(), b.Len() <= MaxLocation
}
