package awswire

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"github.com/berthhq/berth/internal/awswire/jsonwire"
	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/fault"
)

// jsonProtocol is AWS JSON 1.0 or 1.1: X-Amz-Target is "TargetPrefix.Action", the body a JSON
// object.
type jsonProtocol struct{ contentType string }

func (jsonProtocol) match(x *inflight, s *service) match {
	if x.family != asJSON {
		return match{}
	}
	prefix, action, _ := strings.Cut(x.target, ".")
	switch {
	case s.TargetPrefix == prefix && prefix != "":
		return match{fit: exactFit, action: action}
	case s.Name == x.scope:
		return match{fit: nearMiss, action: x.target}
	}
	return match{}
}

func (jsonProtocol) format() schema.Format { return schema.JSON }

func (jsonProtocol) codes() *codes { return &jsonCodes }

func (jsonProtocol) decode(x *inflight, in reflect.Value) ([]schema.Problem, error) {
	body, err := x.plainBody()
	if err != nil {
		return nil, err
	}
	return jsonwire.Decode(body, in, x.op.input, x.op.enums), nil
}

func (p jsonProtocol) success(x *inflight, out reflect.Value) (reply, error) {
	x.op.output.FillLists(out)
	body, err := jsonwire.Encode(out, x.op.output)
	return reply{status: http.StatusOK, contentType: p.contentType, body: body}, err
}

func (p jsonProtocol) failure(x *inflight, f *fault.Error) reply {
	members := faultMembers(f)
	members["__type"] = f.Code
	return reply{status: f.HTTPStatus(), contentType: p.contentType, header: x.queryErrorHeader(f),
		body: x.faultJSON(f, members)}
}

// faultMembers returns the message of a fault and its details.
func faultMembers(f *fault.Error) map[string]any {
	members := map[string]any{}
	maps.Copy(members, f.Details)
	members["message"] = f.Message
	return members
}

// faultJSON returns the body for a fault. A detail that cannot be written as JSON is logged and
// left out, so that the code and the message are sent in any case.
func (x *inflight) faultJSON(f *fault.Error, members map[string]any) []byte {
	body, err := json.Marshal(members)
	if err != nil {
		x.h.cfg.Logger.Error("detail of an error cannot be written as JSON", "code", f.Code,
			"request", x.call.RequestID, "error", err)
		body, _ = json.Marshal(map[string]string{"__type": f.Code, "message": f.Message})
	}
	return body
}
