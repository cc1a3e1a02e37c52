package iam

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
)

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
	`"Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func TestAWSCLI(t *testing.T) {
	d := desktest.New(t, Service(desktest.Store(t)))
	if got := d.JSON(t, "iam", "create-role", "--role-name", "task", "--path", "/app/",
		"--assume-role-policy-document", trust, "--query", "Role.[Arn,Path,MaxSessionDuration]"); got !=
		`["arn:aws:iam::123456789012:role/app/task","/app/",3600]` {
		t.Error(got)
	}
	if got := d.JSON(t, "iam get-role --role-name task --query "+
		"Role.AssumeRolePolicyDocument.Statement[0].Principal"); got != `{"Service":"ecs-tasks.amazonaws.com"}` {
		t.Error(got)
	}
	d.Refused(t, "(NoSuchEntity) when calling the GetRole operation: The role with name nope cannot be found.",
		"iam get-role --role-name nope")
	elsewhere := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got := elsewhere.JSON(t, "iam list-roles --query Roles[].RoleName"); got != `["task"]` {
		t.Errorf("IAM is the same in all regions, but a call from another one answers %s", got)
	}
}

func newAPI(t *testing.T) (*api, *awswire.Call) {
	return &api{desktest.Store(t)}, &awswire.Call{Account: desktest.Account, Now: time.Now()}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A stack must be deleted in the right order, because IAM refuses to delete what is in use.
func TestRoleInUse(t *testing.T) {
	a, call := newAPI(t)
	ctx, name, managed := t.Context(), new("task"),
		new("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	create := &shape.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: new(trust)}
	must(a.createRole(ctx, call, create))
	_, err := a.createRole(ctx, call, create)
	refused(t, err, "EntityAlreadyExists: Role with name task already exists.")
	must(a.attachRolePolicy(ctx, call, &shape.AttachRolePolicyInput{RoleName: name, PolicyArn: managed}))
	must(a.putRolePolicy(ctx, call, &shape.PutRolePolicyInput{
		RoleName: name, PolicyName: new("own"), PolicyDocument: new(`{"a": "b c"}`),
	}))
	must(a.createInstanceProfile(ctx, call, &shape.CreateInstanceProfileInput{InstanceProfileName: new("p")}))
	add := &shape.AddRoleToInstanceProfileInput{InstanceProfileName: new("p"), RoleName: name}
	must(a.addRoleToInstanceProfile(ctx, call, add))
	_, err = a.addRoleToInstanceProfile(ctx, call, add)
	refused(t, err, "LimitExceeded")

	attached, err := a.listAttachedRolePolicies(ctx, call, &shape.ListAttachedRolePoliciesInput{RoleName: name})
	if err != nil || *attached.AttachedPolicies[0].PolicyName != "AmazonECSTaskExecutionRolePolicy" {
		t.Errorf("%+v %v", attached, err)
	}
	got, err := a.getRolePolicy(ctx, call, &shape.GetRolePolicyInput{RoleName: name, PolicyName: new("own")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := url.PathUnescape(*got.PolicyDocument); err != nil || text != `{"a": "b c"}` ||
		strings.ContainsAny(*got.PolicyDocument, `" {+`) {
		t.Errorf("policy %s", *got.PolicyDocument)
	}
	profile, err := a.getInstanceProfile(ctx, call, &shape.GetInstanceProfileInput{InstanceProfileName: new("p")})
	if err != nil || *profile.InstanceProfile.Roles[0].RoleName != "task" ||
		!strings.HasPrefix(*profile.InstanceProfile.InstanceProfileId, "AIPA") {
		t.Errorf("%+v %v", profile, err)
	}

	del := &shape.DeleteRoleInput{RoleName: name}
	_, err = a.deleteRole(ctx, call, del)
	refused(t, err, "DeleteConflict: Cannot delete entity, must detach all policies first.")
	must(a.detachRolePolicy(ctx, call, &shape.DetachRolePolicyInput{RoleName: name, PolicyArn: managed}))
	_, err = a.deleteRole(ctx, call, del)
	refused(t, err, "DeleteConflict: Cannot delete entity, must delete policies first.")
	must(a.deleteRolePolicy(ctx, call, &shape.DeleteRolePolicyInput{RoleName: name, PolicyName: new("own")}))
	_, err = a.deleteRole(ctx, call, del)
	refused(t, err, "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.")
	_, err = a.deleteInstanceProfile(ctx, call, &shape.DeleteInstanceProfileInput{InstanceProfileName: new("p")})
	refused(t, err, "DeleteConflict")
	must(a.removeRoleFromInstanceProfile(ctx, call,
		&shape.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("p"), RoleName: name}))
	must(a.deleteRole(ctx, call, del))
	must(a.deleteInstanceProfile(ctx, call, &shape.DeleteInstanceProfileInput{InstanceProfileName: new("p")}))
	if s := a.store.View(); s.Roles.Len()+s.InstanceProfiles.Len() != 0 {
		t.Error("roles, policies or instance profiles are left")
	}
}

func TestTagsAndPages(t *testing.T) {
	a, call := newAPI(t)
	ctx := t.Context()
	for _, n := range []string{"c", "a", "b"} {
		if _, err := a.createRole(ctx, call,
			&shape.CreateRoleInput{RoleName: &n, AssumeRolePolicyDocument: new(trust)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	in := &shape.ListRolesInput{MaxItems: new(int32(2))}
	for {
		out, err := a.listRoles(ctx, call, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Roles {
			got = append(got, *r.RoleName)
		}
		if in.Marker = out.Marker; !*out.IsTruncated {
			break
		}
	}
	if strings.Join(got, "") != "abc" {
		t.Error(got)
	}
	if _, err := a.tagRole(ctx, call, &shape.TagRoleInput{RoleName: new("a"), Tags: []shape.Tag{
		{Key: new("k"), Value: new("v")}, {Key: new("l"), Value: new("")},
	}}); err != nil {
		t.Error(err)
	}
	if _, err := a.untagRole(ctx, call, &shape.UntagRoleInput{RoleName: new("a"), TagKeys: []string{"l"}}); err != nil {
		t.Error(err)
	}
	if out, err := a.listRoleTags(ctx, call, &shape.ListRoleTagsInput{RoleName: new("a")}); err != nil ||
		len(out.Tags) != 1 || *out.Tags[0].Value != "v" {
		t.Errorf("%+v %v", out, err)
	}
}

func TestBadRoles(t *testing.T) {
	a, call := newAPI(t)
	for want, in := range map[string]*shape.CreateRoleInput{
		"ValidationError: The role name": {RoleName: new("a b"), AssumeRolePolicyDocument: new(trust)},
		"ValidationError: The path":      {RoleName: new("a"), Path: new("x"), AssumeRolePolicyDocument: new(trust)},
		"MalformedPolicyDocument":        {RoleName: new("a"), AssumeRolePolicyDocument: new("{")},
		"ValidationError: MaxSessionDuration": {
			RoleName: new("a"), AssumeRolePolicyDocument: new(trust), MaxSessionDuration: new(int32(60)),
		},
	} {
		_, err := a.createRole(t.Context(), call, in)
		refused(t, err, want)
	}
}
