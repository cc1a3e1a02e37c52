// Package local makes instances on this machine: an instance is an agent process of its own with a loopback address, a directory and a share of the machine
// that its instance type says.
//
// Under Dir each instance has a directory of its id: root (what its user data takes for /), data (the agent's), agent.pid, agent.log, console.log,
// identity.json and booted, which says that user data has run. Processes are started in a session of their own, so they outlive this process however it ends;
// whoever comes next finds them by pid file, checked against the process's start time and the machine's boot, or else by their environment, and
// takes them over: there are never two agents of one instance. An agent that dies is started again after a pause that doubles; one
// that exits with ExitTerminal, or cannot be started at all, has failed for good, and the reports say so.
//
// A Driver's goroutines live until the context of Run ends; the agents go on. All methods may be called from any goroutine.
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
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/userdata"
)

// Config says how instances are made. Dir, Command, ControlPlane and Credentials are needed.
type Config struct {
	Dir          string   // absolute; usually <data>/instances
	Command      []string // the agent: an executable's path and its first arguments, such as {os.Executable(), "agent"}
	ControlPlane string   // URL of the API that all agents use
	Credentials  Credentials
	// Cleanup removes the containers of an instance whose agent is gone; it calls dead when none of their processes lives any more, and then removes
	// the rest. Nil means that there is nothing to remove.
	Cleanup func(ctx context.Context, instanceID string, dead func()) error
	// CleanupZones removes what the instances of a zone share, as far as nobody uses it; nil when there is no such thing.
	CleanupZones func(ctx context.Context, zones []string)
	// Block is where instances get their addresses; the zero value is that of a machine's first server.
	Block fleet.Block
	// Networks names the bridges of a region's own networks; nil when there are none.
	Networks func(ctx context.Context, region string) []string
	Env      []string // what agents get of this process's environment, such as PATH and DOCKER_HOST
	Limits   userdata.Limits
	Logger   *slog.Logger

	StopTimeout time.Duration // from SIGTERM to SIGKILL; default 10 s
	RestartMin  time.Duration // first pause before an agent is started again; default 1 s
	RestartMax  time.Duration // longest pause; default 15 s
}

// AccessKey is what an agent signs its calls with until Expires; the zero time is never.
type AccessKey struct {
	ID, Secret, Token string
	Expires           time.Time
}

// Credentials mints access keys of an instance's role. It is asked at each start of an agent process, and again whenever half of a key's time has passed.
type Credentials interface {
	InstanceKey(ctx context.Context, in *fleet.Instance) (AccessKey, error)
}

// Driver is a machine.Driver, machine.Reporter and machine.Host.
type Driver struct {
	cfg     Config
	base    context.Context // ends with Run
	end     context.CancelCauseFunc
	keepers sync.WaitGroup
	reports reports

	gate gate

	mu       sync.Mutex
	kept     map[string]*keeper // guarded by mu
	cleaning map[string]bool    // instances that a Clean has in hand; guarded by mu
}

var (
	_ machine.Driver   = (*Driver)(nil)
	_ machine.Reporter = (*Driver)(nil)
	_ machine.Host     = (*Driver)(nil)
)

// New makes a driver. Nothing happens before Start.
func New(cfg Config) *Driver {
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, 10*time.Second)
	cfg.RestartMin = cmp.Or(cfg.RestartMin, time.Second)
	cfg.RestartMax = max(cfg.RestartMin, cmp.Or(cfg.RestartMax, 15*time.Second))
	base, end := context.WithCancelCause(context.Background())
	return &Driver{cfg: cfg, base: base, end: end, kept: map[string]*keeper{}, cleaning: map[string]bool{}, reports: newReports()}
}

// errClosed ends what runs when Run returns.
var errClosed = errors.New("the machine driver is closed")

// Run waits for ctx to end and then for every goroutine of the driver. Agents are left running; no Start succeeds afterwards.
func (d *Driver) Run(ctx context.Context) error {
	<-ctx.Done()
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
		return nil // also when it has failed: only Stop gives an instance another try
	}
	dir := d.dir(in.ID)
	if err := d.boot(ctx, in, dir); err != nil {
		return err
	}
	k = &keeper{d: d, in: in, dir: dir, done: make(chan struct{})}
	if p, err := adopt(dir, in.ID); err == nil {
		k.p = p
		return d.keep(k)
	}
	leave, err := d.gate.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := k.launch(ctx); err != nil {
		return err
	}
	return d.keep(k)
}

// keep hands an agent process to a keeper.
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

// stop is Stop; it calls dead when the instance's processes are gone and only a container runtime has something left to do.
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
	if d.cfg.Cleanup == nil {
		return nil
	}
	if err := d.cfg.Cleanup(ctx, id, dead); err != nil {
		return fmt.Errorf("instance %s: removing its containers: %w", id, err)
	}
	return nil
}

// Forget implements machine.Driver.
func (d *Driver) Forget(_ context.Context, id string) error {
	if filepath.Base(id) != id || id == "." || id == ".." {
		return fmt.Errorf("%q is no instance id", id)
	}
	return os.RemoveAll(d.dir(id))
}

// Next implements machine.Reporter.
func (d *Driver) Next(ctx context.Context) (machine.Report, error) { return d.reports.next(ctx) }

// consoleSize is how much of the console EC2 gives back.
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
