package arn

import (
	"strings"
	"testing"
)

func TestParts(t *testing.T) {
	const s = "arn:aws:ecs:eu-west-2:123456789012:task/web/0123456789abcdef0123456789abcdef"
	a, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if a.Type() != "task" || a.Rest() != "web/0123456789abcdef0123456789abcdef" ||
		a.ID() != "0123456789abcdef0123456789abcdef" || a.Region != "eu-west-2" {
		t.Errorf("parts of %v: type %q rest %q id %q", a, a.Type(), a.Rest(), a.ID())
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "web", "arn:", "arn:aws:ecs:us-east-1:1", "arn::ecs:r:a:x", "arn:aws::r:a:x", "arn:aws:ecs:r:a:",
	} {
		if a, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", s, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:ecs:us-east-1:123456789012:cluster/web")
	f.Add("arn:aws:logs:us-east-1:123456789012:log-group:g:*")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a.String() != s {
			t.Fatalf("Parse(%q).String() = %q", s, a.String())
		}
		if kind := a.Type(); kind != "" && kind+"/"+a.Rest() != a.Resource {
			t.Errorf("%q is of type %q with the rest %q", s, kind, a.Rest())
		}
		if !strings.HasSuffix(a.Resource, a.ID()) || Region(s) != a.Region ||
			Account(s) != a.Account {
			t.Errorf("%q has the id %q, the region %q and the account %q", s, a.ID(), Region(s), Account(s))
		}
	})
}

func TestValidRegion(t *testing.T) {
	for _, r := range []string{"us-east-1", "us-gov-west-1", "ap-southeast-7", "cn-northwest-1",
		"us-isob-east-1", "eusc-de-east-1", "mx-central-1", "eu-central-12",
		"us-iso-west-1", "eu-isoe-west-1", "us-isof-south-1", "af-south-9", "il-central-1", "me-central-3",
		"ca-west-1", "sa-west-2"} {
		if !ValidRegion(r) {
			t.Errorf("%q is refused", r)
		}
	}
	for _, r := range []string{"", "x:y", "us-east-1:123456789012", "us-east", "us-east-1a", "US-EAST-1",
		"us-east-1\n", "us-east-01", "local", "us_east_1", "us-east-1/x", "../x-y-1", "us--1", "us-east-100",
		"ab-cd-9", "xx-east-1", "aws-global-1", "us-a-b-c-1", "eusc-fr-east-1", "us-isoz-east-1",
		"cn-gov-north-1", "usx-east-1"} {
		if ValidRegion(r) {
			t.Errorf("%q is accepted", r)
		}
	}
}
