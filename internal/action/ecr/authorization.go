package ecr

import (
	"context"
	"encoding/base64"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/repository"
)

// getAuthorizationToken answers base64("AWS:password") for 12 hours (ecs.md 8.1).
func (a *api) getAuthorizationToken(
	_ context.Context, call *awswire.Call, in *shape.GetAuthorizationTokenInput,
) (*shape.GetAuthorizationTokenOutput, error) {
	password, expires := a.passwords.Mint(call.Now)
	data := shape.AuthorizationData{
		AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + password))),
		ExpiresAt:          &expires,
		ProxyEndpoint:      new("https://" + a.endpoint(call)),
	}
	out := &shape.GetAuthorizationTokenOutput{}
	for range max(1, len(in.RegistryIds)) { // one for each registry asked for; they are all here
		out.AuthorizationData = append(out.AuthorizationData, data)
	}
	return out, nil
}

// endpoint is where the caller finds the registry: at its name if that leads here, as Amazon's
// credential helper insists on, and else at this server as the caller reached it. A role is told
// the latter in any case: Amazon's ECS agent, which acts as one, pulls from there, and uses a token
// only for images whose names begin with the endpoint.
func (a *api) endpoint(call *awswire.Call) string {
	if a.registry.ByName() && call.Principal == identity.Root(call.Account) {
		return repository.Host(call.Region, call.Account)
	}
	return call.Host
}
