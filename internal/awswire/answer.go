package awswire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/awswire/jsonwire"
	"github.com/berthhq/berth/internal/awswire/xmlwire"
	"github.com/berthhq/berth/internal/fault"
)

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// word makes the answer of the text of an output, or of an error.
func (x *exchange) word(body []byte, err error) (status int, code string, answer []byte) {
	status = http.StatusOK
	if err != nil {
		f, ok := errors.AsType[*fault.Error](err)
		if !ok {
			f = x.logged(err)
		}
		if f.Code == jsonCodes.internal { // rooms that serve every protocol have one name for it
			own := *f
			own.Code = x.codes().internal
			f = &own
		}
		status, code, body = f.HTTPStatus(), f.Code, x.failure(f)
	}
	return status, code, body
}

// write sends an answer.
func (x *exchange) write(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", x.contentType())
	header.Set("X-Amzn-Requestid", x.call.RequestID)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body) // an error means that the caller is gone
}

func (x *exchange) contentType() string {
	switch x.svc.Protocol {
	case JSON10:
		return "application/x-amz-json-1.0"
	case JSON11:
		return "application/x-amz-json-1.1"
	case EC2Query:
		return "text/xml;charset=UTF-8"
	}
	return "text/xml"
}

func (x *exchange) success(out any) ([]byte, error) {
	v := reflect.ValueOf(out).Elem()
	if x.svc.Protocol.isJSON() {
		return jsonwire.Encode(v, x.op.output)
	}
	var b bytes.Buffer
	b.WriteString(xmlHeader)
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, x.op.name, x.svc.Namespace)
	if x.svc.Protocol == EC2Query {
		xmlwire.Element(&b, "requestId", x.call.RequestID)
		if len(x.op.output.Fields) == 0 {
			xmlwire.Element(&b, "return", "true")
		}
		xmlwire.Encode(&b, v, x.op.output)
	} else {
		fmt.Fprintf(&b, "<%sResult>", x.op.name)
		xmlwire.Encode(&b, v, x.op.output)
		fmt.Fprintf(&b, "</%sResult><ResponseMetadata>", x.op.name)
		xmlwire.Element(&b, "RequestId", x.call.RequestID)
		b.WriteString("</ResponseMetadata>")
	}
	fmt.Fprintf(&b, "</%sResponse>", x.op.name)
	return b.Bytes(), nil
}

func (x *exchange) failure(f *fault.Error) []byte {
	switch x.svc.Protocol {
	case Query:
		return x.queryFailure(f)
	case EC2Query:
		var b bytes.Buffer
		b.WriteString(xmlHeader + "<Response><Errors><Error>")
		xmlwire.Element(&b, "Code", f.Code)
		xmlwire.Element(&b, "Message", f.Message)
		b.WriteString("</Error></Errors>")
		xmlwire.Element(&b, "RequestID", x.call.RequestID)
		b.WriteString("</Response>")
		return b.Bytes()
	}
	members := map[string]any{}
	maps.Copy(members, f.Details)
	members["__type"], members["message"] = f.Code, f.Message
	body, err := json.Marshal(members)
	if err != nil { // a detail that JSON cannot hold: the code and the message must still get through
		x.h.cfg.Logger.Error("fault with an unspeakable detail", "code", f.Code, "request", x.call.RequestID, "error", err)
		body, _ = json.Marshal(map[string]string{"__type": f.Code, "message": f.Message})
	}
	return body
}

func (x *exchange) queryFailure(f *fault.Error) []byte {
	var b bytes.Buffer
	b.WriteString(xmlHeader + "<ErrorResponse")
	if x.svc.Namespace != "" {
		fmt.Fprintf(&b, ` xmlns="%s"`, x.svc.Namespace)
	}
	b.WriteString("><Error>")
	who := "Sender"
	if f.HTTPStatus() >= 500 {
		who = "Receiver"
	}
	xmlwire.Element(&b, "Type", who)
	xmlwire.Element(&b, "Code", f.Code)
	xmlwire.Element(&b, "Message", f.Message)
	for _, name := range slices.Sorted(maps.Keys(f.Details)) {
		xmlwire.Element(&b, name, fmt.Sprint(f.Details[name]))
	}
	b.WriteString("</Error>")
	xmlwire.Element(&b, "RequestId", x.call.RequestID)
	b.WriteString("</ErrorResponse>")
	return b.Bytes()
}
