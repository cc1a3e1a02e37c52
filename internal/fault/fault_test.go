package fault

import (
	"errors"
	"io"
	"testing"
)

func TestErrorKeepsPublicAndPrivateHalves(t *testing.T) {
	e := New("ClusterNotFoundException", "The cluster %q was not found.", "x").With(io.EOF).WithDetail("a", 1)
	if e.Code != "ClusterNotFoundException" || e.Message != `The cluster "x" was not found.` {
		t.Errorf("public half = %q %q", e.Code, e.Message)
	}
	if !errors.Is(e, io.EOF) {
		t.Error("the cause is lost")
	}
	if !errors.Is(e, New("ClusterNotFoundException", "")) || errors.Is(e, New("Other", "")) {
		t.Error("errors.Is must match by code")
	}
	if e.HTTPStatus() != 400 || e.WithStatus(500).HTTPStatus() != 500 {
		t.Error("status")
	}
}

func TestWithCopies(t *testing.T) {
	e := New("C", "m").WithDetail("a", 1)
	_ = e.WithDetail("b", 2).WithStatus(500).With(io.EOF)
	if len(e.Details) != 1 || e.Status != 0 || e.Unwrap() != nil {
		t.Errorf("a With method changed its receiver: %+v", e)
	}
}

// The words are those of AWS's own faults about constraints of its models.
func TestUnsatisfied(t *testing.T) {
	const head = "1 validation error detected: "
	for want, f := range map[string]*Error{
		"Value '0' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000": Unsatisfied(
			"ValidationError", 0, "maxItems", "Member must have value between %d and %d", 1, 1000),
		"Value '' at 'name' failed to satisfy constraint: Member must be 100%": Unsatisfied(
			"ValidationError", "", "name", "Member must be 100%%"),
		"Value at 'names' failed to satisfy constraint: Member must have few": Unsatisfied(
			"ValidationError", nil, "names", "Member must have few"),
		"Value null at 'name' failed to satisfy constraint: Member must not be null": Unsatisfied(
			"ValidationError", Null, "name", "Member must not be null"),
	} {
		if f.Code != "ValidationError" || f.Message != head+want {
			t.Errorf("%s, want %s", f, want)
		}
	}
}
