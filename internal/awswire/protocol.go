package awswire

import (
	"cmp"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/fault"
)

// Protocol is the format of a service's requests and answers. A service may have several protocols;
// each request is answered in its own.
type Protocol interface {
	// match reports whether the request is in this protocol and for the service. It is called
	// before the signature is verified.
	match(x *inflight, s *service) match
	// decode decodes the input of the operation x.op.
	decode(x *inflight, in reflect.Value) ([]schema.Problem, error)
	// success encodes the output of the operation x.op.
	success(x *inflight, out reflect.Value) (reply, error)
	// failure encodes a fault. Service and operation may be unknown.
	failure(x *inflight, f *fault.Error) reply
	// format says which tags of shapes have the names of members.
	format() schema.Format
	// codes are the codes for errors of this package.
	codes() *codes
}

// The protocols of the front desk.
var (
	JSON10   Protocol = jsonProtocol{"application/x-amz-json-1.0"}
	JSON11   Protocol = jsonProtocol{"application/x-amz-json-1.1"}
	Query    Protocol = queryProtocol{}
	EC2Query Protocol = ec2Protocol{}
	// CBOR is RPC v2 CBOR. Its requests name the service by Service.TargetPrefix.
	CBOR Protocol = cborProtocol{}
)

// match says how a request fits a service in a protocol.
type match struct {
	fit    fit
	action string
	fault  *fault.Error // what is wrong with the request apart from its action; nil if nothing
}

// fit says how well a request matches.
type fit int

const (
	noFit    fit = iota
	nearMiss     // the request is for the service, but not addressed as it should be
	exactFit
)

// reply is an encoded answer.
type reply struct {
	status      int
	contentType string
	header      map[string]string // header fields; may be nil
	body        []byte
}

// writtenAs is the family of protocols that the headers of a request indicate. If they indicate
// none, the request is a form, or for an API that is addressed by method and path.
type writtenAs int

const (
	asForm writtenAs = iota
	asJSON
	asCBOR
)

func familyOf(r *http.Request) writtenAs {
	switch {
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		return asCBOR
	case r.Header.Get("X-Amz-Target") != "", strings.Contains(r.Header.Get("Content-Type"), "json"):
		return asJSON
	}
	return asForm
}

// guessProtocol returns the protocol for errors while the service is not known.
func (x *inflight) guessProtocol() Protocol {
	switch x.family {
	case asCBOR:
		return CBOR
	case asJSON:
		if strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
			return JSON10
		}
		return JSON11
	}
	return Query
}

// route finds the service, protocol and action of the request. Nothing of it is verified before
// authenticate.
func (x *inflight) route() error {
	scope := x.claims()
	x.scope, x.call.Region = scope.Service, scope.Region
	var best match
	for _, s := range x.h.services {
		for _, p := range s.Protocols {
			if m := p.match(x, s); m.fit > best.fit {
				best, x.svc, x.protocol = m, s, p
			}
		}
	}
	x.call.Action = best.action
	if best.fit == noFit {
		x.call.Service, x.call.Action = scope.Service, x.askedAction()
		if x.formFault != nil {
			return x.formFault
		}
		return x.unknownService(scope.Service, x.call.Action)
	}
	x.call.Service = x.svc.Name
	x.call.pages.code, x.call.pages.name = x.svc.tokenCode(x.protocol), x.svc.TokenName
	if int64(len(x.body)) > x.svc.MaxBody {
		return x.tooLarge(x.svc.MaxBody)
	}
	if best.fault != nil {
		return best.fault
	}
	return nil
}

// askedAction returns the action that a request names, for a service that the server does not have.
func (x *inflight) askedAction() string {
	if x.family == asForm {
		return x.form().Get("Action")
	}
	return cmp.Or(x.target, path.Base(x.r.URL.Path))
}

// serviceNames returns the names of the services, for the error about an unknown one.
func (h *handler) serviceNames() string {
	var names []string
	for _, s := range h.services {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// queryCode returns the code of a fault for clients of the Query protocol. APIs that used Query at
// first have other names for some errors there (Service.QueryCodes).
func (x *inflight) queryCode(code string) string { return cmp.Or(x.svc.QueryCodes[code], code) }

// queryErrorHeader returns the header with which clients of newer protocols get the Query code of a
// fault.
func (x *inflight) queryErrorHeader(f *fault.Error) map[string]string {
	code, ok := x.svc.QueryCodes[f.Code]
	if !ok {
		return nil
	}
	return map[string]string{"X-Amzn-Query-Error": code + ";" + whoErred(f)}
}

// whoErred returns "Sender" or "Receiver": whose mistake a fault is.
func whoErred(f *fault.Error) string {
	if f.HTTPStatus() >= 500 {
		return "Receiver"
	}
	return "Sender"
}
