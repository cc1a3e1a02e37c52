// Package h1 reads HTTP/1 messages as a load balancer must: it finds where a message begins and ends, keeps
// header fields unchanged and in order, and classifies deviations from the standard (alb.md section 6).
//
// It owns no connection, sets no deadline and starts no goroutine; callers pass a bufio.Reader. A head is read
// into one string, of which the fields are substrings, so reading a request costs one allocation that lives no
// longer than the request. Sizes are bounded (alb.md Q20). A message that is malformed or too large is an
// *Error with the status for the client.
package h1

import "fmt"

// Field is a header field: its name as written, and its value without surrounding space.
type Field = struct{ Name, Value string }

// Class is how far a request deviates from the standard, in the terms of Amazon's HTTP desync guardian.
type Class int

// The classes, from harmless to dangerous. For a Severe request ReadRequest returns an *Error.
const (
	Compliant Class = iota
	Acceptable
	Ambiguous
	Severe
)

// String returns the class as access logs write it.
func (c Class) String() string {
	return [...]string{"-", "Acceptable", "Ambiguous", "Severe"}[c]
}

// Error means that a message cannot be read. Status is the answer to the client: 400, 414, 501 or 505. Errors
// of the connection are returned unchanged and are not an *Error.
type Error struct {
	Status int
	Reason string // the guardian's name if it has one: "BadHeader", "MultipleContentLength"
	Class  Class
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("malformed HTTP message: %s", e.Reason) }

func severe(reason string) *Error    { return &Error{400, reason, Severe} }
func ambiguous(reason string) *Error { return &Error{400, reason, Ambiguous} }

// Limits on heads in bytes (alb.md Q20).
const (
	MaxLine         = 16 << 10 // a request line or one header field
	MaxRequestHead  = 64 << 10
	MaxResponseHead = 32 << 10
	maxEmptyLines   = 16 // before a request
)
