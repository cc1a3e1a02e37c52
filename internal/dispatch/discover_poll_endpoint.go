package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
)

// discoverPollEndpoint names the two websockets. Agents keep the answer for twelve
// hours; it is where they found the API, which is stable.
func (d *Dispatcher) discoverPollEndpoint(_ context.Context, call *awswire.Call, _ *shape.DiscoverPollEndpointInput) (*shape.DiscoverPollEndpointOutput, error) {
	base := d.cfg.Scheme + "://" + call.Host
	return &shape.DiscoverPollEndpointOutput{Endpoint: new(base + "/acs"), TelemetryEndpoint: new(base + "/tcs")}, nil
}
