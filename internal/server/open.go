package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	actionappscaling "github.com/berthhq/berth/internal/action/appscaling"
	actionautoscaling "github.com/berthhq/berth/internal/action/autoscaling"
	actioncloudwatch "github.com/berthhq/berth/internal/action/cloudwatch"
	actionec2 "github.com/berthhq/berth/internal/action/ec2"
	actionecr "github.com/berthhq/berth/internal/action/ecr"
	actionecs "github.com/berthhq/berth/internal/action/ecs"
	actionelasticache "github.com/berthhq/berth/internal/action/elasticache"
	actionelb "github.com/berthhq/berth/internal/action/elb"
	actioniam "github.com/berthhq/berth/internal/action/iam"
	actionlogs "github.com/berthhq/berth/internal/action/logs"
	actionsns "github.com/berthhq/berth/internal/action/sns"
	actionsts "github.com/berthhq/berth/internal/action/sts"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/audit"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/backup"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/machine/dockerhost"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/machine/redis"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/publish"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/topic"
)

// openData opens the data directory with its keys and identity.
func (s *Server) openData(context.Context) (err error) {
	if err := s.lostNothing(s.cfg.Data); err != nil {
		return err
	}
	s.dir, err = config.Open(s.cfg.Data, s.cfg.Account)
	return err
}

// openState reads the state. It writes nothing to it, and nothing at all if this version cannot read it.
func (s *Server) openState(ctx context.Context) error {
	id, keys, err := config.Owner(s.dir.Path)
	if err != nil {
		return err
	}
	j, err := file.OpenFor(s.dir.Path, file.Owner{ID: id, Keys: keys})
	if errors.Is(err, file.ErrInUse) {
		return fmt.Errorf("another berth server is running with the data directory %s", s.dir.Path)
	}
	if err != nil {
		return err
	}
	s.journal = j
	if s.store, err = state.Load(ctx, j, s.cfg.Logger.With("part", "state")); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.dir.Sub(file.JournalFile), err), j.Close())
	}
	return backup.Clean(s.dir.Path) // after the journal was read: a directory that is refused is not changed
}

func (s *Server) openAudit(context.Context) (err error) {
	s.audit, err = audit.Open(s.storage("audit"), audit.Limits{})
	return err
}

// openListener listens for callers of the API. Nobody is served yet.
func (s *Server) openListener(context.Context) (err error) {
	if s.listener, err = net.Listen("tcp", s.cfg.Listen); err != nil {
		return fmt.Errorf("%w (is another server running? Choose another address with --listen)", err)
	}
	if err := s.dir.Remember(s.address()); err != nil {
		// The server also starts on a full disk.
		s.cfg.Logger.Warn("the data directory does not say where its server listens; commands need the address",
			"err", err)
	}
	return nil
}

func (s *Server) closeListener() error { return ignoreClosed(s.listener.Close()) }

// openCallers opens what identifies callers.
func (s *Server) openCallers(context.Context) (err error) {
	if s.minter, err = identity.NewMinter(s.dir.Master); err != nil {
		return err
	}
	s.verifier = &sigv4.Verifier{Keys: s.keys(), Minter: s.minter, Revoked: s.revoked}
	if s.signingSecret, err = s.derive("signatures of SNS"); err != nil {
		return err
	}
	s.passwords, err = registry.NewPasswords(s.dir.Master)
	return err
}

// openBudget bounds the disk for the stores that are opened after it. It asks for their sizes later.
func (s *Server) openBudget(context.Context) error {
	s.budget = s.diskBudget()
	s.meters.registry.MustRegister(diskMeters{s.budget})
	return nil
}

func (s *Server) openRegistry(context.Context) (err error) {
	if s.blobs, err = blob.Open(s.storage("registry")); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	s.blobs.Limit(s.takeForImages)
	s.registry = registry.New(registry.Config{
		Account: s.cfg.Account, Region: s.cfg.Region, CreateOnPush: s.cfg.DevCredentials,
		ByName: s.cfg.RegistryTLS != "", Now: time.Now, Logger: s.cfg.Logger.With("part", "registry"),
	}, s.store, s.blobs)
	return nil
}

