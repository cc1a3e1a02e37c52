package cache

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Names and ARNs tell clusters, groups, accounts and regions apart, and begin with the id, as on AWS.
func TestNamesTellThingsApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what, name string) {
		t.Helper()
		if other, there := seen[name]; there {
			t.Errorf("%s and %s are both %s", what, other, name)
		}
		seen[name] = what
	}
	for _, region := range []string{"us-east-1", "eu-west-2"} {
		for _, account := range []string{"123456789012", "210987654321"} {
			for _, id := range []string{"chat", "chat-ro", "shop"} {
				what := region + " " + account + " " + id
				c := &Cluster{ID: id, Account: account, Region: region}
				g := &ReplicationGroup{ID: id, Account: account, Region: region}
				add("cluster "+what, c.Endpoint())
				add("primary of "+what, g.Primary())
				add("ARN of cluster "+what, ClusterARN(region, account, id))
				add("ARN of group "+what, ReplicationGroupARN(region, account, id))
				add("ARN of subnet group "+what, SubnetGroupARN(region, account, id))
				if !strings.HasPrefix(c.Endpoint(), id+".") || !strings.HasPrefix(g.Reader(), id+"-ro.") ||
					!strings.HasSuffix(c.Endpoint(), ".cache.amazonaws.com") ||
					c.Endpoint() != strings.ToLower(c.Endpoint()) {
					t.Errorf("names of %s: %s, %s", what, c.Endpoint(), g.Reader())
				}
			}
		}
	}
	if want := "arn:aws:elasticache:us-east-1:123456789012:cluster:chat"; ClusterARN("us-east-1", "123456789012",
		"chat") !=
		want {
		t.Errorf("ARN %s, want %s", ClusterARN("us-east-1", "123456789012", "chat"), want)
	}
}

// Containers reach a cache at its own address for them, else where programs of the machine do, and under no name while
// it has no address.
func TestHostEntries(t *testing.T) {
	for _, tt := range []struct {
		name  string
		node  Node
		group string
		want  int
		at    string
	}{
		{"it has not started", Node{}, "", 0, ""},
		{"it is on loopback only", Node{Address: "127.0.0.1"}, "", 1, "127.0.0.1"},
		{"containers have their own address", Node{Address: "127.0.0.1", ContainerAddress: "172.17.0.1"}, "", 1,
			"172.17.0.1"},
		{"it is a group's member", Node{Address: "127.0.0.1"}, "chat", 3, "127.0.0.1"},
	} {
		c := &Cluster{ID: "chat-001", Account: "1", Region: "us-east-1", Node: tt.node, ReplicationGroupID: tt.group}
		got := maps.Collect(HostEntries(slices.Values([]*Cluster{c})))
		if len(got) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		for name, address := range got {
			if address != tt.at {
				t.Errorf("%s: %s is at %s, want %s", tt.name, name, address, tt.at)
			}
		}
	}
	two := []*Cluster{{ID: "a", Node: Node{Address: "x"}}, {ID: "b", Node: Node{Address: "y"}}}
	n := 0
	for range HostEntries(slices.Values(two)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("a caller that had enough got %d entries", n)
	}
}

// An id is letters, digits and single hyphens, begins with a letter and does not end with a hyphen.
func TestValidIDs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("ab1-A_")), 0, 6, -1).Draw(rt, "id")
		want := s != "" && s[0] >= 'a' && s[0] <= 'z' && s[len(s)-1] != '-' && !strings.Contains(s, "--") &&
			!strings.ContainsAny(s, "A_") && len(s) <= 5
		if got := ValidID(s, 5); got != want {
			rt.Fatalf("%q is valid: %v, want %v", s, got, want)
		}
	})
}
