package local

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/fence"
	"github.com/berthhq/berth/internal/fleet"
)

// Gateway is a range of addresses of this machine where containers reach what the server offers. A local route
// makes all of them addresses of the machine, so containers of every network and programs in the machine's own
// network reach them, and a fence keeps everybody else out. Both need root.
type Gateway struct {
	prefix netip.Prefix
	fence  *fence.Fence

	mu     sync.Mutex // guards what follows
	routed time.Time  // when the route was last checked
}

// NewGateway returns the gateway of a block. It is not open yet.
func NewGateway(b fleet.Block) *Gateway {
	return &Gateway{prefix: b.Gateway(), fence: fence.New(fmt.Sprint("gateway-", b.Number))}
}

// routeAgain is how often the route is checked.
const routeAgain = 10 * time.Second

// Open opens the gateway: when it returns nil, only containers reach the addresses. Call it again
// and again, since bridges come and go, and others change firewalls and routes.
func (g *Gateway) Open(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.fence.PutRange(ctx, g.prefix); err != nil {
		return err
	}
	if time.Since(g.routed) < routeAgain {
		return nil
	}
	if err := ip(ctx, "route", "replace", "local", g.prefix.String(), "dev", "lo"); err != nil {
		return err
	}
	g.routed = time.Now()
	return nil
}

// Close removes the addresses. Nobody may listen there any more.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.routed.IsZero() {
		return nil
	}
	g.routed = time.Time{}
	if err := ip(ctx, "route", "del", "local", g.prefix.String(), "dev", "lo"); err != nil {
		return err // the fence stays with the addresses
	}
	return g.fence.Remove(ctx)
}

func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
