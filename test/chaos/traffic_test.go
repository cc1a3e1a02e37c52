package chaos

import (
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// span is a time with a beginning and an end.
type span struct{ from, to time.Time }

func (s span) meets(f harness.Failure) bool { return s.from.Before(f.To) && f.From.Before(s.to) }

// end stops clients, and fails the test for each failed request that was not during a time when the edge was down.
func end(t testing.TB, v *harness.Load, down []span) {
	t.Helper()
	bodies, failures := v.Stop()
	answered := 0
	for _, n := range bodies {
		answered += n
	}
	var unexplained []harness.Failure
	for _, f := range failures {
		explained := false
		for _, d := range down {
			explained = explained || d.meets(f)
		}
		if !explained {
			unexplained = append(unexplained, f)
		}
	}
	t.Logf("traffic: %d answered, %d failed, %d of them while the edge was up", answered, len(failures),
		len(unexplained))
	if answered == 0 {
		t.Error("no request was answered")
	}
	for _, f := range unexplained[:min(len(unexplained), 20)] {
		t.Errorf("one of %d requests that failed while the edge was up: %s", len(unexplained), f)
	}
}
