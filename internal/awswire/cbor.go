package awswire

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/berthhq/berth/internal/awswire/cborwire"
	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/fault"
)

// cborProtocol is RPC v2 CBOR: the path ends in /service/TargetPrefix/operation/Action.
type cborProtocol struct{}

func (cborProtocol) match(x *inflight, s *service) match {
	if x.family != asCBOR {
		return match{}
	}
	parts := strings.Split(x.r.URL.Path, "/")
	if n := len(parts); x.r.Method == http.MethodPost && n >= 4 && parts[n-4] == "service" &&
		parts[n-3] == s.TargetPrefix && parts[n-2] == "operation" {
		return match{fit: exactFit, action: parts[n-1]}
	}
	if s.Name == x.scope {
		return match{fit: nearMiss}
	}
	return match{}
}

func (cborProtocol) format() schema.Format { return schema.JSON }

func (cborProtocol) codes() *codes { return &jsonCodes }

func (cborProtocol) decode(x *inflight, in reflect.Value) ([]schema.Problem, error) {
	body, err := x.plainBody()
	if err != nil {
		return nil, err
	}
	return cborwire.Decode(body, in, x.op.input, x.op.enums), nil
}

func (p cborProtocol) success(x *inflight, out reflect.Value) (reply, error) {
	x.op.output.FillLists(out)
	body, err := cborwire.Encode(out, x.op.output)
	return p.reply(http.StatusOK, nil, body), err
}

func (p cborProtocol) failure(x *inflight, f *fault.Error) reply {
	members := faultMembers(f)
	members["__type"] = f.Code
	body, err := cborwire.Fault(members)
	if err != nil {
		x.h.cfg.Logger.Error("detail of an error cannot be written as CBOR", "code", f.Code,
			"request", x.call.RequestID, "error", err)
		body, _ = cborwire.Fault(map[string]any{"__type": f.Code, "message": f.Message})
	}
	return p.reply(f.HTTPStatus(), x.queryErrorHeader(f), body)
}

func (cborProtocol) reply(status int, header map[string]string, body []byte) reply {
	if header == nil {
		header = map[string]string{}
	}
	header["Smithy-Protocol"] = "rpc-v2-cbor"
	return reply{status: status, contentType: "application/cbor", header: header, body: body}
}