func (s *Server) openLogs(context.Context) (err error) {
	if s.logs, err = logstore.Open(s.storage("logs"), logstore.Limits{Take: s.budget.Take},
		s.cfg.Logger.With("part", "logstore")); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	return nil
}

func (s *Server) openMetrics(context.Context) (err error) {
	log := s.cfg.Logger.With("part", "meter")
	s.points, err = meter.Open(s.storage("metrics"), meter.Limits{Bytes: s.cfg.MetricsLimit, Take: s.budget.Take}, log)
	if err != nil {
		return err
	}
	s.feed = feed.New(s.points, time.Now, log)
	s.feed.Seconds(s.quick)
	s.meters.registry.MustRegister(feedMeters{s.feed})
	return nil
}

// quick reports whether a metric has points of a second too: those of services and of Auto Scaling groups that are
// scaled at the pace of seconds, of all if that is the pace of the server.
func (s *Server) quick(n gather.Name) bool {
	if !alarm.HasSeconds(n.Namespace) || s.cfg.Pace == scaling.PaceOfSeconds {
		return alarm.HasSeconds(n.Namespace)
	}
	tables := &s.store.View().Tables
	account, region, _ := strings.Cut(n.Scope, "/")
	switch first, second := n.Dimensions[0], n.Dimensions[1]; {
	case first.Name == "AutoScalingGroupName":
		g, ok := tables.AutoScalingGroups.Get(fleet.Key(region, account, first.Value))
		return ok && scaling.PaceFrom(g.Tags, s.cfg.Pace) == scaling.PaceOfSeconds
	case first.Name == "ClusterName" && second.Name == "ServiceName" && tables.ScalableTargets.Len() > 0:
		return tables.PaceOfService(ecs.ARN(region, account, ecs.TypeService, first.Value+"/"+second.Value),
			s.cfg.Pace) == scaling.PaceOfSeconds
	}
	return false
}

// metricsTick is how often new points of metrics are written to the disk.
const metricsTick = 10 * time.Second

func (s *Server) keepMetrics(ctx context.Context) error {
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { s.feed.Run(ctx) })
	tick := time.NewTicker(metricsTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := s.points.Tick(now); err != nil {
				s.cfg.Logger.Error("metrics could not be kept", "error", err)
			}
		}
	}
}

func (s *Server) openMachines(context.Context) error {
	if s.machines = s.cfg.Machines; s.machines == nil {
		s.machines = s.thisMachine()
	}
	return nil
}

func (s *Server) openCaches(context.Context) (err error) {
	s.caches, err = redis.New(redis.Config{
		Dir: s.storage("cache"), Loopback: new(s.block()).Loopback(), Containers: dockerhost.BridgeGateway,
		Now: time.Now, Logger: s.cfg.Logger.With("part", "machine/redis"),
	})
	return err
}

func (s *Server) openDispatch(context.Context) error {
	s.dispatch = dispatch.New(dispatch.Config{
		Store: s.store, Verifier: s.verifier, Minter: s.minter, Hosts: s.hosts, Feed: s.feed, Pace: s.cfg.Pace,
		Logger: s.cfg.Logger.With("part", "dispatch"),
	})
	return nil
}

// thisMachine returns the driver that makes instances on this machine, with containers in its Docker.
func (s *Server) thisMachine() machine.Site {
	return local.New(local.Config{
		Dir: s.storage("instances"), Command: s.cfg.AgentCommand, ControlPlane: s.url(),
		Credentials: instanceKeys{s.minter}, Block: s.block(), Zones: s.zones, Env: s.agentEnvironment(),
		Containers: s.docker(), Logger: s.cfg.Logger.With("part", "machine"),
	})
}

// docker returns this server's view of the machine's Docker.
func (s *Server) docker() *dockerhost.Host {
	return &dockerhost.Host{
		Server: s.claim.Server, Block: s.claim.Number, NetworkPrefix: s.claim.NetworkPrefix(), Registry: s.Addr(),
	}
}

