package agent

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/arn"
)

// registries decides how an image is pulled. Names of ECR lead to the control plane's built-in registry, under
// ACCOUNT/REGION/NAME; other names are left to the engine.
type registries struct {
	host   string // of the API: "127.0.0.1:4566"
	client func(region string) *awscall.Client

	mu     sync.Mutex // guards logins
	logins map[string]login
}

// login is an answer of GetAuthorizationToken, used until shortly before it expires.
type login struct {
	auth    runtime.Auth
	expires time.Time
}

func newRegistries(backend string, client func(region string) *awscall.Client) (*registries, error) {
	u, err := url.Parse(backend)
	if err != nil {
		return nil, fmt.Errorf("ECS_BACKEND_HOST: %w", err)
	}
	host := u.Host
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return &registries{host: host, client: client, logins: map[string]login{}}, nil
}

// Name returns the name with which an image is pulled. That of the built-in registry begins with the server's
// address, so that servers of one machine do not use one another's images.
func (r *registries) Name(image string) string {
	i, ok := arn.ParseImage(image)
	if !ok {
		return image
	}
	return r.host + "/" + i.Account + "/" + i.Region + "/" + i.Path
}

// Resolve returns the name and the login with which to pull an image.
func (r *registries) Resolve(ctx context.Context, image string, auth *acs.RegistryAuth) (string, *runtime.Auth, error) {
	if auth != nil && auth.Type != "ecr" {
		return "", nil, fmt.Errorf("registry authentication of type %q is not supported by this agent", auth.Type)
	}
	i, ok := arn.ParseImage(image)
	if !ok {
		return image, nil, nil
	}
	l, err := r.login(ctx, i.Account, i.Region)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", engine.ErrRegistryLogin, err)
	}
	return r.Name(image), &l, nil
}

func (r *registries) login(ctx context.Context, account, region string) (runtime.Auth, error) {
	key := account + "/" + region
	r.mu.Lock()
	cached, ok := r.logins[key]
	r.mu.Unlock()
	if ok && time.Until(cached.expires) > 10*time.Minute {
		return cached.auth, nil
	}
	var out struct {
		AuthorizationData []struct {
			AuthorizationToken string   `json:"authorizationToken"`
			ExpiresAt          acs.Time `json:"expiresAt"`
		} `json:"authorizationData"`
	}
	if err := r.client(region).Call(ctx, "GetAuthorizationToken",
		map[string]any{"registryIds": []string{account}}, &out); err != nil {
		return runtime.Auth{}, err
	}
	if len(out.AuthorizationData) == 0 {
		return runtime.Auth{}, fmt.Errorf("the answer to GetAuthorizationToken is empty")
	}
	token, err := base64.StdEncoding.DecodeString(out.AuthorizationData[0].AuthorizationToken)
	user, password, ok := strings.Cut(string(token), ":")
	if err != nil || !ok {
		return runtime.Auth{}, fmt.Errorf("the answer to GetAuthorizationToken has no login in it")
	}
	l := login{auth: runtime.Auth{Username: user, Password: password}, expires: out.AuthorizationData[0].ExpiresAt.Time}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins[key] = l
	return l.auth, nil
}
