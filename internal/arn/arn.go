// Package arn parses and makes Amazon Resource Names. An ARN is parsed once, at the edge of the
// program, and travels on as text in the form String gives; Parse(s).String() == s for every s that
// Parse accepts. The package also parses the names of images in Amazon ECR, which say an account and
// a region as ARNs do.
package arn

import (
	"fmt"
	"regexp"
	"strings"
)

// ARN is arn:Partition:Service:Region:Account:Resource. Region and Account are empty for global
// things ("arn:aws:iam::…").
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// New makes the ARN of something in the "aws" partition, the only one Berth gives out.
func New(service, region, account, resource string) ARN {
	return ARN{Partition: "aws", Service: service, Region: region, Account: account, Resource: resource}
}

// Parse reads an ARN; the resource may hold further colons.
func Parse(s string) (ARN, error) {
	var p [6]string
	rest, found := s, true
	for i := range p[:5] {
		if p[i], rest, found = strings.Cut(rest, ":"); !found {
			break
		}
	}
	p[5] = rest
	if !found || p[0] != "arn" {
		return ARN{}, fmt.Errorf(
			"%q is not an ARN: an ARN has the form arn:partition:service:region:account:resource", s)
	}
	if p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("%q is not an ARN: partition, service and resource must not be empty", s)
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, nil
}

// Is reports whether s has the looks of an ARN, as opposed to a name or an id.
func Is(s string) bool { return strings.HasPrefix(s, "arn:") }

// String returns the ARN's text.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Type is the resource's first part ("cluster" of "cluster/web", "loadbalancer" of
// "loadbalancer/app/x/1"), or "" if it has no slash.
func (a ARN) Type() string {
	t, _, ok := strings.Cut(a.Resource, "/")
	if !ok {
		return ""
	}
	return t
}

// Rest is what follows the type: "web" of "cluster/web", "web/3f…" of "task/web/3f…".
func (a ARN) Rest() string {
	_, r, _ := strings.Cut(a.Resource, "/")
	return r
}

// ID is the resource's last part: the id of a task, the name of a cluster.
func (a ARN) ID() string { return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:] }

// LastID is the last part of an ARN's text; for text that is no ARN it is the text after the last slash, or all of it.
func LastID(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// Region is the region of an ARN's text, or "" when it has none.
func Region(s string) string {
	a, err := Parse(s)
	if err != nil {
		return ""
	}
	return a.Region
}

// Account is the account of an ARN's text, or "" when it has none.
func Account(s string) string {
	a, err := Parse(s)
	if err != nil {
		return ""
	}
	return a.Account
}

// region matches names of regions that begin like those of one of AWS's partitions, as AWS's SDKs do. The
// rest of a name is free, so that new regions of a partition are accepted (decision 0314).
var region = regexp.MustCompile(`^(?:` +
	`us|eu|ap|sa|ca|me|af|il|mx|` + // aws
	`cn|us-gov|eusc-de|us-iso|us-isob|eu-isoe|us-isof` + // aws-cn, aws-us-gov, aws-eusc, aws-iso, -b, -e, -f
	`)-[a-z]{1,16}-[1-9][0-9]?$`)

// ValidRegion reports whether s is the name of a region that a partition of AWS has or may have:
// us-east-1, us-gov-west-1, eusc-de-east-1, eu-north-7. Regions that Amazon does not have yet are
// as good as others.
func ValidRegion(s string) bool { return region.MatchString(s) }
