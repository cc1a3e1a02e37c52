package cache

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// ecs.md 8.3: X.<h>.ng.0001.R.cache…, reader X-ro…; a node X.<h>.0001.use1.cache.amazonaws.com.
func TestEndpointNames(t *testing.T) {
	c := &Cluster{ID: "chat-001", Account: "123456789012", Region: "us-east-1", ReplicationGroupID: "chat",
		Node: Node{Address: "127.0.0.1", ContainerAddress: "172.17.0.1", Port: 6379}}
	h := hash("123456789012", "us-east-1")
	want := map[string]string{
		"chat-001." + h + ".0001.use1.cache.amazonaws.com":   "172.17.0.1",
		"chat." + h + ".ng.0001.use1.cache.amazonaws.com":    "172.17.0.1",
		"chat-ro." + h + ".ng.0001.use1.cache.amazonaws.com": "172.17.0.1",
	}
	stopped := &Cluster{ID: "stopped", Region: "us-east-1"}
	got := maps.Collect(HostEntries(slices.Values([]*Cluster{stopped, c})))
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestRegionCode(t *testing.T) {
	for region, want := range map[string]string{"us-east-1": "use1", "eu-west-2": "euw2",
		"ap-southeast-2": "apse2", "eu-central-1": "euc1", "us-gov-west-1": "usgovw1"} {
		if got := regionCode(region); got != want {
			t.Errorf("regionCode(%s) = %s, want %s", region, got, want)
		}
	}
}

func TestValidID(t *testing.T) {
	for s, ok := range map[string]bool{"chat": true, "a1-b": true, "1a": false, "a-": false, "a--b": false,
		"Chat": false, "": false, "abcdef": false} {
		if got := ValidID(s, 5); got != ok {
			t.Errorf("ValidID(%q) = %v", s, got)
		}
	}
}

func TestEventsAreBoundedAndShared(t *testing.T) {
	c := &Cluster{}
	var kept *Cluster
	for n := range 2 * MaxEvents {
		c = c.WithEvent(time.Unix(int64(n), 0), "x")
		if n == 10 {
			kept = c
		}
	}
	if len(c.Events) != MaxEvents || c.Events[MaxEvents-1].At.Unix() != 2*MaxEvents-1 {
		t.Errorf("%d events, last at %v", len(c.Events), c.Events[len(c.Events)-1].At)
	}
	if len(kept.Events) != 11 || kept.Events[10].At.Unix() != 10 {
		t.Error("an older value changed")
	}
}
