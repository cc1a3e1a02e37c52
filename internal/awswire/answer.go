package awswire

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/berthhq/berth/internal/fault"
)

// word returns the answer for an error, and the code of its fault.
func (x *inflight) word(err error) (answer reply, code string) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = x.logged(err)
	}
	if f.Code == jsonCodes.internal { // packages that serve every protocol use the code of this one
		own := *f
		own.Code = x.protocol.codes().internal
		f = &own
	}
	if status := x.svc.Statuses[f.Code]; f.Status == 0 && status != 0 {
		f = f.WithStatus(status)
	}
	return x.protocol.failure(x, f), f.Code
}

// write sends an answer.
func (x *inflight) write(w http.ResponseWriter, answer reply) {
	header := w.Header()
	header.Set("Content-Type", answer.contentType)
	header.Set("X-Amzn-Requestid", x.call.RequestID)
	header.Set("Content-Length", strconv.Itoa(len(answer.body)))
	header.Set("Cache-Control", "no-store")
	for name, value := range answer.header {
		header.Set(name, value)
	}
	w.WriteHeader(answer.status)
	w.Write(answer.body) // an error means that the caller has gone
}
