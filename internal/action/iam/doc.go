// Package iam has the actions of AWS IAM that ECS stacks need: roles, their policies, and instance
// profiles. All of it is stored and returned; policies are not evaluated, since every principal of
// an account may do everything in Berth. IAM has no regions.
package iam

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

type api struct{ store *state.Store }

// Service returns the actions of AWS IAM.
func Service(store *state.Store) awswire.Service {
	a := &api{store}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version:   shape.APIVersion,
		Namespace: shape.XMLNamespace, TokenName: "marker",
		Operations: append(awswire.Absent(shape.Absent), []awswire.Operation{
			awswire.Op("CreateRole", a.createRole),
			awswire.Op("CreateServiceLinkedRole", a.createServiceLinkedRole),
			awswire.Op("DeleteServiceLinkedRole", a.deleteServiceLinkedRole),
			awswire.Op("GetServiceLinkedRoleDeletionStatus", a.getDeletionStatus),
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

var pages = request.Pages{Default: 100, Least: 1, Most: 1000, Refuse: func(size, least, most int32) error {
	return fault.Unsatisfied("ValidationError", size, "maxItems",
		"Member must have value between %d and %d", least, most)
}}

// policy checks a policy's text.
func policy(text string) error {
	if !json.Valid([]byte(text)) || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return fault.New(shape.CodeMalformedPolicyDocument, "This policy contains invalid Json")
	}
	return nil
}

// encoded is how IAM returns policies: percent-encoded.
func encoded(text string) *string { return new(strings.ReplaceAll(url.QueryEscape(text), "+", "%20")) }

var tagRules = tag.Rules{
	Code:    shape.CodeInvalidInput,
	TooMany: fault.New(shape.CodeLimitExceeded, "A resource can have no more than %d tags.", tag.Max).WithStatus(409),
}

func parseTags(in []shape.Tag) (tag.Set, error) { return tagRules.New(request.Tags(in)) }

func answerTags(tags tag.Set) []shape.Tag { return request.AnswerTags[shape.Tag](tags.Sorted()) }

// listAccountAliases has nothing to list: aliases cannot be made here.
func (a *api) listAccountAliases(
	context.Context, *awswire.Call, *shape.ListAccountAliasesInput,
) (*shape.ListAccountAliasesOutput, error) {
	return &shape.ListAccountAliasesOutput{IsTruncated: new(false)}, nil
}
