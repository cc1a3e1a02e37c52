package e2e

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/berthhq/berth/test/harness"
)

// The official JavaScript SDK can read pages and wait, and gets faults with the right types.
func TestJavaScriptSDK(t *testing.T) {
	harness.Need(t, nodeJS)
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	var seen struct {
		Waited, Inactive string
		Pages            []int
		Started          bool
		Missing          []any
		InUse, Invalid   []any
	}
	out := runNode(t, "js/sdk.mjs", s.URL(), s.define(t, "sdk", answering(probe, "here"), nil))
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.Waited != "SUCCESS" || seen.Inactive != "SUCCESS" {
		t.Errorf("the waiters end with %q and %q", seen.Waited, seen.Inactive)
	}
	if !slices.Equal(seen.Pages, []int{2, 1}) {
		t.Errorf("three tasks in pages of two: %v", seen.Pages)
	}
	if !seen.Started {
		t.Error("startedAt is not a time of just now")
	}
	for _, c := range []struct{ got, want []any }{
		{seen.Missing, []any{true, "ClusterNotFoundException", "Cluster not found.", 400.0, "client"}},
		{seen.InUse, []any{true, "ClusterContainsContainerInstancesException"}},
		{seen.Invalid, []any{true, "ClientException"}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("a fault reads as %v, want %v", c.got, c.want)
		}
	}
}
