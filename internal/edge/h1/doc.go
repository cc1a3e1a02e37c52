// Package h1 reads HTTP/1 messages as a load balancer must: it finds where a message begins and ends, keeps header fields as they
// were written and in their order, and judges how far a request strays from the standard (alb.md section 6).
//
// It owns no connection, sets no deadline and starts no goroutine: callers hand it a bufio.Reader. Heads are read into one string,
// which the fields are parts of, so that reading a request costs one allocation that lives no longer than the request. Sizes are
// bounded here (alb.md Q20); what is too large or malformed is an *Error with the status a client is to be told.
package h1

import "fmt"

// Field is a header field, its name as it was written, its value without surrounding space.
type Field = struct{ Name, Value string }

// Class is how far a request strays from the standard, in the words of Amazon's HTTP desync guardian.
type Class int

// The classes, from harmless to dangerous. A request that is Severe is never read: ReadRequest returns an *Error for it.
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

// Error is a message that cannot be read. Status is the answer to a client: 400, 414, 501 or 505. Errors of the connection are
// returned as they are and are no *Error.
type Error struct {
	Status int
	Reason string // the guardian's name where it has one: "BadHeader", "MultipleContentLength"
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
