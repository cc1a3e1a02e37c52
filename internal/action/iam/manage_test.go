package iam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
)

// says makes a call, given as "Action a=b", and fails the test unless the answer contains all the words.
func says(t *testing.T, d *desktest.Desk, line string, words ...string) string {
	t.Helper()
	out := d.Query(t, "iam", desktest.Form(shape.APIVersion, line))
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%s\nanswers %s\nwant    %s", line, out, w)
		}
	}
	return out
}

const newRole = "CreateRole AssumeRolePolicyDocument={} RoleName="

// Inline policies of a role are stored as they were sent and returned percent-encoded. A role can be deleted
// when it has none.
func TestPoliciesOfARole(t *testing.T) {
	d := desktest.New(t, Service(desktest.Store(t)))
	says(t, d, newRole+"r", "<RoleName>r</RoleName>")
	says(t, d, newRole+"r", "EntityAlreadyExists: ")
	const policy = ` PolicyName=p PolicyDocument={"Statement":[],"a":"+/"}`
	says(t, d, "PutRolePolicy RoleName=r"+policy, "<PutRolePolicyResponse")
	says(t, d, "PutRolePolicy RoleName=never"+policy, "NoSuchEntity: The role with name never cannot be found.")
	says(t, d, "PutRolePolicy RoleName=r PolicyName=q PolicyDocument=text", "MalformedPolicyDocument: ")
	says(t, d, "PutRolePolicy RoleName=r PolicyName=a/b PolicyDocument={}",
		`ValidationError: The policy name "a/b" is not valid`)
	says(t, d, "GetRolePolicy RoleName=r PolicyName=p",
		"<PolicyDocument>%7B%22Statement%22%3A%5B%5D%2C%22a%22%3A%22%2B%2F%22%7D</PolicyDocument>")
	says(t, d, "GetRolePolicy RoleName=r PolicyName=q", "NoSuchEntity: The role policy with name q cannot be found.")
	says(t, d, "GetRolePolicy RoleName=never PolicyName=q", "NoSuchEntity: The role with name never cannot be found.")
	says(t, d, "PutRolePolicy RoleName=r PolicyName=b PolicyDocument={}")
	says(t, d, "ListRolePolicies RoleName=r", "<member>b</member><member>p</member>", "<IsTruncated>false<")
	says(t, d, "ListRolePolicies RoleName=r MaxItems=1", "<member>b</member>", "<IsTruncated>true<", "<Marker>")
	says(t, d, "ListRolePolicies RoleName=never", "NoSuchEntity: ")
	says(t, d, "DeleteRole RoleName=r", "DeleteConflict: Cannot delete entity, must delete policies first.")
	for _, p := range []string{"p", "b"} {
		says(t, d, "DeleteRolePolicy RoleName=r PolicyName="+p, "<DeleteRolePolicyResponse")
	}
	says(t, d, "DeleteRolePolicy RoleName=r PolicyName=p", "NoSuchEntity: The role policy with name p cannot be found.")
	says(t, d, "AttachRolePolicy RoleName=r PolicyArn=arn:aws:iam::aws:policy/service-role/X")
	says(t, d, "AttachRolePolicy RoleName=r PolicyArn=arn:aws:iam::aws:role/X",
		"ValidationError: ARN arn:aws:iam::aws:role/X is not valid.")
	says(t, d, "ListAttachedRolePolicies RoleName=r PathPrefix=/service-role/", "<PolicyName>X</PolicyName>")
	if out := says(t, d, "ListAttachedRolePolicies RoleName=r PathPrefix=/other/"); strings.Contains(
		out, "<PolicyName>") {
		t.Errorf("a policy with another path is listed: %s", out)
	}
	says(t, d, "DeleteRole RoleName=r", "DeleteConflict: Cannot delete entity, must detach all policies first.")
	says(t, d, "DetachRolePolicy RoleName=r PolicyArn=arn:aws:iam::aws:policy/service-role/X")
	says(t, d, "DetachRolePolicy RoleName=r PolicyArn=arn:aws:iam::aws:policy/service-role/X",
		"NoSuchEntity: Policy arn:aws:iam::aws:policy/service-role/X was not found.")
	says(t, d, "DeleteRole RoleName=r", "<DeleteRoleResponse")
	says(t, d, "DeleteRole RoleName=r", "NoSuchEntity: ")
}

