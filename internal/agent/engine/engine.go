package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/fence"
)

// Config configures an Engine. Durations of 0 are not replaced by defaults; the agent's settings have those.
type Config struct {
	Cluster  string // as configured, a name or an ARN
	Region   string
	Instance string // name of this agent on its machine, in labels
	Zone     string // of the machine; awsvpc tasks are in its network

	NetworkPrefix string     // begins the names of Docker networks
	Server        string     // labels networks; "" when servers do not share the machine
	BindAddress   netip.Addr // host ports are published here; invalid means on all addresses
	PortFirst     int        // dynamic host ports
	PortLast      int
	Resources     Resources // of the machine; its ports are taken from the start
	CgroupRoot    string    // "/sys/fs/cgroup"; "" makes no task cgroups

	// Restrictions for containers and their networks. PublishesBeyond allows other machines to reach published
	// ports; BlockIMDS keeps tasks from the cloud's metadata service.
	PublishesBeyond bool
	BlockIMDS       bool
	BlockIMDSAwsvpc bool

	PullBehavior  string
	PullTimeout   time.Duration
	CreateTimeout time.Duration
	StartTimeout  time.Duration
	StopTimeout   time.Duration
	CleanupWait   time.Duration
	MaxStopped    int // stopped tasks that are kept for CleanupWait

	// Unused images that were pulled here are removed every ImageInterval (0: never), the least recently used
	// first, ImagesPerCycle at a time, once they are older than ImageMinimumAge.
	ImageInterval   time.Duration
	ImageMinimumAge time.Duration
	ImagesPerCycle  int

	// NewID returns an unguessable id.
	NewID func() string
}

// Control receives reports. SubmitTaskStateChange makes one attempt; an error that matches ErrDropped is final.
type Control interface {
	SubmitTaskStateChange(ctx context.Context, r Report) error
}

// ErrDropped means that the control plane will never accept a report.
var ErrDropped = errors.New("the control plane refuses the report for good")

// Registries returns the name and the login with which an image is pulled.
type Registries interface {
	Resolve(ctx context.Context, image string, auth *acs.RegistryAuth) (ref string, login *runtime.Auth, err error)
	// Name returns the name only.
	Name(image string) string
}

// Logs ships the output of containers with the awslogs driver.
type Logs interface {
	// Prepare makes sure that the container's log stream can be written to.
	Prepare(ctx context.Context, taskARN string, b Box) error
	// Done reports whether everything that the container wrote has been shipped.
	Done(containerID string) bool
}

// Guard keeps the machine's neighbours from the containers of a network.
type Guard interface {
	Guard(ctx context.Context, network fence.Network) error
}

// Redirect redirects the containers of tasks with an address of their own to the agent's metadata address.
type Redirect interface {
	Add(ctx context.Context, taskARN string, address netip.Addr) error
	Remove(ctx context.Context, taskARN string) error
	Guard
}

// Engine runs tasks.
type Engine struct {
	cfg      Config
	rt       runtime.Runtime
	store    *checkpoint.Store
	control  Control
	images   Registries
	logs     Logs
	redirect Redirect
	log      *slog.Logger

	ledger  *ledger
	ports   *portPicker
	stopped *stopped
	sending chan struct{} // holds a token for each task that sends a report; ten at most

	pulling sync.RWMutex // held for reading while an image is pulled, for writing while one is removed

	hostsChanged chan struct{} // token: write new names into containers

	ctx   context.Context // of Run; tasks live as long
	tasks sync.WaitGroup

	mu         sync.Mutex // guards what follows
	running    bool
	byARN      map[string]*task
	hosts      []acs.HostEntry
	hostsKnown bool // the control plane has sent them
	watchers   map[chan struct{}]bool
	status     RuntimeStatus
	// cgroupsDenied means that control groups may not be written here.
	cgroupsDenied bool
}

// RuntimeStatus is the health of the container runtime.
type RuntimeStatus struct {
	Status  string // acs.InstanceOK and so on
	Reason  string // why it is not OK, if that is known
	Since   time.Time
	Version string
	cgroups runtime.Engine
}

// Parts are the interfaces that an Engine uses. All are required.
type Parts struct {
	Runtime    runtime.Runtime
	Checkpoint *checkpoint.Store
	Control    Control
	Registries Registries
	Logs       Logs
	Redirect   Redirect
}

// maxSending is how many tasks report at once (ecs-agent.md 3.3).
const maxSending = 10

// New reads the checkpoint; nothing runs before Run.
func New(cfg Config, p Parts, log *slog.Logger) (*Engine, error) {
	e := &Engine{
		cfg: cfg, rt: p.Runtime, store: p.Checkpoint, control: p.Control, images: p.Registries, logs: p.Logs,
		redirect: p.Redirect, log: log,
		ledger:  newLedger(cfg.Resources),
		stopped: &stopped{limit: cfg.MaxStopped},
		sending: make(chan struct{}, maxSending), hostsChanged: make(chan struct{}, 1),
		byARN: map[string]*task{}, watchers: map[chan struct{}]bool{},
		status: RuntimeStatus{Status: acs.InstanceInitializing, Since: time.Now()},
	}
	e.ports = newPortPicker(cfg.PortFirst, cfg.PortLast, cfg.BindAddress, e.ledger)
	return e, e.restore()
}

