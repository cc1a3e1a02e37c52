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

// control is the ECS API for agents.
type control struct {
	api *awscall.Client
	cfg *Config

	// asking holds a token while a goroutine asks for the endpoints; the goroutine that put it there may use
	// the following fields.
	asking    chan struct{}
	endpoints endpoints
	asked     time.Time
}

func newControl(cfg *Config, client *http.Client) *control {
	return &control{api: cfg.client("ecs", ecsTarget, client), cfg: cfg, asking: make(chan struct{}, 1)}
}

// endpoints are the URLs of the two WebSockets.
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

// SubmitTaskStateChange sends a report about a task.
func (c *control) SubmitTaskStateChange(ctx context.Context, r engine.Report) error {
	err := c.api.Call(ctx, "SubmitTaskStateChange", r, nil)
	if awscall.Code(err) == "InvalidParameterException" {
		return errors.Join(engine.ErrDropped, err) // ecs-agent.md 3.3
	}
	return err
}

// discover returns the endpoints of the sessions. An answer is used for 12 hours, and longer if there is no
// newer one.
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

// socketURL returns the URL of a session: http becomes ws, and "/ws" is appended to the path.
func socketURL(endpoint string, query map[string]string) string {
	return strings.TrimSuffix(endpoint, "/") + "/ws?" + encode(query)
}
