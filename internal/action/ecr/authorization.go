package ecr

import (
	"context"
	"encoding/base64"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/registry"
)

// getAuthorizationToken answers base64("AWS:password") for 12 hours (ecs.md 8.1). The endpoint is this server as the caller reached it,
// since nothing answers at the registry's real name. It has the scheme that AWS's has: Docker and those who log in to it leave the
// scheme away, and Amazon's ECS agent takes a token only when "https://" and the image's name begin with the endpoint.
func (a *api) getAuthorizationToken(_ context.Context, call *awswire.Call, in *shape.GetAuthorizationTokenInput) (*shape.GetAuthorizationTokenOutput, error) {
	password, expires := a.passwords.Mint(call.Now)
	data := shape.AuthorizationData{
		AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + password))),
		ExpiresAt:          &expires,
		ProxyEndpoint:      new("https://" + call.Host),
	}
	out := &shape.GetAuthorizationTokenOutput{}
	for range max(1, len(in.RegistryIds)) { // one for each registry asked for; they are all here
		out.AuthorizationData = append(out.AuthorizationData, data)
	}
	return out, nil
}