// restore reads the tasks of the checkpoint.
func (e *Engine) restore() error {
	var ended []*task
	defer func() {
		slices.SortFunc(ended, func(a, b *task) int { return a.rec.StoppedAt.Compare(b.rec.StoppedAt) })
		for _, t := range ended {
			e.stopped.add(t)
		}
	}()
	return e.store.Each(checkpoint.Tasks, func(arn string, decode func(any) error) error {
		var r Record
		if err := decode(&r); err != nil {
			return fmt.Errorf("checkpoint of %s: %w", arn, err)
		}
		if r.Admitted && r.Status != StatusStopped {
			e.ledger.hold(arn, need(&r))
			for i := range r.Containers {
				e.ports.hold(r.Containers[i].Ports)
			}
		}
		e.byARN[arn] = newTask(e, r)
		if r.Status == StatusStopped && len(r.Containers) > 0 {
			ended = append(ended, e.byARN[arn])
		}
		return nil
	})
}

// Run works until ctx ends. Containers go on running.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx, e.running = ctx, true
	for _, t := range e.byARN {
		t.startLocked()
	}
	e.mu.Unlock()
	var cleaning sync.WaitGroup
	cleaning.Go(func() { e.cleanImages(ctx) })
	cleaning.Go(func() { e.followHosts(ctx) })
	e.watch(ctx)
	cleaning.Wait()
	e.mu.Lock()
	e.running = false
	e.mu.Unlock()
	e.tasks.Wait()
	return context.Cause(ctx)
}

// Apply accepts an assignment. When it returns nil, the assignment is in the checkpoint. For a task that exists
// it can only change the desired status to STOPPED.
func (e *Engine) Apply(t acs.Task) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if have := e.byARN[t.ARN]; have != nil {
		if t.DesiredStatus == acs.DesiredStopped {
			return have.stop()
		}
		return nil
	}
	r := NewRecord(t, time.Now(), e.cfg.NewID)
	if reason := e.fault(&r); reason != "" && r.Desired == acs.DesiredRunning {
		r.Reason = reason
	}
	advance(&r, time.Now())
	added := newTask(e, r)
	if err := e.store.Put(checkpoint.Tasks, t.ARN, r); err != nil {
		return err
	}
	e.byARN[t.ARN] = added
	if e.running {
		added.startLocked()
	}
	e.changedLocked()
	return nil
}

// fault says why a task can never run here, or returns "".
func (e *Engine) fault(r *Record) string {
	n := need(r)
	switch {
	case len(r.Containers) == 0:
		return "TaskError: the task has no containers"
	case cycle(r) != "":
		return fmt.Sprintf("Task dependencies cannot be resolved, taskArn: %s: container %q waits for itself",
			r.Task.ARN, cycle(r))
	case n.CPU > e.cfg.Resources.CPU:
		return fmt.Sprintf("ResourceInitializationError: the task needs %d CPU units, the instance has %d",
			n.CPU, e.cfg.Resources.CPU)
	case n.Memory > e.cfg.Resources.Memory:
		return fmt.Sprintf("ResourceInitializationError: the task needs %d MiB of memory, the instance has %d",
			n.Memory, e.cfg.Resources.Memory)
	}
	for i := range r.Containers {
		if why := containerFault(r, &r.Containers[i].Def); why != "" {
			return fmt.Sprintf("resource cannot be initialized for task %s: container %q: %s", r.Task.ARN,
				r.Containers[i].Def.Name, why)
		}
	}
	return ""
}

func containerFault(r *Record, c *acs.Container) string {
	switch {
	case r.Task.Memory > 0 && c.Memory > r.Task.Memory:
		return fmt.Sprintf("its memory of %d MiB is more than the task's %d MiB", c.Memory, r.Task.Memory)
	case len(c.Secrets) > 0:
		return "secrets are not supported by this agent"
	}
	for _, d := range c.DependsOn {
		if r.box(d.ContainerName) < 0 {
			return fmt.Sprintf("it depends on %q, which is not a container of the task", d.ContainerName)
		}
	}
	for _, m := range c.MountPoints {
		if !slices.ContainsFunc(r.Task.Volumes, func(v acs.Volume) bool { return v.Name == m.SourceVolume }) {
			return fmt.Sprintf("its mount point names volume %q, which the task does not have", m.SourceVolume)
		}
	}
	return ""
}

// Tasks returns every task, by ARN; they are copies.
func (e *Engine) Tasks() []Record {
	e.mu.Lock()
	arns := slices.Sorted(maps.Keys(e.byARN))
	tasks := make([]*task, len(arns))
	for i, arn := range arns {
		tasks[i] = e.byARN[arn]
	}
	e.mu.Unlock()
	out := make([]Record, len(tasks))
	for i, t := range tasks {
		out[i] = t.view()
	}
	return out
}

// Runtime returns the last known health of the container runtime.
func (e *Engine) Runtime() RuntimeStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Changes returns a channel that holds a token if a task or the runtime's health has changed since the last
// receive. cancel ends the subscription.
func (e *Engine) Changes() (changes <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers[ch] = true
	ch <- struct{}{}
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, ch)
	}
}

func (e *Engine) changed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changedLocked()
}

func (e *Engine) changedLocked() {
	for ch := range e.watchers {
		kick(ch)
	}
}

// kick puts a token into ch unless there is one.
func kick(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
