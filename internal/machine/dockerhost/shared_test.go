package dockerhost

import (
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// Images that agents have pulled from this server are removed with it. Images that people have built, that came from
// other registries, or that were pulled from another server of the machine stay.
func TestPulledFrom(t *testing.T) {
	const address = "127.0.0.1:4566"
	pulled := address + "/123456789012/us-east-1/team/web"
	got := pulledFrom(address, [][]string{
		{address + "/web:latest", pulled + ":v1", "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web:v1",
			"web:latest", pulled + "@sha256:1"},
		{"127.0.0.1:45661/123456789012/us-east-1/team/web:v1"},
		{pulled + "@sha256:2"},
	})
	want := []string{pulled + ":v1", pulled + "@sha256:1", pulled + "@sha256:2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A network belongs to this server if its label says so. A network without a label belongs to it by its name, if the
// server has block 0.
func TestMade(t *testing.T) {
	mine, others := &Host{Server: "A", NetworkPrefix: "berth"}, &Host{Server: "A", Block: 2, NetworkPrefix: "berth2"}
	for _, c := range []struct {
		host   *Host
		name   string
		labels map[string]string
		want   bool
	}{
		{mine, "berth-us-east-1a", map[string]string{engine.LabelServer: "A"}, true},
		{mine, "berth-us-east-1a", map[string]string{engine.LabelServer: "B"}, false},
		{mine, "berth-us-east-1a", nil, true},
		{mine, "other-us-east-1a", nil, false},
		{others, "berth2-us-east-1a", nil, false},
	} {
		if got := c.host.made(runtime.Network{Name: c.name, Labels: c.labels}); got != c.want {
			t.Errorf("block %d, %s %v: %v", c.host.Block, c.name, c.labels, got)
		}
	}
}

func TestUnused(t *testing.T) {
	zones := map[string]bool{"us-east-1a": true}
	if unused("berth-us-east-1a", zones) || !unused("berth-us-east-1b", zones) || !unused("berth-us-east-1a", nil) {
		t.Error("the network of a zone with instances is in use, and no other")
	}
}
