package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/route"
)

func itoa(n int) string { return strconv.Itoa(n) }

// attempt is the result of sending a request to a target.
type attempt int

const (
	answered  attempt = iota // the client has its answer, or is gone
	closing                  // the target's gate was closed; nothing was sent
	passedBy                 // the target cannot be used, and the request may be sent to another one
	deadReuse                // the reused connection was dead, and the request may be sent again
)

// forward sends the request to a target and passes the response back. It sends a request twice only if that is
// safe (alb.md Q41, decision 0154): if no target has seen it, or if it is idempotent and the target closed
// without a byte of a response. It does so once over a new connection if the first one had been idle, and once
// to another target.
func (x *exchange) forward() (again bool) {
	var avoid *route.Target
	for {
		if !x.choose(avoid) {
			x.fail(503, "the target group has no target that may get requests")
			return false
		}
		elsewhere := avoid == nil && x.group.Choices() > 1
		result := x.send(elsewhere, false)
		if result == deadReuse {
			result = x.send(elsewhere, true)
		}
		switch result {
		case answered:
			return false
		case closing:
			if x.reroute() {
				return true
			}
			x.fail(503, "every target that was chosen began to drain")
			return false
		case passedBy:
			avoid = x.target
		}
	}
}

// send makes one attempt. elsewhere means that another target may be used if this one accepts no connection.
func (x *exchange) send(elsewhere, fresh bool) attempt {
	u := x.up
	u.begin()
	defer func() {
		if !x.handedOver { // otherwise the session does
			u.end()
		}
	}()
	tc, err := u.connect(context.Background(), fresh, x.tally)
	if err != nil {
		if errors.Is(err, errTLS) {
			x.tally.add(route.TargetTLSErrors, 1)
		} else {
			x.tally.add(route.ConnectionErrors, 1)
		}
		if elsewhere && !errors.Is(err, errTLS) && !isDialTimeout(err) {
			return passedBy
		}
		x.fail(connectStatus(err), "no connection to the target: "+err.Error())
		return answered
	}
	x.entry.Reused = tc.reused
	if err := x.sendHead(tc); errors.Is(err, errGateClosed) {
		u.discard(tc)
		return closing
	} else if err != nil && tc.reused && (errors.Is(err, errNothingSent) || x.mayResend()) {
		u.discard(tc)
		return deadReuse
	}
	// A target that closed while the head was sent may have sent a response before, so read in spite of the
	// error.
	return x.receive(tc, elsewhere)
}

func isDialTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// connectStatus returns the status for the client (alb.md 5.7): 504 if the target does not answer, 502 if it
// refuses.
func connectStatus(err error) int {
	if !errors.Is(err, errTLS) && isDialTimeout(err) {
		return 504
	}
	return 502
}

var (
	errGateClosed  = errors.New("the target takes no new request")
	errNothingSent = errors.New("not a byte of the request was sent")
)

// sendHead passes the target's gate and sends the head, with the body if that has arrived. If the gate is shut
// before the head is completely sent, the request goes to another target; otherwise it continues.
func (x *exchange) sendHead(tc *targetConn) error {
	now := time.Now()
	x.out = x.appendRequestHead(x.out[:0], now)
	head := len(x.out)
	if err := x.appendReadyBody(); err != nil {
		return err
	}
	if err := tc.SetWriteDeadline(now.Add(connectTimeout)); err != nil {
		return errors.Join(errNothingSent, err)
	}
	if !tc.up.enter(tc) {
		return errGateClosed
	}
	n, err := tc.Write(x.out)
	if shut := tc.up.leave(tc); shut && err != nil {
		if n < head {
			return errGateClosed
		}
		_, err = timedWriter{tc.Conn, connectTimeout}.Write(x.out[n:])
	}
	if n == 0 && err != nil {
		err = errors.Join(errNothingSent, err)
	}
	x.sentAt = time.Now()
	x.entry.Request = x.sentAt.Sub(x.entry.Created)
	x.upload.progress.Store(x.sentAt.UnixNano())
	return err
}

// appendReadyBody appends a short body that has arrived to the head, so that both are sent at once and can be
// sent again. The exchange keeps the bytes for that.
func (x *exchange) appendReadyBody() error {
	if x.req.Body.Kind != h1.Length {
		return nil
	}
	if x.ready == nil && !x.body.Done() && x.req.Body.Length <= int64(x.c.br.Buffered()) {
		x.ready = make([]byte, x.req.Body.Length)
		if _, err := io.ReadFull(&x.body, x.ready); err != nil {
			return err
		}
		x.entry.Received += x.req.Body.Length
	}
	x.out = append(x.out, x.ready...)
	return nil
}

// mayResend reports whether it is safe to send the request a second time.
func (x *exchange) mayResend() bool {
	switch x.req.Method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return x.req.Body.Kind == h1.None || x.ready != nil
	}
	return false
}

