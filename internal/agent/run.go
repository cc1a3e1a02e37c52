package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/awslogs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/metadata"
	"github.com/berthhq/berth/internal/agent/redirect"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/usage"
)

// Run runs an agent. It returns when ctx ends, with its cause, or on an error that trying again would not solve:
// ErrTerminal, ErrOtherCluster, a data directory that cannot be used.
func Run(ctx context.Context, cfg Config, rt runtime.Runtime, log *slog.Logger) error {
	return RunOn(ctx, cfg, rt, Surroundings{}, log)
}

// Surroundings is what an agent uses of its machine, apart from the container runtime. The zero value is the
// machine itself; simulations have their own.
type Surroundings struct {
	// HTTP makes all requests to the control plane.
	HTTP *http.Client
	// Listen listens on the agent's own addresses (net.Listen).
	Listen func(network, address string) (net.Listener, error)
	// Redirects redirects containers to the agent (package redirect).
	Redirects Redirects
}

// Redirects redirects containers to the agent's metadata address, and protects their networks.
type Redirects interface {
	engine.Redirect
	installer
	keeper
}

// RunOn is Run in given surroundings.
func RunOn(ctx context.Context, cfg Config, rt runtime.Runtime, around Surroundings, log *slog.Logger) error {
	if around.HTTP == nil {
		around.HTTP = http.DefaultClient
	}
	if around.Listen == nil {
		around.Listen = net.Listen
	}
	a, err := assemble(&cfg, rt, around, log)
	if err != nil {
		return err
	}
	return errors.Join(a.run(ctx), a.store.Close())
}

// agent is an assembled agent.
type agent struct {
	cfg         *Config
	rt          runtime.Runtime
	http        *http.Client
	listen      func(network, address string) (net.Listener, error)
	log         *slog.Logger
	store       *checkpoint.Store
	control     *control
	engine      *engine.Engine
	logs        *awslogs.Shipper
	usage       *usage.Collector
	credentials *metadata.Credentials
	rules       Redirects
	name        string
}

// assemble returns an agent that does not run yet.
func assemble(cfg *Config, rt runtime.Runtime, around Surroundings, log *slog.Logger) (*agent, error) {
	for _, name := range cfg.Ignored {
		log.Warn("this setting has no meaning here and is not used", "name", name)
	}
	store, err := checkpoint.Open(cfg.DataDir, log)
	if err != nil {
		return nil, err
	}
	a := &agent{
		cfg: cfg, rt: rt, http: around.HTTP, listen: around.Listen, rules: around.Redirects, log: log, store: store,
		credentials: metadata.NewCredentials(),
	}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return a, nil
}

func (a *agent) build() error {
	var err error
	if a.name, err = a.instanceName(); err != nil {
		return err
	}
	if a.rules == nil {
		a.rules = redirect.New(a.name)
	}
	a.control = newControl(a.cfg, a.http)
	images, err := newRegistries(a.cfg.BackendHost, func(region string) *awscall.Client {
		return a.regional("ecr", "AmazonEC2ContainerRegistry_V20150921", region)
	})
	if err != nil {
		return err
	}
	a.logs = awslogs.New(a.cfg.Region,
		func(region string) awslogs.API { return a.regional("logs", "Logs_20140328", region) },
		a.rt, a.store, a.log)
	a.engine, err = engine.New(a.engineConfig(), engine.Parts{
		Runtime: a.rt, Checkpoint: a.store, Control: a.control, Registries: images, Logs: a.logs, Redirect: a.rules,
	}, a.log)
	if err != nil {
		return err
	}
	a.usage = usage.New(a.engine, a.rt, a.cfg.CPU, a.log)
	return nil
}

func (a *agent) regional(service, target, region string) *awscall.Client {
	c := a.cfg.client(service, target, a.http)
	c.Signer.Region = region
	return c
}

// instanceName distinguishes this agent's containers and networks from those of others on the machine: the EC2
// instance's id, or a name made at the first start.
func (a *agent) instanceName() (string, error) {
	if a.cfg.InstanceID != "" {
		return a.cfg.InstanceID, nil
	}
	var name string
	if _, err := a.store.Get(checkpoint.Agent, checkpoint.Name, &name); err != nil || name != "" {
		return name, err
	}
	name = "mi-" + newID()[:8]
	return name, a.store.Put(checkpoint.Agent, checkpoint.Name, name)
}

// cgroupRoot is where Linux mounts control groups.
const cgroupRoot = "/sys/fs/cgroup"

