// Package fault holds the one error that leaves Berth: a code and a sentence for the caller, a
// private cause for the log.
//
// A room that finds something wrong with what a caller asked returns a *Error; every other error is
// the program's own and reaches a caller as ServerException with nothing of its text. Values are
// immutable: the With methods return copies.
package fault

import (
	"fmt"
	"maps"
)

// Error is the error that a caller of an API gets. Code is the short name AWS documents for the case
// ("ClusterNotFoundException"); Message says what was wrong and, where there is one, what would be right.
type Error struct {
	Code    string
	Message string
	// Status is the HTTP status; 0 means 400, which is what AWS answers for nearly every fault of the caller.
	Status int
	// Details are further members of the error's shape, by their wire names ("resourceIds" of a ConflictException).
	Details map[string]any
	cause   error
}

// New makes a fault with AWS's code and a formatted message.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// With returns a copy of e that keeps cause for logs and errors.Is; callers of the API never see it.
func (e *Error) With(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithStatus returns a copy of e that is answered with the given HTTP status.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// WithDetail returns a copy of e whose shape has one more member.
func (e *Error) WithDetail(name string, value any) *Error {
	c := *e
	c.Details = maps.Clone(e.Details)
	if c.Details == nil {
		c.Details = make(map[string]any, 1)
	}
	c.Details[name] = value
	return &c
}

// HTTPStatus is the status to answer with, never 0.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return 400
	}
	return e.Status
}

// Error implements error; it has the public half and the cause, for logs.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Message + ": " + e.cause.Error()
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is a fault of the same code, so that errors.Is(err, fault.New(code,
// "")) asks for the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Unsatisfied returns the fault for a value that does not satisfy a constraint of an API's model, in
// AWS's words. at is the path of the member, and constraint says what is required: "Member must …".
func Unsatisfied(code string, value any, at, constraint string, args ...any) *Error {
	return New(code, "1 validation error detected: %s", Violation(value, at, constraint, args...))
}

// Violation returns the part of Unsatisfied's message that is about the value. The message leaves out
// a value that is nil, and says null for Null.
func Violation(value any, at, constraint string, args ...any) string {
	have := fmt.Sprintf("Value '%v'", value)
	switch value {
	case nil:
		have = "Value"
	case Null:
		have = "Value null"
	}
	return fmt.Sprintf("%s at '%s' failed to satisfy constraint: ", have, at) + fmt.Sprintf(constraint, args...)
}

// Null stands for a required member that is absent.
var Null any = null{}

type null struct{}
