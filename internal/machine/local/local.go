// Package local makes instances on this machine: an instance is an agent process with a loopback address, a
// directory, and as much of the machine's resources as its instance type has.
//
// Each instance has a directory below Dir, named by its id, with root (the file system of its user data), data
// (the agent's), agent.pid, agent.log, console.log, identity.json and booted (its user data has run).
//
// Agents run in a session of their own, so they survive the end of this process, however it ends. The next
// process finds them by the pid file, checked against the process's start time and the machine's boot id, or
// else by their environment, and takes them over: an instance never has two agents. An agent that ends is
// started again after a pause that doubles. One that exits with ExitTerminal, or cannot be started, has failed
// for good, which is reported.
//
// A Driver's goroutines live until the context of Run ends; agents go on running. All methods may be called
// from any goroutine.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/userdata"
)

// Config configures a Driver. Dir, Command, ControlPlane and Credentials are required.
type Config struct {
	Dir          string   // absolute; usually <data>/instances
	Command      []string // the agent: an executable's path and its first arguments, such as {os.Executable(), "agent"}
	ControlPlane string   // URL of the API that all agents use
	Credentials  Credentials
	Containers   Containers // nil when agents create none
	// Zones returns the zones that have instances. Clean removes what instances share in other zones. Nil
	// means that there are none.
	Zones func() map[string]bool
	// Block is where instances get their addresses; the zero value is the block of a machine's first server.
	Block  fleet.Block
	Env    []string // variables of this process that agents get, such as PATH and DOCKER_HOST
	Limits userdata.Limits
	Logger *slog.Logger

	StopTimeout time.Duration // from SIGTERM to SIGKILL; default 10 s
	RestartMin  time.Duration // first pause before an agent is started again; default 1 s
	RestartMax  time.Duration // longest pause; default 15 s
}

// Containers is the container runtime of this machine.
type Containers interface {
	// Purge removes everything that the agent of an instance has created. The agent must have ended. It calls
	// dead when no process of the containers is alive, and then removes the rest.
	Purge(ctx context.Context, instanceID string, dead func()) error

	// RemoveShared removes what instances share, unless instances in these zones need it.
	RemoveShared(ctx context.Context, zones map[string]bool) error

	// Bridges returns the bridges of a region's own networks.
	Bridges(ctx context.Context, region string) []string
}

// AccessKey is the key with which an agent signs its calls until Expires. The zero time is never.
type AccessKey struct {
	ID, Secret, Token string
	Expires           time.Time
}

// Credentials creates access keys for an instance's role. It is called at each start of an agent, and whenever
// half of a key's lifetime has passed.
type Credentials interface {
	InstanceKey(ctx context.Context, in *fleet.Instance) (AccessKey, error)
}

// Driver is a machine.Site.
type Driver struct {
	cfg     Config
	base    context.Context // ends with Run
	end     context.CancelCauseFunc
	keepers sync.WaitGroup
	reports reports

	starts startLock

	logBytes atomic.Int64

	mu       sync.Mutex
	kept     map[string]*keeper // guarded by mu
	cleaning map[string]bool    // instances that a call of Clean is removing; guarded by mu
}

var _ machine.Site = (*Driver)(nil)

// New returns a driver. It does nothing before Start.
func New(cfg Config) *Driver {
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, 10*time.Second)
	cfg.RestartMin = cmp.Or(cfg.RestartMin, time.Second)
	cfg.RestartMax = max(cfg.RestartMin, cmp.Or(cfg.RestartMax, 15*time.Second))
	base, end := context.WithCancelCause(context.Background())
	return &Driver{cfg: cfg, base: base, end: end, kept: map[string]*keeper{}, cleaning: map[string]bool{},
		reports: newReports()}
}

// errClosed is why goroutines end when Run returns.
var errClosed = errors.New("the machine driver is closed")

