package awswire

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
)

// codes are the names that one family of protocols has for the faults of the desk itself.
type codes struct {
	validation, serialization, unknownAction, missingAction, internal, tooLarge string
	missingToken, incomplete, mismatch, expired, unknownKey, expiredToken       string
	denied                                                                      int // the status of faults about signatures
}

var (
	jsonCodes = codes{
		validation: "ValidationException", serialization: "SerializationException",
		unknownAction: "UnknownOperationException", missingAction: "UnknownOperationException",
		internal: "ServerException", tooLarge: "RequestEntityTooLargeException",
		missingToken: "MissingAuthenticationTokenException", incomplete: "IncompleteSignatureException",
		mismatch: "InvalidSignatureException", expired: "InvalidSignatureException",
		unknownKey: "UnrecognizedClientException", expiredToken: "ExpiredTokenException", denied: http.StatusBadRequest,
	}
	queryCodes = codes{
		validation: "ValidationError", serialization: "MalformedInput",
		unknownAction: "InvalidAction", missingAction: "MissingAction",
		internal: "InternalFailure", tooLarge: "RequestEntityTooLarge",
		missingToken: "MissingAuthenticationToken", incomplete: "IncompleteSignature",
		mismatch: "SignatureDoesNotMatch", expired: "SignatureDoesNotMatch",
		unknownKey: "InvalidClientTokenId", expiredToken: "ExpiredToken", denied: http.StatusForbidden,
	}
	ec2Codes = codes{
		validation: "InvalidParameterValue", serialization: "InvalidParameterValue",
		unknownAction: "InvalidAction", missingAction: "MissingAction",
		internal: "InternalError", tooLarge: "RequestEntityTooLarge",
		missingToken: "MissingAuthenticationToken", incomplete: "IncompleteSignature",
		mismatch: "SignatureDoesNotMatch", expired: "RequestExpired",
		unknownKey: "AuthFailure", expiredToken: "ExpiredToken", denied: http.StatusForbidden,
	}
)

func (s *service) codes() codes {
	switch s.Protocol {
	case Query:
		return queryCodes
	case EC2Query:
		return ec2Codes
	}
	return jsonCodes
}

func (s *service) validationCode() string { return cmp.Or(s.ValidationCode, s.codes().validation) }
func (s *service) tokenCode() string      { return cmp.Or(s.TokenCode, s.validationCode()) }
func (s *service) refusalCode() string    { return cmp.Or(s.RefusalCode, s.validationCode()) }

func (x *exchange) codes() codes { return x.svc.codes() }

func (x *exchange) fault(code, format string, args ...any) *fault.Error {
	return fault.New(code, format, args...)
}

func (x *exchange) malformed(what string) *fault.Error {
	if x.svc.Protocol.isJSON() {
		return x.fault("SerializationException", "The request could not be read: %s.", what)
	}
	return x.fault("MalformedQueryString", "The request could not be read: %s.", what)
}

func (x *exchange) tooLarge(limit int64) *fault.Error {
	return x.fault(x.codes().tooLarge, "The request is larger than the %d bytes that this API takes.", limit).
		WithStatus(http.StatusRequestEntityTooLarge)
}

func (x *exchange) internal() *fault.Error {
	return x.fault(x.codes().internal, "The request failed because of an error in the server; its log has the request ID %s.", x.call.RequestID).
		WithStatus(http.StatusInternalServerError)
}

func (x *exchange) unknownAction() *fault.Error {
	switch {
	case x.call.Action == "":
		return x.fault(x.codes().missingAction, "The request does not name an action of the service %s.", x.svc.Name)
	case x.svc.Protocol == EC2Query:
		return x.fault(x.codes().unknownAction, "The action %s is not valid for this web service: Berth does not have it.", x.call.Action)
	case x.svc.Protocol == Query:
		return x.fault(x.codes().unknownAction, "Could not find operation %s for version %s: Berth does not have it.", x.call.Action, x.svc.Version)
	}
	return x.fault(x.codes().unknownAction, "%s is not an operation of the service %s that Berth has.", x.call.Action, x.svc.Name)
}

func (x *exchange) unknownService(name, action string) *fault.Error {
	if name == "" {
		return x.fault(x.codes().missingToken, "Request is missing Authentication Token").WithStatus(x.codes().denied)
	}
	asked := ""
	if action != "" {
		asked = fmt.Sprintf(" (asked for action %q)", action)
	}
	return x.fault(x.codes().unknownAction, "Berth has no service %q%s. It has: %s.", name, asked, x.h.serviceNames())
}

func (x *exchange) wrongScope() *fault.Error {
	return x.fault(x.codes().mismatch, "Credential should be scoped to correct service: '%s'.", x.svc.Name).WithStatus(x.codes().denied)
}

