package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
)

// discoverPollEndpoint returns the URLs of the two websockets. Agents keep the answer for twelve
// hours. The host is the one under which the agent found the API, which does not change.
func (d *Dispatcher) discoverPollEndpoint(
	_ context.Context, call *awswire.Call, _ *shape.DiscoverPollEndpointInput,
) (*shape.DiscoverPollEndpointOutput, error) {
	base := d.cfg.Scheme + "://" + call.Host
	return &shape.DiscoverPollEndpointOutput{Endpoint: new(base + "/acs"), TelemetryEndpoint: new(base + "/tcs")}, nil
}
