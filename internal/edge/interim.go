package edge

import (
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
)

// Bounds on the interim responses (1xx) that a target may send before the final one.
const (
	maxInterim      = 100
	maxInterimBytes = 64 << 10
	// maxInterimTime is in idle timeouts of the load balancer: a target that reports progress may take longer
	// than a silent one, but not without a limit.
	maxInterimTime = 10
)

// interims counts the interim responses to one request or probe.
type interims struct {
	number, bytes int
	first         time.Time
}

// add counts a response. It returns an error if the target has sent too many, or has been sending them for
// longer than limit.
func (i *interims) add(r *h1.Response, now time.Time, limit time.Duration) error {
	if i.number == 0 {
		i.first = now
	}
	i.number++
	i.bytes += r.Size
	if i.number > maxInterim || i.bytes > maxInterimBytes || now.Sub(i.first) > limit {
		return &h1.Error{Status: 502, Reason: "too many interim responses", Class: h1.Severe}
	}
	return nil
}
