package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/fleet"
)

// keeper keeps one instance's agent running.
type keeper struct {
	d    *Driver
	in   *fleet.Instance
	dir  string
	stop context.CancelFunc
	done chan struct{}
	p    *process // the agent; nil between two lives of it. Only run's goroutine uses it until done is closed
}

// steady is how long an agent has to live for its next end to count as a first one.
const steady = 30 * time.Second

// run keeps the agent alive until ctx ends or the agent is beyond help.
func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	ctx, stop := context.WithCancel(ctx) // when the agent is beyond help, too
	defer stop()
	renewing.Go(func() { k.keepRenewing(ctx) })
	status := fleet.MachineStatus{Phase: fleet.PhaseUp}
	pause := k.d.cfg.RestartMin
	for {
		status.Phase, status.Reason, status.Since = fleet.PhaseUp, "", time.Now()
		k.d.reports.put(k.in.ID, status)
		code, err := k.p.wait(ctx)
		if ctx.Err() != nil {
			return
		}
		lived := time.Since(status.Since)
		k.p.release()
		k.p = nil
		if lived > steady {
			pause = k.d.cfg.RestartMin
		}
		status.Reason, status.Since = ending(code, err), time.Now()
		if code == ExitTerminal {
			k.fail(status)
			return
		}
		status.Phase = fleet.PhaseRestarting
		status.Restarts++
		status.Reason += fmt.Sprintf("; it is started again in %v", pause)
		k.report(status)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, k.d.cfg.RestartMax)
		if err := k.launch(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			status.Reason = err.Error()
			k.fail(status)
			return
		}
	}
}

func ending(code int, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("the agent cannot be watched: %v", err)
	case code == -1:
		return "the agent died"
	case code == ExitTerminal:
		return "the agent exited with code 5: the control plane does not accept this instance; see agent.log"
	}
	return fmt.Sprintf("the agent exited with code %d", code)
}

func (k *keeper) fail(status fleet.MachineStatus) {
	status.Phase = fleet.PhaseFailed
	k.report(status)
}

func (k *keeper) report(status fleet.MachineStatus) {
	k.d.cfg.Logger.Warn("agent down", "instance", k.in.ID, "phase", status.Phase, "reason", status.Reason)
	k.d.note(k.in.ID, "%s", status.Reason)
	k.d.reports.put(k.in.ID, status)
}

// launch starts the agent with what its ecs.config says now.
func (k *keeper) launch(ctx context.Context) error {
	cfg := &k.d.cfg
	if len(cfg.Command) == 0 {
		return errors.New("no agent command is configured")
	}
	set, err := settings(k.dir)
	if err != nil {
		return fmt.Errorf("ecs.config: %w", err)
	}
	if _, err := k.renew(ctx); err != nil {
		return err
	}
	env := environment(cfg, k.in, k.dir, set)
	if why := refused(set, env); why != "" {
		k.d.note(k.in.ID, "%s", why)
	}
	k.p, err = launch(k.dir, cfg.Command, env)
	if err != nil {
		return err
	}
	k.d.note(k.in.ID, "agent started, process %d", k.p.pid)
	return nil
}
