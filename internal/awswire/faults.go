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

// codes are the codes that one family of protocols has for errors of this package, and some of
// their texts.
type codes struct {
	validation, serialization, malformed        string
	unknownAction, missingAction                string
	internal, tooLarge                          string
	missingToken, incomplete, mismatch, expired string
	unknownKey, expiredToken                    string

	denied           int    // HTTP status of errors about signatures
	unknownKeyStatus int    // 0 means denied
	unknownKeyText   string // "" means the verifier's text

	// noAction is the text for an action that does not exist: {action} of {service}, version
	// {version}.
	noAction       string
	noActionStatus int // 0 is 400
	// unknownMember and missingMember are set if these have codes of their own.
	unknownMember, missingMember string
	// byValue selects messages with the wrong value, and not with the kind of JSON token.
	byValue bool
}

var (
	jsonCodes = codes{
		validation: "ValidationException", serialization: "SerializationException", malformed: "SerializationException",
		unknownAction: "UnknownOperationException", missingAction: "UnknownOperationException",
		internal: "ServerException", tooLarge: "RequestEntityTooLargeException",
		missingToken: "MissingAuthenticationTokenException", incomplete: "IncompleteSignatureException",
		mismatch: "InvalidSignatureException", expired: "InvalidSignatureException",
		unknownKey: "UnrecognizedClientException", expiredToken: "ExpiredTokenException", denied: http.StatusBadRequest,
		noAction: "{action} is not an operation of the service {service} that Berth has.",
	}
	queryCodes = codes{
		validation: "ValidationError", serialization: "MalformedInput", malformed: "MalformedQueryString",
		unknownAction: "InvalidAction", missingAction: "MissingAction",
		internal: "InternalFailure", tooLarge: "RequestEntityTooLarge",
		missingToken: "MissingAuthenticationToken", incomplete: "IncompleteSignature",
		mismatch: "SignatureDoesNotMatch", expired: "SignatureDoesNotMatch",
		unknownKey: "InvalidClientTokenId", expiredToken: "ExpiredToken", denied: http.StatusForbidden,
		noAction: "Could not find operation {action} for version {version}: Berth does not have it.",
		byValue:  true,
	}
	ec2Codes = codes{
		validation: "InvalidParameterValue", serialization: "InvalidParameterValue", malformed: "MalformedQueryString",
		unknownAction: "InvalidAction", missingAction: "MissingAction",
		internal: "InternalError", tooLarge: "RequestEntityTooLarge",
		missingToken: "MissingAuthenticationToken", incomplete: "IncompleteSignature",
		mismatch: "SignatureDoesNotMatch", expired: "RequestExpired",
		unknownKey: "AuthFailure", expiredToken: "ExpiredToken", denied: http.StatusForbidden,
		unknownKeyStatus: http.StatusUnauthorized,
		unknownKeyText:   "AWS was not able to validate the provided access credentials",
		noAction:         "The action {action} is not valid for this web service: Berth does not have it.",
		unknownMember:    "UnknownParameter", missingMember: "MissingParameter", byValue: true,
	}
)

func (s *service) validationCode(p Protocol) string {
	return cmp.Or(s.ValidationCode, p.codes().validation)
}
func (s *service) tokenCode(p Protocol) string   { return cmp.Or(s.TokenCode, s.validationCode(p)) }
func (s *service) refusalCode(p Protocol) string { return cmp.Or(s.RefusalCode, s.validationCode(p)) }

func (x *inflight) codes() *codes { return x.protocol.codes() }

func (x *inflight) fault(code, format string, args ...any) *fault.Error {
	return fault.New(code, format, args...)
}

func (x *inflight) malformed(what string) *fault.Error {
	return x.fault(x.codes().malformed, "The request could not be read: %s.", what)
}

func (x *inflight) tooLarge(limit int64) *fault.Error {
	return x.fault(x.codes().tooLarge, "The request is larger than the %d bytes that this API takes.", limit).
		WithStatus(http.StatusRequestEntityTooLarge)
}

func (x *inflight) internal() *fault.Error {
	return x.fault(x.codes().internal, "The request failed because of an error in the server; its log has "+
		"the request ID %s.", x.call.RequestID).
		WithStatus(http.StatusInternalServerError)
}

