package cli

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/why"
)

// The sentence about scaling policies names them itself, so it has no source before it; the other reasons have one.
func TestAnswerAsText(t *testing.T) {
	var out strings.Builder
	printAnswer(&out, why.Answer{Kind: "service", Name: "web", Cluster: "c", Status: "2 of 2 running",
		Scaling: "Scaling policies have changed nothing: the desired count is at its maximum, 4.",
		Reasons: []why.Reason{{Source: "capacity", Text: "It is full."}}})
	const want = `service web of cluster c: 2 of 2 running

Scaling policies have changed nothing: the desired count is at its maximum, 4.

capacity: It is full.
`
	if out.String() != want {
		t.Errorf("it prints\n%s\nwant\n%s", out.String(), want)
	}
}
