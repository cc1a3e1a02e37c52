package edge

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/route"
)

// exchange is a request and its response. A client has one exchange, which is reused for all its requests.
type exchange struct {
	c *client
	e *Edge

	req      h1.Request
	match    route.Request
	hasQuery bool
	upgrade  bool // the client asks for a WebSocket
	body     h1.Body
	ready    []byte // a short body that arrived with the head
	keep     bool   // the client's connection may carry another request

	live     *live
	listener *route.Listener
	rule     *route.Rule
	use      *use
	group    *route.Group
	target   *route.Target
	tally    tally
	dropped  bool // a header field with an invalid name was dropped
	// redirectTooLong means that the Location of a redirect would have been too long.
	redirectTooLong bool
	up              *upstream
	bound           bool // a cookie chose the target

	res     h1.Response
	resBody h1.Body
	writes  bodyWriter // the response's body to the client
	// named and resNamed mean that Connection lists further fields of the request and of the response.
	named, resNamed bool
	wrote           bool // part of a response was sent to the client
	// handedOver means that a session owns both connections and ends what was counted for them.
	handedOver bool
	out        []byte // buffer for heads
	entry      Entry
	sentAt     time.Time
	upload     upload
	rounds     int // how often it was routed
}

// maxRounds bounds how often a request is routed again because its target began to drain.
const maxRounds = 8

// run reads a request and answers it. It reports whether another request may follow.
func (x *exchange) run() bool {
	x.reset()
	err := x.c.nc.SetReadDeadline(time.Now().Add(x.c.idle))
	if err == nil {
		err = h1.ReadRequest(x.c.br, &x.req)
	}
	x.body.Reset(x.c.br, x.req.Body)
	if err != nil {
		x.refuse(err)
		return x.finish()
	}
	x.keep = x.keepsAlive()
	if status, why := x.read(); status != 0 {
		x.keep = false
		x.fail(status, why)
		return x.finish()
	}
	for x.dispatch() {
	}
	return x.finish()
}

func (x *exchange) reset() {
	x.live = x.e.live.Load()
	x.listener, x.rule, x.use, x.group, x.target, x.up, x.ready = nil, nil, nil, nil, nil, nil, nil
	x.keep, x.upgrade, x.wrote, x.bound = false, false, false, false
	x.upload = upload{}
	x.rounds = 0
	x.tally, x.dropped, x.redirectTooLong = tally{}, false, false
	x.entry = Entry{Client: x.c.peer, Created: time.Now(), Type: x.scheme(), RulePriority: -1, Request: -1,
		Target1st: -1, Response: -1, Class: "-", Reason: "-"}
}

// refuse answers what could not be parsed as a request.
func (x *exchange) refuse(err error) {
	malformed, ok := asMalformed(err)
	switch {
	case ok:
		x.listener = x.c.find(x.live.table, "")
		x.tally = tallyOf(x.listener)
		x.tally.addError(route.MalformedRequests)
		x.entry.Class, x.entry.Reason = malformed.Class.String(), malformed.Reason
		x.fail(malformed.Status, malformed.Reason)
	case isTimeout(err) && x.req.Started(): // alb.md 5.7: 408
		x.fail(408, "the client was silent in the middle of a request")
	case errors.Is(err, io.ErrUnexpectedEOF):
		x.entry.Status = 400 // the client is gone
	}
}

