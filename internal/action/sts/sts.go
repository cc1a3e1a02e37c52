// Package sts has the actions of AWS STS: who calls, and temporary credentials.
package sts

import (
	"context"
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sts"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

// Minter makes temporary credentials; *identity.Minter is one.
type Minter interface {
	Mint(roleARN, session string, expires time.Time) (identity.Credentials, error)
}

type api struct {
	store  *state.Store
	minter Minter
	keys   identity.Keys
}

// Service returns the actions of AWS STS.
func Service(store *state.Store, minter Minter, keys identity.Keys) awswire.Service {
	a := &api{store, minter, keys}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		Operations: []awswire.Operation{
			awswire.Op("GetCallerIdentity", a.getCallerIdentity),
			// ExternalId matters only to trust policies that ask for one; they are not evaluated.
			awswire.Op("AssumeRole", a.assumeRole).Refuses("MinimumSessionTokenSize", "Policy", "PolicyArns",
				"ProvidedContexts", "SerialNumber",
				"SourceIdentity", "Tags", "TokenCode", "TransitiveTagKeys"),
			awswire.Op("GetSessionToken", a.getSessionToken).Refuses("MinimumSessionTokenSize",
				"SerialNumber", "TokenCode"),
			awswire.Op("GetAccessKeyInfo", a.getAccessKeyInfo),
		},
	}
}

func (a *api) getCallerIdentity(
	_ context.Context, call *awswire.Call, _ *shape.GetCallerIdentityInput,
) (*shape.GetCallerIdentityOutput, error) {
	p := call.Principal
	return &shape.GetCallerIdentityOutput{Account: &p.Account, Arn: &p.ARN, UserId: &p.UserID}, nil
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// minDuration is the shortest life of temporary credentials, in seconds.
const minDuration = 900

func (a *api) assumeRole(
	_ context.Context, call *awswire.Call, in *shape.AssumeRoleInput,
) (*shape.AssumeRoleOutput, error) {
	if !sessionName.MatchString(*in.RoleSessionName) {
		return nil, fault.Unsatisfied("ValidationError", *in.RoleSessionName, "roleSessionName",
			"Member must satisfy regular expression pattern: [\\w+=,.@-]*, and have length between 2 and 64")
	}
	asked, err := arn.Parse(*in.RoleArn)
	if err != nil || asked.Service != "iam" || asked.Type() != "role" {
		return nil, fault.New("ValidationError", "%s is invalid", *in.RoleArn)
	}
	r, ok := a.store.View().Roles.Get(role.Key(asked.Account, asked.ID()))
	if !ok || r.ARN() != *in.RoleArn {
		return nil, fault.New("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on "+
			"resource: %s. The role does not exist; iam:CreateRole makes it.",
			call.Principal.ARN, *in.RoleArn).WithStatus(403)
	}
	seconds, err := duration(in.DurationSeconds, 3600, r.MaxSessionSeconds)
	if err != nil {
		return nil, err
	}
	c, err := a.minter.Mint(*in.RoleArn, *in.RoleSessionName, call.Now.Add(seconds))
	if err != nil {
		return nil, err
	}
	who := identity.AssumedRole(asked, *in.RoleSessionName)
	return &shape.AssumeRoleOutput{Credentials: answer(c), AssumedRoleUser: &shape.AssumedRoleUser{
		Arn: &who.ARN, AssumedRoleId: &who.UserID,
	}}, nil
}

// duration is how long credentials live: what was asked for, within the bounds.
func duration(asked *int32, standard, longest int) (time.Duration, error) {
	n := min(standard, longest)
	if asked != nil {
		n = int(*asked)
	}
	switch {
	case n < minDuration:
		return 0, fault.Unsatisfied("ValidationError", n, "durationSeconds",
			"Member must have value greater than or equal to %d", minDuration)
	case n > longest:
		return 0, fault.New("ValidationError", "The requested DurationSeconds exceeds the "+
			"MaxSessionDuration set for this role, which is %d.", longest)
	}
	return time.Duration(n) * time.Second, nil
}

func answer(c identity.Credentials) *shape.Credentials {
	return &shape.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey,
		SessionToken: &c.SessionToken, Expiration: &c.Expiration}
}

// getSessionToken gives the account's owner temporary credentials; the bounds are those of a root user.
func (a *api) getSessionToken(
	_ context.Context, call *awswire.Call, in *shape.GetSessionTokenInput,
) (*shape.GetSessionTokenOutput, error) {
	root := identity.Root(call.Account)
	if call.Principal != root {
		return nil, fault.New("AccessDenied", "Cannot call GetSessionToken with session credentials").WithStatus(403)
	}
	life, err := duration(in.DurationSeconds, 3600, 3600)
	if err != nil {
		return nil, err
	}
	c, err := a.minter.Mint(root.ARN, "", call.Now.Add(life))
	if err != nil {
		return nil, err
	}
	return &shape.GetSessionTokenOutput{Credentials: answer(c)}, nil
}

func (a *api) getAccessKeyInfo(
	_ context.Context, _ *awswire.Call, in *shape.GetAccessKeyInfoInput,
) (*shape.GetAccessKeyInfoOutput, error) {
	key, ok := a.keys.AccessKey(*in.AccessKeyId)
	if !ok {
		return nil, fault.New("ValidationError", "The access key id %s is not one of this server's.", *in.AccessKeyId)
	}
	return &shape.GetAccessKeyInfoOutput{Account: &key.Principal.Account}, nil
}
