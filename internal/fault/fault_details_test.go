package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// After any additions, in any order, the code and the message that callers see are the same. The cause is
// only for the log, and earlier errors do not change.
func TestAdditionsLeaveThePublicHalf(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := New("ClientException", "The name %q is taken.", "web")
		e, status, details := first, 400, map[string]any{}
		for i := range rapid.IntRange(0, 6).Draw(rt, "additions") {
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				e = e.With(io.EOF)
			case 1:
				status = rapid.SampledFrom([]int{403, 404, 500}).Draw(rt, "status")
				e = e.WithStatus(status)
			default:
				name := fmt.Sprint("member", i%2)
				details[name], e = i, e.WithDetail(name, i)
			}
		}
		if e.Code != "ClientException" || e.Message != `The name "web" is taken.` || e.HTTPStatus() != status ||
			len(e.Details) != len(details) {
			rt.Fatalf("%+v, want status %d and details %v", e, status, details)
		}
		for name, value := range details {
			if e.Details[name] != value {
				rt.Fatalf("detail %s is %v, want %v", name, e.Details[name], value)
			}
		}
		if first.Status != 0 || first.Details != nil || first.Unwrap() != nil {
			rt.Fatalf("the first one has changed: %+v", first)
		}
		found, ok := errors.AsType[*Error](fmt.Errorf("while creating: %w", e))
		if !ok || found != e || !errors.Is(e, first) {
			rt.Fatalf("it is found as %+v", found)
		}
	})
}
