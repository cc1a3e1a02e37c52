package awswire

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
)

// inflight is one request and the state of its processing.
type inflight struct {
	h        *handler
	r        *http.Request
	call     *Call
	svc      *service // without operations if the request's service is not known
	protocol Protocol // of the answer
	op       *operation
	scope    string // the service in the signature's scope; "" if the request is not signed
	family   writtenAs
	target   string // the header X-Amz-Target

	signature *sigv4.Signature // nil if unsigned says why there is none
	unsigned  error

	body []byte

	params    url.Values   // see form
	formFault *fault.Error // what is wrong with the form; nil if it was not read

	limit   int64  // of the body, in bytes
	release func() // releases the memory of an unverified body; nil before the body is read
	in      any    // the decoded input, or nil
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.cfg.Now()
	x := &inflight{h: h, r: r, family: familyOf(r), target: r.Header.Get("X-Amz-Target"), svc: &service{}, call: &Call{
		RequestID: newid.UUID(h.cfg.Random), Now: began, Random: h.cfg.Random, Host: r.Host,
		pages: pages{key: h.pageKey},
	}}
	x.protocol = x.guessProtocol()
	x.signature, x.unsigned = sigv4.Read(r)
	answer, err := x.run(w)
	x.verified()
	code := ""
	if err != nil {
		answer, code = x.word(err)
	}
	o := Outcome{Call: x.known(), Code: code, Status: answer.status, Source: sourceOf(r),
		AccessKeyID: x.claims().AccessKeyID, Resources: x.resources}
	o.Asked.Service, o.Asked.Action = x.call.Service, x.call.Action
	if h.cfg.Audit != nil {
		h.cfg.Audit(o)
	}
	x.write(w, answer)
	if h.cfg.Observe != nil {
		o.Took = h.cfg.Now().Sub(began)
		h.cfg.Observe(o)
	}
}

// verified releases the memory that was reserved for the body until its signature was verified.
func (x *inflight) verified() {
	if x.release != nil {
		x.release()
	}
}

// claims returns the scope of the signature, of which nothing is verified; it is empty if the request is not signed.
func (x *inflight) claims() sigv4.Scope {
	if x.signature == nil {
		return sigv4.Scope{}
	}
	return x.signature.Scope
}

// known returns the call. Service and action are left out if the server does not have them, since
// callers may send anything there.
func (x *inflight) known() Call {
	c := *x.call
	c.Service = x.svc.Name
	if _, ok := x.svc.operations[c.Action]; !ok {
		c.Action = ""
	}
	return c
}

// run processes the request and returns the answer. A panic becomes an error.
func (x *inflight) run(w http.ResponseWriter) (answer reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			x.h.cfg.Logger.Error("panic in an API call", "action", x.call.Action, "service", x.call.Service,
				"request", x.call.RequestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answer, err = reply{}, errPanic
		}
	}()
	if err := x.readBody(w); err != nil {
		return reply{}, err
	}
	if err := x.route(); err != nil {
		return reply{}, err
	}
	if err := x.authenticate(); err != nil {
		return reply{}, err
	}
	if x.op = x.svc.operations[x.call.Action]; x.op == nil {
		return reply{}, x.unknownAction()
	}
	in, err := x.decode()
	if err != nil {
		return reply{}, err
	}
	x.in = in
	out, err := x.op.run(x.r.Context(), x.call, in)
	if err != nil {
		return reply{}, err
	}
	return x.protocol.success(x, reflect.ValueOf(out).Elem())
}

var errPanic = errors.New("the operation panicked")

// plainBody returns the body, decompressed if necessary. The signature covers the compressed body.
func (x *inflight) plainBody() ([]byte, error) {
	body, bad := x.unpacked(x.svc.MaxBody)
	if bad != nil {
		return nil, bad
	}
	return body, nil
}

// unpacked returns the decompressed body, of at most limit bytes.
func (x *inflight) unpacked(limit int64) ([]byte, *fault.Error) {
	switch encoding := x.r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return x.body, nil
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(x.body))
		if err != nil {
			return nil, x.malformed("the body is not gzip: " + err.Error())
		}
		plain, err := io.ReadAll(io.LimitReader(z, limit+1))
		if err != nil {
			return nil, x.malformed("the body is not gzip: " + err.Error())
		}
		if int64(len(plain)) > limit {
			return nil, x.tooLarge(limit)
		}
		return plain, nil
	default:
		return nil, x.malformed("the Content-Encoding " + encoding +
			" is not supported: send the body as it is or as gzip")
	}
}

func (x *inflight) authenticate() error {
	if x.unsigned != nil {
		return x.signatureFault(x.unsigned)
	}
	id, err := x.h.cfg.Verifier.Check(x.signature, x.r, sigv4.HashPayload(x.body), x.call.Now)
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
func (x *inflight) decode() (any, error) {
	in := reflect.New(x.op.in)
	problems, err := x.protocol.decode(x, in.Elem())
	if err != nil {
		return nil, err
	}
	for _, p := range x.op.input.Check(in.Elem(), x.protocol.format(), x.op.refused) {
		// A member whose value could not be read is empty; it is not reported as missing as well.
		if !slices.ContainsFunc(problems, func(read schema.Problem) bool { return slices.Equal(read.Path, p.Path) }) {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return nil, x.problemFault(problems)
	}
	return in.Interface(), nil
}

// logged logs an error, and returns the internal error that the caller gets.
func (x *inflight) logged(err error) *fault.Error {
	level := x.h.cfg.Logger.Error
	if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
		level = x.h.cfg.Logger.Debug // the caller has gone
	}
	if !errors.Is(err, errPanic) { // a panic was logged already, with its stack
		level("API call failed", "action", x.call.Action, "service", x.call.Service, "request",
			x.call.RequestID, "error", err)
	}
	return x.internal()
}
