package awswire

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// guessProtocol is the protocol of faults as long as the service is not known.
func (h *handler) guessProtocol(r *http.Request) Protocol {
	if r.Header.Get("X-Amz-Target") != "" {
		return JSON11
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
		return JSON10
	}
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		return JSON11
	}
	return Query
}

// route tells which service and action the request is for. What it finds is not proven before authenticate.
func (x *exchange) route() error {
	scope, _ := sigv4.ReadScope(x.r)
	x.call.Service, x.call.Region = scope.Service, scope.Region
	var err error
	if target := x.r.Header.Get("X-Amz-Target"); target != "" || x.svc.Protocol.isJSON() {
		err = x.routeJSON(scope.Service, target)
	} else {
		err = x.routeQuery(scope.Service)
	}
	if err != nil {
		return err
	}
	x.call.Service = x.svc.Name
	x.call.pages.code, x.call.pages.name = x.svc.tokenCode(), x.svc.TokenName
	if int64(len(x.body)) > x.svc.MaxBody {
		return x.tooLarge(x.svc.MaxBody)
	}
	return nil
}

// routeJSON finds the service by X-Amz-Target: Prefix.Action.
func (x *exchange) routeJSON(scope, target string) error {
	prefix, action, _ := strings.Cut(target, ".")
	x.call.Action = action
	for _, s := range x.h.services {
		if s.Protocol.isJSON() && s.TargetPrefix == prefix {
			x.svc = s
			return nil
		}
	}
	for _, s := range x.h.services {
		if s.Protocol.isJSON() && s.Name == scope { // the right service, but not a target of it
			x.svc, x.call.Action = s, target
			return nil
		}
	}
	return x.unknownService(scope, target)
}

// routeQuery finds the service by the signature's scope and the Version parameter: a scope may have several APIs.
func (x *exchange) routeQuery(scope string) error {
	if err := x.parseForm(); err != nil {
		return err
	}
	x.call.Action = x.params.Get("Action")
	version := x.params.Get("Version")
	var found *service
	for _, s := range x.h.services {
		if s.Protocol.isJSON() || scope != "" && s.Name != scope {
			continue
		}
		if s.Version == version && version != "" {
			x.svc = s
			return nil
		}
		if found == nil && scope != "" {
			found = s
		}
	}
	if found == nil {
		return x.unknownService(scope, x.call.Action)
	}
	if x.svc = found; version != "" && found.Protocol != EC2Query { // EC2 takes every date: old clients name old ones
		return x.fault(x.codes().unknownAction, "Could not find operation %s for version %s: this is version %s of the service %s.",
			x.call.Action, version, found.Version, found.Name)
	}
	return nil
}

// parseForm reads the parameters from the URL and the body.
func (x *exchange) parseForm() error {
	params, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return x.malformed("the query string is malformed: " + err.Error())
	}
	x.params = params
	if x.r.Method != http.MethodPost || len(x.body) == 0 {
		return nil
	}
	body, err := x.formBody()
	if err != nil {
		return err
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

// formBody is the body of a form; its service is not known yet, only what the request claims.
func (x *exchange) formBody() ([]byte, error) {
	if x.svc.MaxBody == 0 {
		x.svc.MaxBody = x.limit
	}
	return x.plainBody()
}

func newReader(b []byte) *bytes.Reader { return bytes.NewReader(b) }

// serviceNames are the services of the desk, for the fault of one that it does not have.
func (h *handler) serviceNames() string {
	var names []string
	for _, s := range h.services {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