func (x *inflight) unknownAction() *fault.Error {
	if x.call.Action == "" {
		return x.fault(x.codes().missingAction, "The request does not name an action of the service %s.", x.svc.Name)
	}
	words := strings.NewReplacer("{action}", x.call.Action, "{service}", x.svc.Name, "{version}", x.svc.Version)
	return x.fault(x.codes().unknownAction, "%s", words.Replace(x.codes().noAction)).
		WithStatus(x.codes().noActionStatus)
}

func (x *inflight) unknownService(name, action string) *fault.Error {
	if name == "" {
		return x.fault(x.codes().missingToken, "Request is missing Authentication Token").WithStatus(x.codes().denied)
	}
	asked := ""
	if action != "" {
		asked = fmt.Sprintf(" (asked for action %q)", action)
	}
	return x.fault(x.codes().unknownAction, "Berth has no service %q%s. It has: %s.", name, asked, x.h.serviceNames())
}

func (x *inflight) wrongScope() *fault.Error {
	return x.fault(x.codes().mismatch, "Credential should be scoped to correct service: '%s'.",
		x.svc.Name).WithStatus(x.codes().denied)
}

// signatureFault returns the error for a signature that is not accepted.
func (x *inflight) signatureFault(err error) *fault.Error {
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
		return x.fault(c.unknownKey, "%s", cmp.Or(c.unknownKeyText, e.Message)).
			WithStatus(cmp.Or(c.unknownKeyStatus, c.denied))
	case sigv4.ExpiredToken:
		code = c.expiredToken
	}
	return x.fault(code, "%s", e.Message).WithStatus(status)
}

// problemFault returns the error for an invalid input. It reports the most serious kind of problem;
// if that is constraints, it reports all of them, as AWS does.
func (x *inflight) problemFault(problems []schema.Problem) *fault.Error {
	for _, kind := range []schema.ProblemKind{schema.Malformed, schema.WrongType, schema.Unknown, schema.Refused} {
		for _, p := range problems {
			if p.Kind == kind {
				return x.oneProblem(p)
			}
		}
	}
	if x.codes().missingMember != "" {
		return x.oneConstraint(problems[0])
	}
	return x.constraints(problems)
}

func (x *inflight) oneProblem(p schema.Problem) *fault.Error {
	name := cmp.Or(p.Path.String(), "input")
	if x.protocol.format() == schema.Query {
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
		if code := x.codes().unknownMember; code != "" {
			return x.fault(code, "The parameter %s is not recognized.%s", name, hint)
		}
		return x.fault(x.svc.validationCode(x.protocol), "Unknown parameter in input: %q is not a member of %s.%s",
			name, x.call.Action, hint)
	}
	return x.fault(x.svc.refusalCode(x.protocol), "Berth does not support %q in %s. Leave it out.", name, x.call.Action)
}

func (x *inflight) wrongType(p schema.Problem, name string) *fault.Error {
	code := x.codes().serialization
	if x.codes().byValue {
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

// maxConstraints is how many violations a message lists.
const maxConstraints = 20

// constraints returns AWS's message about values that violate constraints of the API's model.
func (x *inflight) constraints(problems []schema.Problem) *fault.Error {
	plural := "s"
	if len(problems) == 1 {
		plural = ""
	}
	var all []string
	for _, p := range problems[:min(len(problems), maxConstraints)] {
		at := p.Path.Constraint()
		switch p.Kind {
		case schema.Missing:
			all = append(all, fault.Violation(fault.Null, at, "Member must not be null"))
		case schema.BadEnum:
			all = append(all, fault.Violation(p.Have, at, "Member must satisfy enum value set: [%s]",
				strings.Join(p.Allowed, ", ")))
		case schema.NotUnion:
			all = append(all, fault.Violation(nil, at, "Member must have exactly one of its members set"))
		}
	}
	return x.fault(x.svc.validationCode(x.protocol), "%d validation error%s detected: %s", len(problems), plural,
		strings.Join(all, "; "))
}

// oneConstraint returns EC2's message about a value.
func (x *inflight) oneConstraint(p schema.Problem) *fault.Error {
	name := p.Path.Parameter()
	if p.Kind == schema.Missing {
		return x.fault(x.codes().missingMember, "The request must contain the parameter %s", name)
	}
	return x.fault(x.svc.validationCode(x.protocol), "Invalid value '%s' for %s.", p.Have, name)
}