// signatureFault words why a signature is not believed.
func (x *exchange) signatureFault(err error) *fault.Error {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return x.logged(err)
	}
	c := x.codes()
	code, status := c.mismatch, c.denied
	switch e.Reason {
	case sigv4.Missing:
		code = c.missingToken
	case sigv4.Incomplete, sigv4.Unsupported:
		code, status = c.incomplete, http.StatusBadRequest
	case sigv4.Expired, sigv4.NotYetValid:
		code = c.expired
	case sigv4.UnknownKey:
		code = c.unknownKey
		if x.svc.Protocol == EC2Query {
			return x.fault(code, "AWS was not able to validate the provided access credentials").WithStatus(http.StatusUnauthorized)
		}
	case sigv4.ExpiredToken:
		code = c.expiredToken
	}
	return x.fault(code, "%s", e.Message).WithStatus(status)
}

// problemFault words what is wrong with an input. The gravest kind is told; of constraints, all of them at once, as AWS does.
func (x *exchange) problemFault(problems []schema.Problem) *fault.Error {
	for _, kind := range []schema.ProblemKind{schema.Malformed, schema.WrongType, schema.Unknown, schema.Refused} {
		for _, p := range problems {
			if p.Kind == kind {
				return x.oneProblem(p)
			}
		}
	}
	if x.svc.Protocol == EC2Query {
		return x.ec2Constraint(problems[0])
	}
	return x.constraints(problems)
}

func (x *exchange) oneProblem(p schema.Problem) *fault.Error {
	name := cmp.Or(p.Path.String(), "input")
	if !x.svc.Protocol.isJSON() {
		name = p.Path.Parameter()
	}
	switch p.Kind {
	case schema.Malformed:
		return x.malformed(p.Have)
	case schema.WrongType:
		return x.wrongType(p, name)
	case schema.Unknown:
		hint := ""
		if p.Want != "" {
			hint = fmt.Sprintf(" Did you mean %q?", p.Want)
		}
		if x.svc.Protocol == EC2Query {
			return x.fault("UnknownParameter", "The parameter %s is not recognized.%s", name, hint)
		}
		return x.fault(x.svc.validationCode(), "Unknown parameter in input: %q is not a member of %s.%s", name, x.call.Action, hint)
	}
	return x.fault(x.svc.refusalCode(), "Berth does not support %q in %s. Leave it out.", name, x.call.Action)
}

func (x *exchange) wrongType(p schema.Problem, name string) *fault.Error {
	code := x.codes().serialization
	if !x.svc.Protocol.isJSON() {
		return x.fault(code, "Value (%s) for parameter %s is invalid. It must be of type %s.", p.Have, name, p.Want)
	}
	switch {
	case p.Have == "START_LIST":
		return x.fault(code, "Start of list found where not expected: %s at '%s'", p.Want, name)
	case p.Have == "START_OBJECT":
		return x.fault(code, "Start of structure or map found where not expected: %s at '%s'", p.Want, name)
	}
	article := "a"
	if strings.ContainsAny(p.Want[:1], "AEIOU") {
		article = "an"
	}
	return x.fault(code, "%s can not be converted to %s %s: at '%s'", p.Have, article, p.Want, name)
}

// maxConstraints is how many violations one message tells.
const maxConstraints = 20

// constraints is AWS's message about values that a model's constraints do not admit.
func (x *exchange) constraints(problems []schema.Problem) *fault.Error {
	var b strings.Builder
	plural := "s"
	if len(problems) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "%d validation error%s detected: ", len(problems), plural)
	for i, p := range problems[:min(len(problems), maxConstraints)] {
		if i > 0 {
			b.WriteString("; ")
		}
		at := p.Path.Constraint()
		switch p.Kind {
		case schema.Missing:
			fmt.Fprintf(&b, "Value null at '%s' failed to satisfy constraint: Member must not be null", at)
		case schema.BadEnum:
			fmt.Fprintf(&b, "Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", p.Have, at, strings.Join(p.Allowed, ", "))
		case schema.NotUnion:
			fmt.Fprintf(&b, "Value at '%s' failed to satisfy constraint: Member must have exactly one of its members set", at)
		}
	}
	return x.fault(x.svc.validationCode(), "%s", b.String())
}

func (x *exchange) ec2Constraint(p schema.Problem) *fault.Error {
	name := p.Path.Parameter()
	if p.Kind == schema.Missing {
		return x.fault("MissingParameter", "The request must contain the parameter %s", name)
	}
	return x.fault(x.svc.validationCode(), "Invalid value '%s' for %s.", p.Have, name)
}
