package role

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// The roles that services make for themselves: AWS's names, a path of their own, and trust in that service alone.
func TestLinkedRoles(t *testing.T) {
	services := LinkedServices()
	if !slices.IsSorted(services) || len(services) != 5 {
		t.Errorf("services %q", services)
	}
	for _, service := range services {
		r, ok := NewLinked("123456789012", service, "", time.Unix(5, 0))
		if !ok || !r.IsLinked() || !strings.HasPrefix(r.Name, "AWSServiceRoleFor") || !r.CreatedAt.Equal(time.Unix(5,
			0)) ||
			r.MaxSessionSeconds != 3600 || !ValidName(r.Name, 64) || !ValidPath(r.Path) {
			t.Errorf("the role of %s is %+v", service, r)
		}
		want := "arn:aws:iam::123456789012:role/aws-service-role/" + service + "/" + r.Name
		if r.ARN() != want || r.Key() != Key("123456789012", r.Name) {
			t.Errorf("%s, want %s", r.ARN(), want)
		}
		var policy struct {
			Statement []struct {
				Effect, Action string
				Principal      struct{ Service string }
			}
		}
		if err := json.Unmarshal([]byte(r.TrustPolicy), &policy); err != nil || len(policy.Statement) != 1 ||
			policy.Statement[0].Principal.Service != service || policy.Statement[0].Action != "sts:AssumeRole" {
			t.Errorf("the policy of %s is %s, %v", service, r.TrustPolicy, err)
		}
	}
	if r, ok := NewLinked("1", ServiceAutoScaling, "blue", time.Now()); !ok ||
		r.Name != "AWSServiceRoleForAutoScaling_blue" {
		t.Errorf("with a suffix: %+v, %v", r, ok)
	}
	if _, ok := NewLinked("1", "lambda.amazonaws.com", "", time.Now()); ok {
		t.Error("a service that is not here has a role")
	}
	if (&Role{Path: "/app/"}).IsLinked() || (&Role{Path: "/"}).IsLinked() {
		t.Error("a role of a user is a service's")
	}
}

// Ids follow from ARNs: a role always has the same id, and no other role has it.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, account := range []string{"1", "2"} {
		for _, name := range []string{"a", "b"} {
			for _, path := range []string{"/", "/app/"} {
				r, p := &Role{Account: account, Name: name, Path: path}, &InstanceProfile{Account: account,
					Name: name, Path: path}
				if seen[r.ID()] || seen[p.ID()] || r.ID() == p.ID() || r.ID() != r.Clone().ID() {
					t.Errorf("ids %s and %s", r.ID(), p.ID())
				}
				if r.Key() != p.Key() || r.Key() != account+"/"+name {
					t.Errorf("keys %s and %s", r.Key(), p.Key())
				}
				seen[r.ID()], seen[p.ID()] = true, true
			}
		}
	}
	if c := (&Role{}).Clone(); c.Inline == nil {
		t.Error("the copy of a role without policies cannot be given any")
	}
}
