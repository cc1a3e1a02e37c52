package awswire

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"reflect"

	"github.com/berthhq/berth/internal/awswire/jsonwire"
	"github.com/berthhq/berth/internal/awswire/restwire"
	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/xmlwire"
	"github.com/berthhq/berth/internal/fault"
)

// The REST protocols. Method and path select the operation (the routes of the shapes); members are
// in the path, the query string, header fields and the body.
var (
	RESTJSON Protocol = restProtocol{restJSON{}}
	RESTXML  Protocol = restProtocol{restXML{}}
)

// restBody is what differs between the two: bodies and faults.
type restBody interface {
	format() schema.Format
	codes() *codes
	contentType() string
	decode(body []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem
	// encode encodes a structure as a document, which is called name if documents have names.
	encode(x *inflight, name string, v reflect.Value, s *schema.Struct) ([]byte, error)
	failure(x *inflight, f *fault.Error) reply
}

type restProtocol struct{ restBody }

func (restProtocol) match(x *inflight, s *service) match {
	if x.scope != s.Name || x.family == asCBOR || x.target != "" {
		return match{}
	}
	m, most := match{fit: nearMiss, action: x.r.Method + " " + x.r.URL.Path}, -1
	for name, op := range s.operations {
		if op.route == nil {
			continue
		}
		if _, weight, ok := op.route.Match(x.r.Method, x.r.URL); ok && weight > most {
			m, most = match{fit: exactFit, action: name}, weight
		}
	}
	return m
}

func (p restProtocol) decode(x *inflight, in reflect.Value) ([]schema.Problem, error) {
	labels, _, _ := x.op.route.Match(x.r.Method, x.r.URL)
	problems := restwire.Decode(restwire.Request{Labels: labels, Query: x.r.URL.Query(), Header: x.r.Header},
		in, x.op.input, p.format(), x.op.enums)
	body, err := x.plainBody()
	if err != nil {
		return nil, err
	}
	payload := x.op.input.Payload
	switch {
	case payload == nil:
		return append(problems, p.restBody.decode(body, in, x.op.input.Body, x.op.enums)...), nil
	case len(body) == 0:
	case payload.Type.Kind == schema.Structure:
		target := reflect.New(in.Field(payload.Index).Type().Elem())
		problems = append(problems, p.restBody.decode(body, target.Elem(), payload.Type.Struct, x.op.enums)...)
		in.Field(payload.Index).Set(target)
	case payload.Type.Kind == schema.Blob:
		in.Field(payload.Index).SetBytes(body)
	default:
		in.Field(payload.Index).Set(reflect.ValueOf(new(string(body))))
	}
	return problems, nil
}

func (p restProtocol) success(x *inflight, out reflect.Value) (reply, error) {
	header, status := restwire.Encode(out, x.op.output)
	answer := reply{status: cmp.Or(status, x.op.route.Status), contentType: p.contentType(), header: header}
	payload := x.op.output.Payload
	var err error
	switch {
	case payload == nil && len(x.op.output.Body.Fields) == 0:
	case payload == nil:
		answer.body, err = p.encode(x, x.op.name+"Response", out, x.op.output.Body)
	case out.Field(payload.Index).IsZero():
	case payload.Type.Kind == schema.Structure:
		s := payload.Type.Struct
		answer.body, err = p.encode(x, s.Name, out.Field(payload.Index).Elem(), s)
	case payload.Type.Kind == schema.Blob:
		answer.contentType, answer.body = "application/octet-stream", out.Field(payload.Index).Bytes()
	default:
		answer.contentType, answer.body = "text/plain", []byte(out.Field(payload.Index).Elem().String())
	}
	return answer, err
}

type restJSON struct{}

func (restJSON) format() schema.Format { return schema.JSON }
func (restJSON) codes() *codes         { return &restJSONCodes }
func (restJSON) contentType() string   { return "application/json" }

func (restJSON) decode(
	body []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string,
) []schema.Problem {
	return jsonwire.Decode(body, dst, s, enums)
}

func (restJSON) encode(_ *inflight, _ string, v reflect.Value, s *schema.Struct) ([]byte, error) {
	s.FillLists(v)
	return jsonwire.Encode(v, s)
}

func (p restJSON) failure(x *inflight, f *fault.Error) reply {
	return reply{status: f.HTTPStatus(), contentType: p.contentType(), body: x.faultJSON(f, faultMembers(f)),
		header: map[string]string{"X-Amzn-Errortype": f.Code}}
}

type restXML struct{}

func (restXML) format() schema.Format { return schema.XML }
func (restXML) codes() *codes         { return &restXMLCodes }
func (restXML) contentType() string   { return "text/xml" }

func (restXML) decode(
	body []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string,
) []schema.Problem {
	return xmlwire.Decode(body, dst, s, enums)
}

func (restXML) encode(x *inflight, name string, v reflect.Value, s *schema.Struct) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `%s<%s xmlns="%s">`, xmlHeader, name, x.svc.Namespace)
	xmlwire.Encode(&b, v, s)
	fmt.Fprintf(&b, "</%s>", name)
	return b.Bytes(), nil
}

func (p restXML) failure(x *inflight, f *fault.Error) reply {
	return reply{status: f.HTTPStatus(), contentType: p.contentType(), body: x.errorResponse(f)}
}

var (
	restJSONCodes = withREST(jsonCodes)
	restXMLCodes  = withREST(queryCodes)
)

// withREST changes the codes of a protocol for its REST variant: operations are addressed by paths,
// so an unknown one is not found, and wrong signatures are forbidden.
func withREST(c codes) codes {
	c.denied = http.StatusForbidden
	c.noAction = "{action} is not an operation of the service {service} that Berth has."
	c.noActionStatus = http.StatusNotFound
	if c.malformed == queryCodes.malformed {
		c.malformed = "MalformedInput"
	}
	return c
}
