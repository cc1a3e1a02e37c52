package awswire

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/berthhq/berth/internal/awswire/jsonwire"
	"github.com/berthhq/berth/internal/awswire/querywire"
	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
)

// exchange is one request on its way through the desk.
type exchange struct {
	h      *handler
	r      *http.Request
	call   *Call
	svc    *service // one that has no operations when the service could not be told
	op     *operation
	body   []byte
	params url.Values // Query

	limit   int64  // of the body
	release func() // gives back the memory that an unverified body has; nil before the body is read
	in      any    // the decoded input; nil as long as there is none
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.cfg.Now()
	x := &exchange{h: h, r: r, call: &Call{RequestID: newRequestID(), Now: began, Host: r.Host, pages: pages{key: h.pageKey}}}
	x.svc = &service{Service: Service{Protocol: h.guessProtocol(r)}}
	body, err := x.run(w)
	x.verified()
	status, code, body := x.word(body, err)
	o := Outcome{Call: x.known(), Code: code, Status: status, Source: sourceOf(r), AccessKeyID: x.accessKeyID(), Resources: x.resources()}
	if h.cfg.Audit != nil {
		h.cfg.Audit(o)
	}
	x.write(w, status, body)
	if h.cfg.Observe != nil {
		o.Took = h.cfg.Now().Sub(began)
		h.cfg.Observe(o)
	}
}

// verified gives back the memory that the body had while its signature was not verified.
func (x *exchange) verified() {
	if x.release != nil {
		x.release()
	}
}

// accessKeyID is the access key that the request names, whether or not it has proved to have it.
func (x *exchange) accessKeyID() string {
	scope, _ := sigv4.ReadScope(x.r)
	return scope.AccessKeyID
}

// known is the call without a service and an action that the desk does not have: callers may write there what they like.
func (x *exchange) known() Call {
	c := *x.call
	c.Service = x.svc.Name
	if _, ok := x.svc.operations[c.Action]; !ok {
		c.Action = ""
	}
	return c
}

// run takes the request as far as it goes, to the text of the answer. A panic anywhere on the way is an error here.
func (x *exchange) run(w http.ResponseWriter) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			x.h.cfg.Logger.Error("panic in an API call", "action", x.call.Action, "service", x.call.Service,
				"request", x.call.RequestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			body, err = nil, errPanic
		}
	}()
	if err := x.readBody(w); err != nil {
		return nil, err
	}
	if err := x.route(); err != nil {
		return nil, err
	}
	if err := x.authenticate(); err != nil {
		return nil, err
	}
	if x.op = x.svc.operations[x.call.Action]; x.op == nil {
		return nil, x.unknownAction()
	}
	in, err := x.decode()
	if err != nil {
		return nil, err
	}
	x.in = in
	out, err := x.op.run(x.r.Context(), x.call, in)
	if err != nil {
		return nil, err
	}
	return x.success(out)
}

var errPanic = errors.New("the operation panicked")

// plainBody is the body without its compression. The signature is over the body as it was sent.
func (x *exchange) plainBody() ([]byte, error) {
	switch encoding := x.r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return x.body, nil
	case "gzip":
		z, err := gzip.NewReader(newReader(x.body))
		if err != nil {
			return nil, x.malformed("the body is not gzip: " + err.Error())
		}
		plain, err := io.ReadAll(io.LimitReader(z, x.svc.MaxBody+1))
		if err != nil {
			return nil, x.malformed("the body is not gzip: " + err.Error())
		}
		if int64(len(plain)) > x.svc.MaxBody {
			return nil, x.tooLarge(x.svc.MaxBody)
		}
		return plain, nil
	default:
		return nil, x.malformed("the Content-Encoding " + encoding + " is not supported: send the body as it is or as gzip")
	}
}

func (x *exchange) authenticate() error {
	id, err := x.h.cfg.Verifier.Verify(x.r, sigv4.HashPayload(x.body), x.call.Now)
	if err != nil {
		return x.signatureFault(err)
	}
	if id.Service != x.svc.Name {
		return x.wrongScope()
	}
	x.verified()
	x.call.Region, x.call.Principal, x.call.Account = id.Region, id.Principal, id.Principal.Account
	return nil
}

// decode reads the input and checks it against its shape.
func (x *exchange) decode() (any, error) {
	in := reflect.New(x.op.in)
	var problems []schema.Problem
	if x.svc.Protocol.isJSON() {
		body, err := x.plainBody()
		if err != nil {
			return nil, err
		}
		problems = jsonwire.Decode(body, in.Elem(), x.op.input, x.op.enums)
	} else {
		problems = querywire.Decode(x.params, in.Elem(), x.op.input, x.op.enums)
	}
	for _, p := range x.op.input.Check(in.Elem(), x.svc.Protocol.format(), x.op.refused) {
		// A value that could not be read leaves its member empty: it is wrong, not missing as well.
		if !slices.ContainsFunc(problems, func(read schema.Problem) bool { return slices.Equal(read.Path, p.Path) }) {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return nil, x.problemFault(problems)
	}
	return in.Interface(), nil
}

// logged reports an error that callers are not told.
func (x *exchange) logged(err error) *fault.Error {
	level := x.h.cfg.Logger.Error
	if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
		level = x.h.cfg.Logger.Debug // the caller went away
	}
	if !errors.Is(err, errPanic) { // that one is in the log already, with its stack
		level("API call failed", "action", x.call.Action, "service", x.call.Service, "request", x.call.RequestID, "error", err)
	}
	return x.internal()
}

// newRequestID is a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