// receive waits for the response and passes it on.
func (x *exchange) receive(tc *targetConn, elsewhere bool) attempt {
	if !x.body.Done() {
		x.startUpload(tc)
	}
	err := x.awaitHead(tc)
	if err != nil {
		x.stopUpload()
		// Not Started: no byte of a response has arrived.
		again := !x.res.Started() && !isTimeout(err) && !tc.cut.Load() && x.upload.status.Load() == 0 && x.mayResend()
		tc.up.discard(tc)
		switch {
		case again && tc.reused:
			return deadReuse
		case again && elsewhere:
			return passedBy
		}
		x.failReceive(tc, err)
		return answered
	}
	if x.res.Status == 101 {
		x.stopUpload()
		if x.handedOver = x.switchProtocols(tc); !x.handedOver {
			tc.up.discard(tc)
		}
		return answered
	}
	whole := x.passBody(tc)
	x.stopUpload()
	x.entry.Received += x.upload.received
	// The goroutine of the upload closes the connection if the client leaves after its answer.
	left := x.upload.status.Load() != 0
	if whole && !left && x.res.Reusable && x.body.Done() && x.req.Class != h1.Ambiguous {
		tc.up.release(tc)
	} else {
		tc.up.discard(tc)
	}
	x.keep = x.keep && whole && !left && x.body.Done()
	return answered
}

// failReceive answers when the target has sent no valid response (alb.md 5.7).
func (x *exchange) failReceive(tc *targetConn, err error) {
	malformed, isMalformed := asMalformed(err)
	switch status := int(x.upload.status.Load()); {
	case status != 0:
		x.keep = false
		x.fail(status, "the client failed")
	case tc.cut.Load():
		x.fail(502, "the deregistration delay is over")
	case isTimeout(err):
		x.fail(504, "the target was silent")
	case isMalformed:
		x.fail(502, "malformed response: "+malformed.Reason)
	case errors.Is(err, syscall.ECONNRESET):
		x.fail(502, "the target reset the connection")
	default:
		x.fail(502, "the target ended the connection before it answered: "+err.Error())
	}
}

// patience is how long a target may take before a goroutine watches whether the client is still there.
const patience = 50 * time.Millisecond

// awaitHead reads the head of the final response. It passes interim ones on.
func (x *exchange) awaitHead(tc *targetConn) error {
	var interim interims
	for {
		x.res.Forget()
		if err := x.awaitByte(tc); err != nil {
			return err
		}
		if x.entry.Target1st < 0 {
			x.entry.Target1st = time.Since(x.sentAt)
		}
		if err := tc.SetReadDeadline(time.Now().Add(x.c.idle)); err != nil {
			return err
		}
		if err := h1.ReadResponse(tc.br, x.req.Method, &x.res); err != nil {
			return err
		}
		switch s := x.res.Status; {
		case s == 101 && !x.upgrade:
			return &h1.Error{Status: 502, Reason: "101 to a request without Upgrade"}
		case s >= 200 || s == 101:
			x.entry.TargetStatus = s
			return nil
		}
		if err := interim.add(&x.res, time.Now(), maxInterimTime*x.c.idle); err != nil {
			return err
		}
		if !x.upload.running {
			x.startUpload(tc) // from now on a client that leaves is noticed
		}
		if x.res.Status != 100 && x.req.Minor > 0 {
			if err := x.passInterim(); err != nil {
				return err
			}
		}
	}
}

// awaitByte waits for the first byte of a response, as long as bytes flow in either direction within the idle
// timeout.
func (x *exchange) awaitByte(tc *targetConn) error {
	if tc.br.Buffered() > 0 {
		return nil
	}
	wait := patience
	if x.upload.running {
		wait = x.c.idle
	}
	for {
		if err := tc.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		_, err := tc.br.Peek(1)
		if err == nil || !isTimeout(err) {
			return err
		}
		if !x.upload.running {
			x.startUpload(tc)
		}
		quiet := time.Duration(time.Now().UnixNano() - x.upload.progress.Load())
		if wait = x.c.idle - quiet; wait <= 0 {
			if x.upload.waits.Load() { // the target cannot answer before it has the body
				x.upload.status.CompareAndSwap(0, 408)
			}
			return err
		}
	}
}

func (x *exchange) passInterim() error {
	out := append(x.out[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(x.res.Status), 10)
	out = append(out, ' ')
	out = append(out, x.res.Reason...)
	out = append(out, "\r\n"...)
	x.resNamed = names(x.res.Header)
	for i := range x.res.Header {
		if f := &x.res.Header[i]; x.returns(f) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	x.out = append(out, "\r\n"...)
	_, err := x.c.Write(x.out)
	return err
}