// zones returns the zones that have instances.
func (s *Server) zones() map[string]bool {
	zones := make(map[string]bool)
	for i := range s.store.View().Instances.All() {
		if i.State != fleet.Terminated {
			zones[i.Zone] = true
		}
	}
	return zones
}

// derive derives a key of 32 bytes from the master key for one purpose, so that no part of the server has the
// key of another.
func (s *Server) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.dir.Master, nil, purpose, 32)
}

// ownEdge is the id of the edge that runs in the server's process.
const ownEdge = "server"

// openEdge opens the edge and the publisher of its configuration.
func (s *Server) openEdge(context.Context) (err error) {
	s.publisher = publish.New(s.store, s.cfg.Logger.With("part", "publish"))
	s.publisher.Measure(s.feed)
	key, err := s.derive("stickiness cookies")
	if err != nil {
		return err
	}
	s.attached = s.publisher.Attach(ownEdge)
	s.edge, err = edge.New(edge.Config{
		Addr: s.cfg.EdgeAddr, Key: [32]byte(key), Reporter: s.attached,
		Logger: s.cfg.Logger.With("part", "edge"), Grace: 2 * time.Second,
	})
	s.meters.flush = s.flushEdge
	return err
}

// flushEdge makes the edge report what it has counted, and waits for at most a second.
func (s *Server) flushEdge(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.edge.Flush(ctx); err != nil {
		s.cfg.Logger.Debug("the page of metrics shows what the edge counted a few seconds ago", "error", err)
	}
}

// url returns the URL where programs on this machine reach the API.
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

// services are the services of the API.
func (s *Server) services() []awswire.Service {
	return []awswire.Service{
		actionecs.Service(s.store, s.dispatch.Operations()...),
		actionelb.Service(s.store, s.publisher),
		actionautoscaling.Service(s.store, s.cfg.Pace),
		actionappscaling.Service(s.store),
		actionec2.Service(s.store, s.machines),
		actionecr.Service(s.store, s.registry, s.passwords),
		actionlogs.Service(s.store, s.logs, actionlogs.Metrics{
			Points: s.points, Feed: s.feed, Logger: s.cfg.Logger.With("part", "metric filters"),
		}),
		actioncloudwatch.Service(s.store, s.points),
		actionelasticache.Service(s.store),
		actionsns.Service(s.store, s.published),
		actionsts.Service(s.store, s.minter, s.keys()),
		actioniam.Service(s.store),
	}
}

// published logs a message that was published to a topic.
func (s *Server) published(p *topic.Publication, due, full int) { s.oplog.Published(p, due, full) }

// instanceKeys creates the credentials of instances' roles.
type instanceKeys struct{ minter *identity.Minter }

// instanceKeyLife is how long an instance's credentials are valid, as on EC2. They are renewed when half of it
// has passed, so agents keep working while the server is down for three hours.
const instanceKeyLife = 6 * time.Hour

func (k instanceKeys) InstanceKey(_ context.Context, in *fleet.Instance) (local.AccessKey, error) {
	c, err := k.minter.Mint(identity.InstanceRole(in.Account), in.ID, time.Now().Add(instanceKeyLife))
	return local.AccessKey{
		ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken, Expires: c.Expiration,
	}, err
}

// revoked reports whether credentials belong to an instance that is being terminated or does not exist any
// more.
func (s *Server) revoked(p identity.Principal) bool {
	id, ok := p.Instance()
	if !ok {
		return false
	}
	for i := range s.store.View().Instances.By(state.InstancesByID, id) {
		if i.Account == p.Account {
			return i.Desired == fleet.Terminated || i.State == fleet.Terminated
		}
	}
	return true
}

// agentEnvironment is what agents get of this process's environment: where programs and Docker are, and whether
// tasks may use the machine's own role.
func (s *Server) agentEnvironment() []string {
	env := []string{"BERTH_NETWORK_PREFIX=" + s.claim.NetworkPrefix(), "BERTH_SERVER=" + s.claim.Server}
	for _, name := range []string{
		"PATH", "HOME", "DOCKER_HOST", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "BERTH_BLOCK_IMDS",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