func (a *agent) engineConfig() engine.Config {
	c := a.cfg
	e := engine.Config{
		PublishesBeyond: !c.BindAddress.IsLoopback(),
		BlockIMDS:       c.BlockIMDS, BlockIMDSAwsvpc: c.BlockIMDS || c.BlockIMDSAwsvpc, Cluster: c.Cluster,
		Region: c.Region, Instance: a.name, Zone: c.Zone, NetworkPrefix: c.NetworkPrefix, Server: c.Server,
		BindAddress: c.BindAddress, PortFirst: c.DynamicPortFirst, PortLast: c.DynamicPortLast,
		Resources: engine.Resources{
			CPU: c.CPU, Memory: c.Memory - c.ReservedMemory, PortsTCP: c.ReservedPorts, PortsUDP: c.ReservedPortsUDP,
		},
		PullBehavior: c.PullBehavior, PullTimeout: c.PullTimeout, CreateTimeout: c.CreateTimeout,
		StartTimeout: c.StartTimeout, StopTimeout: c.StopTimeout, CleanupWait: c.CleanupWait,
		MaxStopped: c.MaxStopped, ImageInterval: c.ImageInterval, ImageMinimumAge: c.ImageMinimum,
		ImagesPerCycle: c.ImagesPerCycle, NewID: newID,
	}
	if e.Zone == "" {
		e.Zone = "local"
	}
	if c.TaskLimits {
		e.CgroupRoot = cgroupRoot
	}
	return e
}

// run starts everything and waits for it. The task engine works at once, before the control plane has been
// reached, and so does the metadata server if the agent was registered before, since its containers may be
// running.
func (a *agent) run(ctx context.Context) error {
	var before registration
	known, err := a.store.Get(checkpoint.Agent, registrationKey, &before)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	known = known && before.InstanceID == a.cfg.InstanceID
	if known {
		if known, err = a.remembersAll(ctx); err != nil {
			return err
		}
	}
	if known {
		group.Go(func() error { return a.serveMetadata(ctx, before) })
	}
	group.Go(func() error { return a.engine.Run(ctx) })
	group.Go(func() error { return a.logs.Run(ctx, a.engine) })
	group.Go(func() error { return a.usage.Run(ctx) })
	group.Go(func() error { return a.forgetCredentials(ctx) })
	group.Go(func() error { return a.keepRules(ctx) })
	group.Go(func() error {
		if !known {
			if err := a.removeStrangers(ctx); err != nil {
				a.log.Warn("containers of an earlier run are not removed yet", "error", err)
				// without a runtime no new container can collide with them either
				group.Go(func() error { return a.waitStrangers(ctx) })
			}
		}
		reg, err := register(ctx, a.cfg, a.store, a.control.api, a.log)
		if err != nil {
			return err
		}
		a.log.Info("registered", "cluster", a.cfg.Cluster, "containerInstance", reg.ContainerInstanceARN)
		if !known {
			group.Go(func() error { return a.serveMetadata(ctx, reg) })
		}
		return a.registered(ctx, reg)
	})
	return group.Wait()
}

// registered runs everything that needs the agent's registration.
func (a *agent) registered(ctx context.Context, reg registration) error {
	group, ctx := errgroup.WithContext(ctx)
	beat := make(chan struct{}, 1)
	h := &handler{
		containerInstance: reg.ContainerInstanceARN, tasks: a.engine, credentials: a.credentials,
		store: a.store, log: a.log,
		attached: func(m acs.AttachTaskNetworkInterfaces) { group.Go(func() error { return a.confirm(ctx, m) }) },
	}
	if err := h.load(); err != nil {
		return err
	}
	s := &session{
		cfg: a.cfg, control: a.control, signer: a.control.api.Signer, client: a.http, handler: h, log: a.log,
		heartbeat: func() {
			select {
			case beat <- struct{}{}:
			default:
			}
		},
		dockerVersion: func() string { return a.engine.Runtime().Version },
	}
	t := &telemetry{
		cfg: a.cfg, containerInstance: reg.ContainerInstanceARN,
		control: a.control, signer: a.control.api.Signer, client: a.http, log: a.log, tasks: a.engine.Tasks,
		changes: a.engine.Changes, runtime: a.engine.Runtime, metrics: a.usage.Take, beat: beat,
	}
	group.Go(func() error { return s.run(ctx) })
	group.Go(func() error { return t.run(ctx) })
	group.Go(func() error { return a.serveIntrospection(ctx, reg) })
	return group.Wait()
}

// confirm tells the control plane that a task's network interfaces are attached. They are created together with
// the task, so there is nothing to wait for.
func (a *agent) confirm(ctx context.Context, m acs.AttachTaskNetworkInterfaces) error {
	report := engine.Report{Cluster: a.cfg.Cluster, Task: m.TaskARN}
	for _, n := range m.NetworkInterfaces {
		report.Attachments = append(report.Attachments,
			engine.AttachmentReport{ARN: n.AttachmentARN, Status: "ATTACHED"})
	}
	for ctx.Err() == nil {
		err := a.control.SubmitTaskStateChange(ctx, report)
		if err == nil || errors.Is(err, engine.ErrDropped) {
			return nil
		}
		a.log.Warn("an attachment is confirmed again", "task", m.TaskARN, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
	return nil
}

// forgetCredentials drops the credentials of tasks that have stopped.
func (a *agent) forgetCredentials(ctx context.Context) error {
	changes, unsubscribe := a.engine.Changes()
	defer unsubscribe()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changes:
		}
		stopped := map[string]bool{}
		for _, r := range a.engine.Tasks() {
			stopped[r.Task.ARN] = r.Status == engine.StatusStopped
		}
		a.credentials.Forget(func(task string) bool { return stopped[task] })
	}
}
