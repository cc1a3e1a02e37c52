package awswire

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/awswire/querywire"
	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/xmlwire"
	"github.com/berthhq/berth/internal/fault"
)

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// queryProtocol is AWS Query: parameters in the URL or in a form, answers in XML. Action and
// Version are parameters. Several APIs may share a name in the signature's scope; Version
// distinguishes them.
type queryProtocol struct{}

func (queryProtocol) match(x *inflight, s *service) match {
	m := matchForm(x, s)
	if m.fit != nearMiss || m.fault != nil {
		return m
	}
	if version := x.form().Get("Version"); version != "" {
		m.fault = x.fault(queryCodes.unknownAction,
			"Could not find operation %s for version %s: this is version %s of the service %s.",
			m.action, version, s.Version, s.Name)
	}
	return m
}

// matchForm returns an exact fit for the version that the request names, and a near miss for other
// versions.
func matchForm(x *inflight, s *service) match {
	if x.family != asForm || x.scope != "" && x.scope != s.Name {
		return match{}
	}
	form := x.form()
	m := match{action: form.Get("Action"), fault: x.formFault}
	switch version := form.Get("Version"); {
	case version == s.Version && version != "":
		m.fit = exactFit
	case x.scope != "":
		m.fit = nearMiss
	}
	return m
}

func (queryProtocol) format() schema.Format { return schema.Query }

func (queryProtocol) codes() *codes { return &queryCodes }

func (queryProtocol) decode(x *inflight, in reflect.Value) ([]schema.Problem, error) {
	return querywire.Decode(x.form(), in, x.op.input, x.op.enums), nil
}

func (queryProtocol) success(x *inflight, out reflect.Value) (reply, error) {
	var b bytes.Buffer
	b.WriteString(xmlHeader)
	fmt.Fprintf(&b, `<%sResponse xmlns="%s"><%sResult>`, x.op.name, x.svc.Namespace, x.op.name)
	xmlwire.Encode(&b, out, x.op.output)
	fmt.Fprintf(&b, "</%sResult><ResponseMetadata>", x.op.name)
	xmlwire.Element(&b, "RequestId", x.call.RequestID)
	fmt.Fprintf(&b, "</ResponseMetadata></%sResponse>", x.op.name)
	return reply{status: http.StatusOK, contentType: "text/xml", body: b.Bytes()}, nil
}

func (queryProtocol) failure(x *inflight, f *fault.Error) reply {
	return reply{status: f.HTTPStatus(), contentType: "text/xml", body: x.errorResponse(f)}
}

// errorResponse returns the body for a fault in Query and in REST with XML.
func (x *inflight) errorResponse(f *fault.Error) []byte {
	var b bytes.Buffer
	b.WriteString(xmlHeader + "<ErrorResponse")
	if x.svc.Namespace != "" {
		fmt.Fprintf(&b, ` xmlns="%s"`, x.svc.Namespace)
	}
	b.WriteString("><Error>")
	xmlwire.Element(&b, "Type", whoErred(f))
	xmlwire.Element(&b, "Code", x.queryCode(f.Code))
	xmlwire.Element(&b, "Message", f.Message)
	for _, name := range slices.Sorted(maps.Keys(f.Details)) {
		xmlwire.Element(&b, name, fmt.Sprint(f.Details[name]))
	}
	b.WriteString("</Error>")
	xmlwire.Element(&b, "RequestId", x.call.RequestID)
	b.WriteString("</ErrorResponse>")
	return b.Bytes()
}

// ec2Protocol is EC2's dialect of Query. It accepts every version, since old clients send old ones.
type ec2Protocol struct{ queryProtocol }

func (ec2Protocol) match(x *inflight, s *service) match {
	m := matchForm(x, s)
	if m.fit == nearMiss {
		m.fit = exactFit
	}
	return m
}

func (ec2Protocol) codes() *codes { return &ec2Codes }

const ec2ContentType = "text/xml;charset=UTF-8"

func (ec2Protocol) success(x *inflight, out reflect.Value) (reply, error) {
	var b bytes.Buffer
	b.WriteString(xmlHeader)
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, x.op.name, x.svc.Namespace)
	xmlwire.Element(&b, "requestId", x.call.RequestID)
	if len(x.op.output.Fields) == 0 {
		xmlwire.Element(&b, "return", "true")
	}
	xmlwire.Encode(&b, out, x.op.output)
	fmt.Fprintf(&b, "</%sResponse>", x.op.name)
	return reply{status: http.StatusOK, contentType: ec2ContentType, body: b.Bytes()}, nil
}

func (ec2Protocol) failure(x *inflight, f *fault.Error) reply {
	var b bytes.Buffer
	b.WriteString(xmlHeader + "<Response><Errors><Error>")
	xmlwire.Element(&b, "Code", f.Code)
	xmlwire.Element(&b, "Message", f.Message)
	b.WriteString("</Error></Errors>")
	xmlwire.Element(&b, "RequestID", x.call.RequestID)
	b.WriteString("</Response>")
	return reply{status: f.HTTPStatus(), contentType: ec2ContentType, body: b.Bytes()}
}

// form returns the parameters of the URL and of a form in the body. They are read when first
// needed; what is wrong with them is stored in x.formFault.
func (x *inflight) form() url.Values {
	if x.params == nil {
		x.params = url.Values{}
		if x.family == asForm {
			x.formFault = x.readForm()
		}
	}
	return x.params
}

func (x *inflight) readForm() *fault.Error {
	params, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return x.malformed("the query string is malformed: " + err.Error())
	}
	x.params = params
	if x.r.Method != http.MethodPost || len(x.body) == 0 {
		return nil
	}
	body, bad := x.unpacked(x.limit)
	if bad != nil {
		return bad
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return x.malformed("the form in the body is malformed: " + err.Error())
	}
	for k, v := range form {
		x.params[k] = append(x.params[k], v...)
	}
	return nil
}