// read prepares the head for routing. A status other than 0 refuses the request.
func (x *exchange) read() (status int, why string) {
	x.entry.Method, x.entry.URL, x.entry.Minor, x.entry.Received = x.req.Method, x.req.Target,
		x.req.Minor, int64(x.req.Size)
	x.entry.Class = x.req.Class.String()
	if x.req.Class != h1.Compliant {
		x.entry.Reason = x.req.Reason
	}
	host, target := h1.Get(x.req.Header, "Host"), x.req.Target
	switch x.req.Method {
	case "TRACE": // alb.md Q13
		return 405, "TRACE is not allowed"
	case "CONNECT":
		return 400, "CONNECT asks for a tunnel, and this is no proxy that opens one"
	}
	if authority, rest, ok := absolute(target); ok {
		host, target = authority, rest
	}
	if target[0] != '/' && (target != "*" || x.req.Method != "OPTIONS") { // RFC 9112 3.2.4
		return 400, "BadUri"
	}
	if !validHost(host) {
		return 400, "the Host header is malformed"
	}
	if x.listener = x.c.find(x.live.table, host); x.listener == nil {
		return 503, "nothing listens on this port any more"
	}
	x.c.idle, x.tally = x.listener.Idle, tallyOf(x.listener)
	x.c.count(x.listener)
	if host == "" {
		if x.req.Minor > 0 {
			return 400, "the Host header is missing"
		}
		host = x.listener.DNSName // alb.md Q7
	}
	x.match = route.Request{Method: x.req.Method, Host: host, Header: x.req.Header, Source: x.c.peer.Addr()}
	x.match.Path, x.match.Query, x.hasQuery = strings.Cut(target, "?")
	x.upgrade = x.req.Method == "GET" && x.req.Minor > 0 && x.req.Body.Kind == h1.None &&
		h1.HasToken(x.req.Header, "Connection", "upgrade") && h1.HasToken(x.req.Header, "Upgrade", "websocket")
	x.entry.Host, x.entry.UserAgent = host, h1.Get(x.req.Header, "User-Agent")
	return x.screen()
}

// validHost reports whether s is a host with an optional port. Rules, redirects and targets would interpret
// anything else, such as a path, a user name or spaces, in different ways.
func validHost(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f || c == '/' || c == '\\' || c == '?' || c == '#' || c == '@' || c == ',':
			return false
		}
	}
	return true
}

// absolute splits a target in absolute form (alb.md Q6).
func absolute(target string) (authority, rest string, ok bool) {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			authority = target[len(scheme):]
			if i := strings.IndexAny(authority, "/?"); i >= 0 {
				authority, rest = authority[:i], authority[i:]
			}
			if rest == "" || rest[0] == '?' {
				rest = "/" + rest
			}
			return authority, rest, true
		}
	}
	return "", "", false
}

// screen refuses requests that can be routed but must not be forwarded.
func (x *exchange) screen() (status int, why string) {
	if x.listener.Desync == "strictest" && x.req.Class != h1.Compliant {
		return 400, x.req.Reason
	}
	if x.req.Class == h1.Ambiguous { // alb.md Q44
		x.keep = false
	}
	if x.req.Foreign && !x.listener.DropInvalid {
		return 400, "the name of a header field has bytes beyond ASCII"
	}
	if tooManyForwarded(x.req.Header) {
		return 463, "X-Forwarded-For holds more than 30 addresses"
	}
	// Clients of HTTP/1.0 do not understand interim responses (RFC 9110 10.1.1).
	if x.req.Minor > 0 && x.req.Body.Kind != h1.None && h1.HasToken(x.req.Header, "Expect", "100-continue") {
		if _, err := x.c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil { // alb.md Q11
			return 460, "the client went away"
		}
	}
	return 0, ""
}

// keepsAlive reports whether the client wants to keep its connection, and its age allows that (alb.md 5.3,
// client_keep_alive).
func (x *exchange) keepsAlive() bool {
	return h1.Persists(x.req.Minor, x.req.Header)
}

