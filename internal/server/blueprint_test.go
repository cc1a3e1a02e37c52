package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/blueprint"
)

// The settings of the region of the signature are answered to callers with a key, and can be read as a stack file.
func TestBlueprint(t *testing.T) {
	s := run(t, nil)
	createCluster(t, s, "web")
	if code, body := do(t, s, "GET", "/_berth/blueprint", "", nil); code != http.StatusForbidden {
		t.Errorf("without a signature: %d %s", code, body)
	}
	code, body := do(t, s, "GET", "/_berth/blueprint", "", sign(s, "berth", ""))
	stack, err := blueprint.Read(strings.NewReader(body))
	if code != http.StatusOK || err != nil || len(stack.Clusters) != 1 || stack.Clusters[0].ClusterName != "web" {
		t.Errorf("%d %v\n%s", code, err, body)
	}
}
