package agent

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// ecrName is the shape of an image in ECR: account, region and the rest.
var ecrName = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(.+)$`)

// registries finds out how an image is pulled. Names of ECR lead to the registry
// that is built into the control plane, under ACCOUNT/REGION/NAME; every other
// name is the engine's own business.
type registries struct {
	host   string // of the API: "127.0.0.1:4566"
	client func(region string) *awscall.Client

	mu     sync.Mutex // guards logins
	logins map[string]login
}

// login is an answer of GetAuthorizationToken, used until shortly before its end.
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

// Name is the name that an image is pulled by. That of the built-in registry begins with the server's address, so that servers of one
// machine do not take one another's images.
func (r *registries) Name(image string) string {
	parts := ecrName.FindStringSubmatch(image)
	if parts == nil {
		return image
	}
	return r.host + "/" + parts[1] + "/" + parts[2] + "/" + parts[3]
}

// Resolve returns the name to pull an image by, and the login.
func (r *registries) Resolve(ctx context.Context, image string, auth *acs.RegistryAuth) (string, *runtime.Auth, error) {
	if auth != nil && auth.Type != "ecr" {
		return "", nil, fmt.Errorf("registry authentication of type %q is not supported by this agent", auth.Type)
	}
	parts := ecrName.FindStringSubmatch(image)
	if parts == nil {
		return image, nil, nil
	}
	l, err := r.login(ctx, parts[1], parts[2])
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
	if err := r.client(region).Call(ctx, "GetAuthorizationToken", map[string]any{"registryIds": []string{account}}, &out); err != nil {
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