// Run waits until ctx and every goroutine of the driver has ended. Agents go on running. Start fails
// afterwards.
func (d *Driver) Run(ctx context.Context) error {
	tick := time.NewTicker(logsEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		d.boundLogs()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	d.mu.Lock()
	d.end(errClosed)
	d.mu.Unlock()
	d.keepers.Wait()
	return context.Cause(ctx)
}

// Start implements machine.Driver.
func (d *Driver) Start(ctx context.Context, in *fleet.Instance) error {
	d.mu.Lock()
	k := d.kept[in.ID]
	d.mu.Unlock()
	if k != nil {
		return nil // also after a failure: only Stop allows another try
	}
	dir := d.dir(in.ID)
	if err := d.boot(ctx, in, dir); err != nil {
		return err
	}
	k = &keeper{d: d, in: in, dir: dir, done: make(chan struct{})}
	if p, err := adopt(dir, in.ID); err == nil {
		if hasEnvironment(p.pid, endpointVariable, d.cfg.ControlPlane) {
			k.p = p
			return d.keep(k)
		}
		if err := d.endMisdirected(ctx, in.ID, p); err != nil {
			return err
		}
	}
	leave, err := d.starts.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := k.launch(ctx); err != nil {
		return err
	}
	return d.keep(k)
}

// endMisdirected ends an agent that calls another control plane than this one, because the server listened on
// another address when it started the agent. Its containers go on running, and the next agent takes them over.
func (d *Driver) endMisdirected(ctx context.Context, id string, p *process) error {
	defer p.release()
	if err := p.end(ctx, d.cfg.StopTimeout); err != nil {
		return fmt.Errorf("instance %s: %w", id, err)
	}
	d.note(id, "agent %d ended: the API has moved to %s", p.pid, d.cfg.ControlPlane)
	return nil
}

// keep starts a keeper for an agent process.
func (d *Driver) keep(k *keeper) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.base.Err() != nil {
		k.p.release()
		return errClosed
	}
	ctx, stop := context.WithCancel(d.base)
	k.stop = stop
	d.kept[k.in.ID] = k
	d.keepers.Go(func() { k.run(ctx) })
	return nil
}

// Stop implements machine.Driver.
func (d *Driver) Stop(ctx context.Context, id string) error {
	return d.stop(ctx, id, func() {})
}

// stop is Stop. It calls dead when the processes of the instance have ended, before the container runtime has
// removed everything.
func (d *Driver) stop(ctx context.Context, id string, dead func()) error {
	d.mu.Lock()
	k := d.kept[id]
	delete(d.kept, id)
	d.mu.Unlock()
	var p *process
	if k != nil {
		k.stop()
		<-k.done
		p = k.p
	}
	if p == nil {
		p, _ = adopt(d.dir(id), id)
	}
	if p != nil {
		defer p.release()
		if err := p.end(ctx, d.cfg.StopTimeout); err != nil {
			return fmt.Errorf("instance %s: %w", id, err)
		}
		d.note(id, "agent %d ended: the instance stops", p.pid)
	}
	if err := os.Remove(pidFile(d.dir(id))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if d.cfg.Containers == nil {
		return nil
	}
	if err := d.cfg.Containers.Purge(ctx, id, dead); err != nil {
		return fmt.Errorf("instance %s: removing its containers: %w", id, err)
	}
	return nil
}

// Forget implements machine.Driver.
func (d *Driver) Forget(_ context.Context, id string) error {
	if filepath.Base(id) != id || id == "." || id == ".." {
		return fmt.Errorf("%q is no instance id", id)
	}
	if err := os.RemoveAll(d.dir(id)); err != nil {
		// A container that runs as root has written to it, and this server does not run as root.
		return fmt.Errorf("instance %s: a part of its directory is left: %w; remove it with: sudo rm -r %s", id,
			err, d.dir(id))
	}
	return nil
}

// Next implements machine.Reporter.
func (d *Driver) Next(ctx context.Context) (machine.Report, error) { return d.reports.next(ctx) }

// consoleSize is how much of the console EC2 returns, in bytes.
const consoleSize = 64 << 10

// ConsoleOutput implements machine.Host.
func (d *Driver) ConsoleOutput(id string) ([]byte, time.Time, error) {
	f, err := os.Open(consoleFile(d.dir(id)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	out, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-consoleSize), consoleSize))
	return out, info.ModTime(), err
}

func (d *Driver) dir(id string) string { return filepath.Join(d.cfg.Dir, id) }