// dispatch routes the request and executes the rule's action. It reports whether to route again with the
// current table.
func (x *exchange) dispatch() (again bool) {
	if x.listener == nil {
		x.fail(503, "the listener was deleted")
		return false
	}
	if time.Since(x.c.born) > x.listener.ClientKeepAlive {
		x.keep = false
	}
	x.rule = x.listener.Match(&x.match)
	x.entry.ListenerARN, x.entry.LoadBalancerARN = x.listener.ARN, x.listener.LoadBalancerARN
	if x.rule == nil {
		x.fail(503, "no rule matched")
		return false
	}
	x.entry.RulePriority = x.rule.Priority
	switch {
	case x.rule.Fixed != nil:
		x.entry.Action = "fixed-response"
		x.answer(x.rule.Fixed.StatusCode, x.rule.Fixed.ContentType, x.rule.Fixed.Body, "")
	case x.rule.Redirect != nil:
		x.redirect()
	default:
		x.entry.Action = "forward"
		return x.forward()
	}
	return false
}

// reroute finds the listener in the current table, after the request's target began to drain.
func (x *exchange) reroute() bool {
	x.rounds++
	x.live = x.e.live.Load()
	x.listener = x.c.find(x.live.table, x.match.Host)
	return x.rounds < maxRounds
}

func (x *exchange) redirect() {
	x.entry.Action = "redirect"
	rd := *x.rule.Redirect
	// If a listener is bound to another port, redirects lead to that port.
	for number, bound := range x.live.displaced {
		if rd.Port == itoa(number) && !x.c.own.IsValid() {
			rd.Port = itoa(bound)
			break
		}
	}
	location, ok := route.Location(&rd, &x.match, x.scheme(), itoa(x.c.bound))
	if !ok {
		x.redirectTooLong = true
		x.fail(414, "the Location of the redirect would be longer than 8K")
		return
	}
	x.entry.RedirectURL = location
	x.answer(rd.StatusCode, "text/html", page(rd.StatusCode), location)
}

// choose chooses target group and target. It returns false if there is none.
func (x *exchange) choose(avoid *route.Target) bool {
	f := x.rule.Forward
	x.use = x.boundGroup(f)
	if x.use == nil {
		chosen := f.Choose(rand.Uint64())
		if chosen == nil {
			return false
		}
		x.use = keptUse(chosen)
	}
	x.tally.group, x.tally.target = x.use.counts, nil
	kept := x.use.group
	g := kept.now.Load()
	x.group = g
	x.entry.TargetGroupARN, x.entry.FailOpen = g.ARN, g.FailOpen
	x.target = x.boundTarget(g)
	x.bound = x.target != nil && x.target != avoid
	if !x.bound {
		x.entry.NonSticky = g.Stickiness != ""
		turn := kept.turn.Load()
		// a second choice does not advance the round-robin position, or it would favour the target after the
		// one passed over
		if avoid == nil {
			turn = kept.turn.Add(1) - 1
		}
		x.target = g.Choose(route.Pick{Turn: turn, Random: rand.Uint64(), Now: time.Now(), Load: busy, Not: avoid})
	}
	if x.target == nil {
		return false
	}
	x.up = keptUpstream(x.target)
	x.tally.target = x.up.counts
	x.entry.Target, x.entry.TargetID = x.up.address, x.target.ID
	return true
}

// finish records the request and reports whether the connection can serve another request.
func (x *exchange) finish() bool {
	if x.handedOver {
		return false
	}
	if x.entry.Status != 0 {
		x.count()
	}
	if x.e.cfg.Record != nil && x.entry.Status != 0 {
		x.entry.Ended = time.Now()
		x.e.cfg.Record(&x.entry)
	}
	if cap(x.out) > blockSize {
		x.out = nil
	}
	return x.keep && x.body.Done()
}

// upload is the client's side of an exchange while a second goroutine handles it.
type upload struct {
	running  bool
	done     chan struct{}
	status   atomic.Int32 // the client's error: 400, 408 or 460
	progress atomic.Int64 // when bytes were last sent to the target, in Unix nanoseconds
	waits    atomic.Bool  // it waits for bytes from the client
	read     atomic.Bool  // the whole body was read from the client
	sent     bool         // the whole body was sent to the target; read after done
	received int64
}
