// Package iam has the actions of AWS IAM that ECS stacks need: roles, their policies, and instance profiles. All of it is stored and
// returned; policies are not evaluated, since every principal of an account may do everything in Berth. IAM has no regions.
package iam

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

type api struct{ store *state.Store }

// Service returns the actions of AWS IAM.
func Service(store *state.Store) awswire.Service {
	a := &api{store}
	return awswire.Service{
		Name: shape.SigningName, Protocol: awswire.Query, Version: shape.APIVersion, Namespace: shape.XMLNamespace, TokenName: "marker",
		Operations: append(absentOperations(), []awswire.Operation{
			awswire.Op("CreateRole", a.createRole),
			awswire.Op("CreateServiceLinkedRole", a.createServiceLinkedRole),
			awswire.Op("GetRole", a.getRole),
			awswire.Op("ListRoles", a.listRoles),
			awswire.Op("UpdateRole", a.updateRole),
			awswire.Op("UpdateAssumeRolePolicy", a.updateAssumeRolePolicy),
			awswire.Op("DeleteRole", a.deleteRole),
			awswire.Op("TagRole", a.tagRole),
			awswire.Op("UntagRole", a.untagRole),
			awswire.Op("ListRoleTags", a.listRoleTags),
			awswire.Op("AttachRolePolicy", a.attachRolePolicy),
			awswire.Op("DetachRolePolicy", a.detachRolePolicy),
			awswire.Op("ListAttachedRolePolicies", a.listAttachedRolePolicies),
			awswire.Op("PutRolePolicy", a.putRolePolicy),
			awswire.Op("GetRolePolicy", a.getRolePolicy),
			awswire.Op("DeleteRolePolicy", a.deleteRolePolicy),
			awswire.Op("ListRolePolicies", a.listRolePolicies),
			awswire.Op("CreateInstanceProfile", a.createInstanceProfile),
			awswire.Op("GetInstanceProfile", a.getInstanceProfile),
			awswire.Op("ListInstanceProfiles", a.listInstanceProfiles),
			awswire.Op("ListInstanceProfilesForRole", a.listInstanceProfilesForRole),
			awswire.Op("DeleteInstanceProfile", a.deleteInstanceProfile),
			awswire.Op("AddRoleToInstanceProfile", a.addRoleToInstanceProfile),
			awswire.Op("RemoveRoleFromInstanceProfile", a.removeRoleFromInstanceProfile),
			awswire.Op("ListAccountAliases", a.listAccountAliases),
		}...),
	}
}

func noSuchEntity(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeNoSuchEntity, format, args...).WithStatus(404)
}

func conflict(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeDeleteConflict, format, args...).WithStatus(409)
}

func exists(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeEntityAlreadyExists, format, args...).WithStatus(409)
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("ValidationError", format, args...)
}

// cut is one page of a list that is in the order of its keys.
func cut[T any](call *awswire.Call, marker *string, most *int32, list iter.Seq[T], key func(T) string, filter ...string) (page []T, truncated *bool, next *string, err error) {
	n := 100
	if most != nil {
		if n = int(*most); n < 1 || n > 1000 {
			return nil, nil, nil, invalid("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", n)
		}
	}
	p, err := call.Page(marker, filter...)
	if err != nil {
		return nil, nil, nil, err
	}
	page, next = awswire.Cut(p, n, list, key)
	return page, new(next != nil), next, nil
}

// policy checks a policy's text.
func policy(text string) error {
	if !json.Valid([]byte(text)) || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return fault.New(shape.CodeMalformedPolicyDocument, "This policy contains invalid Json")
	}
	return nil
}

// encoded is how IAM returns policies: percent-encoded.
func encoded(text string) *string { return new(strings.ReplaceAll(url.QueryEscape(text), "+", "%20")) }

func parseTags(in []shape.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(in))
	for _, t := range in {
		if *t.Key == "" || utf8.RuneCountInString(*t.Key) > 128 || utf8.RuneCountInString(*t.Value) > 256 || strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, fault.New(shape.CodeInvalidInput, "The tag %q is not valid: keys have 1 to 128 characters and do not begin with aws:, values have up to 256.", *t.Key)
		}
		tags[*t.Key] = *t.Value
	}
	return tags, checkCount(tags)
}

func checkCount(tags map[string]string) error {
	if len(tags) > 50 {
		return fault.New(shape.CodeLimitExceeded, "A resource can have no more than 50 tags.").WithStatus(409)
	}
	return nil
}

func answerTags(tags map[string]string) []shape.Tag {
	out := []shape.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, shape.Tag{Key: &k, Value: new(tags[k])})
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// listAccountAliases has nothing to list: aliases cannot be made here.
func (a *api) listAccountAliases(context.Context, *awswire.Call, *shape.ListAccountAliasesInput) (*shape.ListAccountAliasesOutput, error) {
	return &shape.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: new(false)}, nil
}
