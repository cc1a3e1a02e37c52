package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	actionautoscaling "github.com/berthhq/berth/internal/action/autoscaling"
	actionec2 "github.com/berthhq/berth/internal/action/ec2"
	actionecr "github.com/berthhq/berth/internal/action/ecr"
	actionecs "github.com/berthhq/berth/internal/action/ecs"
	actionelasticache "github.com/berthhq/berth/internal/action/elasticache"
	actionelb "github.com/berthhq/berth/internal/action/elb"
	actioniam "github.com/berthhq/berth/internal/action/iam"
	actionlogs "github.com/berthhq/berth/internal/action/logs"
	actionsts "github.com/berthhq/berth/internal/action/sts"
	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/budget"
	controlcache "github.com/berthhq/berth/internal/control/cache"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/publish"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/registry/blob"
)

// parts are what the rooms share beside the state.
type parts struct {
	minter    *identity.Minter
	verifier  *sigv4.Verifier
	passwords *registry.Passwords
	blobs     *blob.Store
	registry  *registry.Registry
	logs      *logstore.Store
	budget    *budget.Budget
	machines  *local.Driver
	dispatch  *dispatch.Dispatcher
	publisher *publish.Publisher
	edge      *edge.Edge
	caches    *controlcache.Controller
}

func (s *Server) openParts() (err error) {
	if s.minter, err = identity.NewMinter(s.dir.Master); err != nil {
		return err
	}
	s.verifier = &sigv4.Verifier{Keys: s.keys(), Minter: s.minter, Revoked: s.revoked}
	if s.passwords, err = registry.NewPasswords(s.dir.Master); err != nil {
		return err
	}
	if s.blobs, err = blob.Open(s.dir.Sub("registry")); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	s.budget = s.diskBudget()
	s.blobs.Limit(s.takeForImages)
	s.registry = registry.New(registry.Config{
		Account: s.cfg.Account, Region: s.cfg.Region, CreateOnPush: s.cfg.DevCredentials, ByName: s.cfg.RegistryTLS != "", Now: time.Now, Logger: s.cfg.Logger.With("room", "registry"),
	}, s.store, s.blobs)
	if s.logs, err = logstore.Open(s.dir.Sub("logs"), logstore.Limits{Take: s.budget.Take}, s.cfg.Logger.With("room", "logstore")); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	s.closers = append(s.closers, s.logs.Close)
	s.meters.registry.MustRegister(diskMeters{s.budget})
	s.machines = local.New(local.Config{
		Dir: s.dir.Sub("instances"), Command: s.cfg.AgentCommand, ControlPlane: s.url(), Credentials: instanceKeys{s.minter},
		Block: s.block(), Networks: s.ownBridges, Cleanup: s.purge, CleanupZones: s.removeLeftovers, Env: s.agentEnvironment(), Logger: s.cfg.Logger.With("room", "machine"),
	})
	s.dispatch = dispatch.New(dispatch.Config{
		Store: s.store, Verifier: s.verifier, Minter: s.minter, Hosts: s.hosts, Logger: s.cfg.Logger.With("room", "dispatch"),
	})
	if err := s.openEdge(); err != nil {
		return err
	}
	s.caches, err = controlcache.New(s.store, controlcache.Config{
		Dir: s.dir.Sub("cache"), Loopback: s.store.View().Block().Loopback(), Containers: bridgeGateway, Now: time.Now, Logger: s.cfg.Logger.With("room", "control/cache"),
	})
	return err
}

// derive makes a key of 32 bytes for one purpose from the master key, so that no room holds a key of another's.
func (s *Server) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.dir.Master, nil, purpose, 32)
}

func (s *Server) openEdge() (err error) {
	s.publisher = publish.New(s.store, s.cfg.Logger.With("room", "publish"))
	key, err := s.derive("stickiness cookies")
	if err != nil {
		return err
	}
	s.edge, err = edge.New(edge.Config{
		Addr: s.cfg.EdgeAddr, Key: [32]byte(key), Reporter: s.publisher, Record: s.meters.request, Logger: s.cfg.Logger.With("room", "edge"), Grace: 2 * time.Second,
	})
	return err
}

// bridgeGateway is the address of this machine on Docker's default bridge, by which containers reach what runs beside them; invalid when
// there is no such bridge.
func bridgeGateway() netip.Addr {
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return netip.Addr{}
	}
	addrs, err := bridge.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// url is where programs on this machine reach the API.
func (s *Server) url() string {
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return "http://" + s.Addr()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// services are the APIs that the front desk speaks.
func (s *Server) services() []awswire.Service {
	return []awswire.Service{
		actionecs.Service(s.store, s.dispatch.Operations()...),
		actionelb.Service(s.store, s.publisher),
		actionautoscaling.Service(s.store),
		actionec2.Service(s.store, s.machines),
		actionecr.Service(s.store, s.registry, s.passwords),
		actionlogs.Service(s.store, s.logs),
		actionelasticache.Service(s.store),
		actionsts.Service(s.store, s.minter, s.keys()),
		actioniam.Service(s.store),
	}
}

// instanceKeys gives instances the credentials of a role of their own.
type instanceKeys struct{ minter *identity.Minter }

// instanceKeyLife is how long an instance's credentials are good, as those of EC2's metadata service: renewed at half of it, they outlast a server that is
// away for three hours.
const instanceKeyLife = 6 * time.Hour

func (k instanceKeys) InstanceKey(_ context.Context, in *fleet.Instance) (local.AccessKey, error) {
	c, err := k.minter.Mint(identity.InstanceRole(in.Account), in.ID, time.Now().Add(instanceKeyLife))
	return local.AccessKey{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken, Expires: c.Expiration}, err
}

// revoked reports whether credentials are those of an instance that is being terminated, or is not there any more.
func (s *Server) revoked(p identity.Principal) bool {
	id, ok := p.Instance()
	if !ok {
		return false
	}
	for i := range s.store.View().Instances.All() {
		if i.ID == id && i.Account == p.Account {
			return i.Desired == fleet.Terminated || i.State == fleet.Terminated
		}
	}
	return true
}

// agentEnvironment is what agents get of this process's environment: where programs are, where Docker is, and whether tasks
// may use the machine's own role.
func (s *Server) agentEnvironment() []string {
	env := []string{"BERTH_NETWORK_PREFIX=" + s.claim.NetworkPrefix(), "BERTH_SERVER=" + s.claim.Server}
	for _, name := range []string{"PATH", "HOME", "DOCKER_HOST", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "BERTH_BLOCK_IMDS"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// purge removes what the agent of an instance has made in Docker.
func (s *Server) purge(ctx context.Context, instanceID string, dead func()) error {
	rt, err := docker.New(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	defer rt.Close()
	return agent.Purge(ctx, instanceID, rt, dead)
}
