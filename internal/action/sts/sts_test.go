package sts

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sts"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

const taskRole = "arn:aws:iam::123456789012:role/app/task"

func newAPI(t *testing.T) (*api, *awswire.Call) {
	t.Helper()
	store := desktest.Store(t)
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Roles.Put(&role.Role{Account: desktest.Account, Name: "task", Path: "/app/", MaxSessionSeconds: 7200})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	minter, err := identity.NewMinter(make([]byte, identity.MasterKeySize)) // with the same key as the desk
	if err != nil {
		t.Fatal(err)
	}
	keys := identity.NewKeyRing(identity.AccessKey{ID: "AKIA", Principal: identity.Root(desktest.Account)})
	return &api{store, minter, keys}, &awswire.Call{
		Account: desktest.Account, Now: time.Now(), Principal: identity.Root(desktest.Account),
	}
}

// The front desk accepts the credentials that AssumeRole returns, as those of the role.
func TestAssumedRoleCalls(t *testing.T) {
	a, _ := newAPI(t)
	d := desktest.New(t, Service(a.store, a.minter, a.keys))
	if got := d.JSON(t, "sts get-caller-identity"); got != `{"Account":"123456789012",`+
		`"Arn":"arn:aws:iam::123456789012:root","UserId":"123456789012"}` {
		t.Error(got)
	}
	out := d.AWS(t, "sts assume-role --role-arn "+taskRole+" --role-session-name me").(map[string]any)
	c := out["Credentials"].(map[string]any)
	asRole := d.With("AWS_ACCESS_KEY_ID="+c["AccessKeyId"].(string), "AWS_SECRET_ACCESS_KEY="+
		c["SecretAccessKey"].(string), "AWS_SESSION_TOKEN="+c["SessionToken"].(string))
	if got := asRole.JSON(t, "sts get-caller-identity --query [Arn,UserId]"); got !=
		`["arn:aws:sts::123456789012:assumed-role/task/me","`+identity.RoleID(taskRole)+`:me"]` {
		t.Error(got)
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	a, call := newAPI(t)
	type input = shape.AssumeRoleInput
	for want, change := range map[string]func(*input){
		"AccessDenied: User: arn:aws:iam::123456789012:root is not authorized to perform: sts:AssumeRole " +
			"on resource: arn:aws:iam::123456789012:role/task": func(i *input) {
			i.RoleArn = new("arn:aws:iam::123456789012:role/task") // its path is wrong
		},
		"ValidationError: x is invalid": func(i *input) { i.RoleArn = new("x") },
		"ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration": func(i *input) {
			i.DurationSeconds = new(int32(7201))
		},
		"ValidationError: 1 validation error detected: Value '899'": func(i *input) {
			i.DurationSeconds = new(int32(899))
		},
		"ValidationError: 1 validation error detected: Value 'a b'": func(i *input) { i.RoleSessionName = new("a b") },
	} {
		in := &input{RoleArn: new(taskRole), RoleSessionName: new("me")}
		change(in)
		if _, err := a.assumeRole(t.Context(), call, in); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	out, err := a.assumeRole(t.Context(), call,
		&input{RoleArn: new(taskRole), RoleSessionName: new("me"), DurationSeconds: new(int32(7200))})
	if err != nil || !out.Credentials.Expiration.Equal(call.Now.Add(2*time.Hour)) {
		t.Errorf("%+v %v", out, err)
	}
}

func TestSessionTokenAndKeyInfo(t *testing.T) {
	a, call := newAPI(t)
	if out, err := a.getSessionToken(t.Context(), call, &shape.GetSessionTokenInput{}); err != nil ||
		!out.Credentials.Expiration.Equal(call.Now.Add(time.Hour)) {
		t.Errorf("%+v %v", out, err)
	}
	call.Principal.ARN = "arn:aws:sts::123456789012:assumed-role/task/me"
	if _, err := a.getSessionToken(t.Context(), call, &shape.GetSessionTokenInput{}); err == nil ||
		!strings.HasPrefix(err.Error(), "AccessDenied") {
		t.Error(err)
	}
	if out, err := a.getAccessKeyInfo(t.Context(), call,
		&shape.GetAccessKeyInfoInput{AccessKeyId: new("AKIA")}); err != nil ||
		*out.Account != desktest.Account {
		t.Errorf("%+v %v", out, err)
	}
	if _, err := a.getAccessKeyInfo(t.Context(), call,
		&shape.GetAccessKeyInfoInput{AccessKeyId: new("AKIB")}); err == nil {
		t.Error("GetAccessKeyInfo accepts a key that does not exist")
	}
}
