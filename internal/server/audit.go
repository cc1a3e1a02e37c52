package server

import (
	"cmp"
	"net"
	"net/http"
	"strings"
	"time"

	actionsns "github.com/berthhq/berth/internal/action/sns"
	"github.com/berthhq/berth/internal/audit"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/identity"
)

// recordCall records an API call unless it only reads. All calls with a wrong signature are recorded.
func (s *Server) recordCall(o awswire.Outcome) {
	if o.Call.Principal.ARN != "" && audit.Reads(o.Call.Action) {
		return
	}
	s.record(audit.Entry{
		Time: o.Call.Now.UTC(), Principal: o.Call.Principal.ARN, AccessKey: o.AccessKeyID, Source: o.Source,
		Service: cmp.Or(o.Call.Service, o.Asked.Service), Action: cmp.Or(o.Call.Action, o.Asked.Action),
		Region: o.Call.Region, RequestID: o.Call.RequestID, Status: o.Status, Error: o.Code,
		Resources: o.Resources(),
	})
}

// recorded records requests that change something but are not calls of AWS's API: those to the registry, a reset, and
// those that follow a link in a message.
func (s *Server) recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, action := otherAction(r)
		if action == "" {
			next.ServeHTTP(w, r)
			return
		}
		answer := &recordedAnswer{ResponseWriter: w}
		answer.record = func(status int) {
			e := audit.Entry{
				Time: time.Now().UTC(), Principal: "anonymous", Service: service, Action: action, Status: status,
				Resources: map[string][]string{"path": {r.URL.Path}},
			}
			if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
				e.Source = host
			}
			if user, _, ok := r.BasicAuth(); ok {
				e.Principal = "registry user " + user
			}
			if service == "berth" && s.owner(r) {
				e.Principal, e.AccessKey = identity.Root(s.cfg.Account).ARN, s.dir.AccessKey.ID
			}
			if service == "sns" || status == http.StatusUnauthorized || status == http.StatusForbidden {
				e.Principal = "" // few of them are recorded in a minute: anybody can send them
			}
			s.record(e)
		}
		next.ServeHTTP(answer, r)
	})
}

// otherAction returns the service and action of a request to the registry, of a reset, or of one that follows a link in
// a message, with the API's names where it has them.
func otherAction(r *http.Request) (service, action string) {
	manifest := strings.Contains(r.URL.Path, "/manifests/")
	if action := actionsns.Followed(r); action != "" {
		return "sns", action
	}
	switch {
	case r.URL.Path == "/_berth/reset":
		return "berth", "Reset"
	case r.URL.Path == "/_berth/stop":
		return "berth", "Stop"
	case r.Method == http.MethodPut && manifest:
		return "ecr", "PutImage"
	case r.Method == http.MethodDelete && manifest:
		return "ecr", "BatchDeleteImage"
	}
	return "", ""
}

func (s *Server) record(e audit.Entry) {
	if err := s.audit.Record(e); err != nil {
		s.cfg.Logger.Error("a call could not be recorded", "action", e.Action, "request", e.RequestID, "err", err)
	}
}

// recordedAnswer records a request before it sends the answer.
type recordedAnswer struct {
	http.ResponseWriter
	record func(status int)
}

// WriteHeader implements http.ResponseWriter.
func (a *recordedAnswer) WriteHeader(status int) {
	if a.record != nil && status >= 200 {
		a.record(status)
		a.record = nil
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *recordedAnswer) Write(p []byte) (int, error) {
	if a.record != nil {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap implements the interface of http.ResponseController.
func (a *recordedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
