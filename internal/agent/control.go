package agent

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/engine"
)

// control is the ECS API as the agent uses it.
type control struct {
	api *awscall.Client
	cfg *Config

	// asking holds a token while somebody asks for the endpoints; who puts it there
	// may use what follows.
	asking    chan struct{}
	endpoints endpoints
	asked     time.Time
}

func newControl(cfg *Config, client *http.Client) *control {
	return &control{api: cfg.client("ecs", ecsTarget, client), cfg: cfg, asking: make(chan struct{}, 1)}
}

// endpoints are where the two websockets are.
type endpoints struct {
	Endpoint          string `json:"endpoint"`
	TelemetryEndpoint string `json:"telemetryEndpoint"`
}

const ecsTarget = "AmazonEC2ContainerServiceV20141113"

func (c *Config) client(service, target string, httpClient *http.Client) *awscall.Client {
	return &awscall.Client{
		Endpoint: c.BackendHost, TargetPrefix: target, ContentType: "application/x-amz-json-1.1", UserAgent: userAgent,
		Signer: awscall.Signer{Credentials: c.credentials, Region: c.Region, Service: service}, HTTP: httpClient,
	}
}

// SubmitTaskStateChange tells the control plane of a task.
func (c *control) SubmitTaskStateChange(ctx context.Context, r engine.Report) error {
	err := c.api.Call(ctx, "SubmitTaskStateChange", r, nil)
	if awscall.Code(err) == "InvalidParameterException" {
		return errors.Join(engine.ErrDropped, err) // ecs-agent.md 3.3
	}
	return err
}

// discover returns where the sessions are. An answer is used for 12 hours, and
// longer if no newer one is to be had.
func (c *control) discover(ctx context.Context, containerInstance string) (endpoints, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return endpoints{}, context.Cause(ctx)
	}
	if c.endpoints.Endpoint != "" && time.Since(c.asked) < acs.EndpointsFor {
		return c.endpoints, nil
	}
	var out endpoints
	err := c.api.Call(ctx, "DiscoverPollEndpoint", map[string]string{
		"cluster": c.cfg.Cluster, "containerInstance": containerInstance, "zoneId": "",
	}, &out)
	switch {
	case err == nil:
		c.endpoints, c.asked = out, time.Now()
	case c.endpoints.Endpoint == "":
		return out, err
	}
	return c.endpoints, nil
}

// socketURL is the address of a session: http becomes ws, "/ws" is added to the path.
func socketURL(endpoint string, query map[string]string) string {
	return strings.TrimSuffix(endpoint, "/") + "/ws?" + encode(query)
}