// A role can be updated. An invalid update changes nothing.
func TestRolesAreUpdated(t *testing.T) {
	d := desktest.New(t, Service(desktest.Store(t)))
	says(t, d, newRole+"r Description=one MaxSessionDuration=7200 "+
		"PermissionsBoundary=arn:aws:iam::aws:policy/B Tags.member.1.Key=k Tags.member.1.Value=v")
	const boundary, tag = "<PermissionsBoundaryArn>arn:aws:iam::aws:policy/B<", "<Key>k</Key>"
	says(t, d, "GetRole RoleName=r", "<Description>one<", "<MaxSessionDuration>7200<", boundary, tag)
	says(t, d, "UpdateRole RoleName=r Description=two", "<UpdateRoleResponse")
	says(t, d, "UpdateRole RoleName=r MaxSessionDuration=43201", "ValidationError: ")
	says(t, d, "UpdateRole RoleName=r MaxSessionDuration=43200")
	says(t, d, "UpdateRole RoleName=never Description=two", "NoSuchEntity: ")
	says(t, d, `UpdateAssumeRolePolicy RoleName=r PolicyDocument=[]`, "MalformedPolicyDocument: ")
	says(t, d, `UpdateAssumeRolePolicy RoleName=r PolicyDocument={"a":1}`)
	says(t, d, "GetRole RoleName=r", "<Description>two<", "<MaxSessionDuration>43200<",
		"<AssumeRolePolicyDocument>%7B%22a%22%3A1%7D<", boundary, tag)
	if out := says(t, d, "ListRoles", "<RoleName>r<"); strings.Contains(out, "<Key>") {
		t.Errorf("ListRoles returns tags: %s", out)
	}
}

// A role has at most fifty tags. Their limits count characters and not bytes, as the API's model does.
func TestTagsOfARole(t *testing.T) {
	d := desktest.New(t, Service(desktest.Store(t)))
	says(t, d, newRole+"r")
	long := strings.Repeat("ä", 128)
	says(t, d, "TagRole RoleName=r Tags.member.1.Key="+long+" Tags.member.1.Value="+long+long, "<TagRoleResponse")
	says(t, d, "TagRole RoleName=r Tags.member.1.Value= Tags.member.1.Key="+long+"ä", "InvalidInput: ")
	says(t, d, "TagRole RoleName=r Tags.member.1.Key=Aws:x Tags.member.1.Value=", "InvalidInput: ")
	says(t, d, "UntagRole RoleName=r TagKeys.member.1="+long+" TagKeys.member.2=never", "<UntagRoleResponse")
	line := "TagRole RoleName=r"
	for i := range 50 {
		line += fmt.Sprintf(" Tags.member.%[1]d.Key=k%[1]d Tags.member.%[1]d.Value=", i+1)
	}
	says(t, d, line, "<TagRoleResponse")
	says(t, d, "TagRole RoleName=r Tags.member.1.Key=k51 Tags.member.1.Value=",
		"LimitExceeded: A resource can have no more than 50 tags.")
	if out := says(t, d, "ListRoleTags RoleName=r"); strings.Count(out, "<Key>") != 50 || strings.Contains(out, "k51") {
		t.Errorf("the tags are %s", out)
	}
	says(t, d, "ListRoleTags RoleName=never", "NoSuchEntity: ")
}

// Instance profiles are listed by path and by role. A role cannot be deleted while it is in an instance
// profile.
func TestProfilesAreListed(t *testing.T) {
	d := desktest.New(t, Service(desktest.Store(t)))
	says(t, d, newRole+"r")
	for _, name := range []string{"a", "b", "c"} {
		says(t, d, "CreateInstanceProfile Path=/"+map[bool]string{true: "web/"}[name == "a"]+
			" InstanceProfileName="+name, "<InstanceProfileName>"+name+"<")
	}
	says(t, d, "CreateInstanceProfile InstanceProfileName=a", "EntityAlreadyExists: Instance Profile a already exists.")
	says(t, d, "CreateInstanceProfile InstanceProfileName=x Path=web", "ValidationError: ")
	for _, name := range []string{"a", "b"} {
		says(t, d, "AddRoleToInstanceProfile RoleName=r InstanceProfileName="+name)
	}
	for line, want := range map[string]string{
		"ListInstanceProfiles":                     "a b c",
		"ListInstanceProfiles PathPrefix=/web/":    "a",
		"ListInstanceProfiles MaxItems=2":          "a b",
		"ListInstanceProfilesForRole RoleName=r":   "a b",
		"GetInstanceProfile InstanceProfileName=b": "b",
	} {
		var names []string
		for _, part := range strings.Split(says(t, d, line), "<InstanceProfileName>")[1:] {
			name, _, _ := strings.Cut(part, "<")
			names = append(names, name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s lists %q, want %q", line, got, want)
		}
	}
	says(t, d, "ListInstanceProfilesForRole RoleName=never", "NoSuchEntity: ")
	says(t, d, "ListInstanceProfiles MaxItems=0", "ValidationError: ")
	says(t, d, "DeleteRole RoleName=r",
		"DeleteConflict: Cannot delete entity, must remove roles from instance profile first.")
	says(t, d, "DeleteInstanceProfile InstanceProfileName=a", "DeleteConflict: ")
	says(t, d, "RemoveRoleFromInstanceProfile RoleName=r InstanceProfileName=a")
	says(t, d, "DeleteInstanceProfile InstanceProfileName=a", "<DeleteInstanceProfileResponse")
	says(t, d, "DeleteInstanceProfile InstanceProfileName=a", "NoSuchEntity: Instance Profile a cannot be found.")
	says(t, d, "ListAccountAliases", "<IsTruncated>false<")
}
