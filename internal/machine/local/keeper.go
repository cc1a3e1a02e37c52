package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fleet"
)

// keeper keeps one instance's agent running.
type keeper struct {
	d    *Driver
	in   *fleet.Instance
	dir  string
	stop context.CancelFunc
	done chan struct{}
	p    *process // the agent; nil while none runs. Only the goroutine of run uses it until done is closed
}

// steady is how long an agent has to live so that its end does not count as a repeated failure.
const steady = 30 * time.Second

// run keeps the agent running until ctx ends or the agent has failed for good.
func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	ctx, stop := context.WithCancel(ctx) // also when the agent has failed for good
	defer stop()
	renewing.Go(func() { k.keepRenewing(ctx) })
	status := fleet.MachineStatus{Phase: fleet.PhaseUp}
	pause := k.d.cfg.RestartMin
	for {
		status.Phase, status.Reason, status.Since, status.Cluster = fleet.PhaseUp, "", time.Now(), ""
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
		status.Reason, status.Since = ending(code, err)+lastWords(k.dir), time.Now()
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

// lastWords returns ": " and the error with which the agent ended, from the last line of its log, or "".
func lastWords(dir string) string {
	f, err := os.Open(logFile(dir))
	if err != nil {
		return ""
	}
	defer f.Close()
	_, _ = f.Seek(-mostWords, io.SeekEnd) // a shorter log is read from its start
	text, err := io.ReadAll(io.LimitReader(f, mostWords))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if words, found := strings.CutPrefix(lines[len(lines)-1], "berth agent: "); found {
		return ": " + words
	}
	return ""
}

// mostWords is the most bytes of an agent's log that are read for its last line.
const mostWords = 1 << 10

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
	status.Cluster = k.cluster()
	k.d.cfg.Logger.Warn("agent down", "instance", k.in.ID, "phase", status.Phase, "reason", status.Reason)
	k.d.note(k.in.ID, "%s", status.Reason)
	k.d.reports.put(k.in.ID, status)
}

// cluster returns the name of the cluster that the agent must join, or "" if its settings cannot be read.
func (k *keeper) cluster() string {
	set, err := settings(k.dir)
	if err != nil {
		return ""
	}
	name := "default"
	for _, s := range set {
		if s.Key == "ECS_CLUSTER" && s.Value != "" {
			name = arn.LastID(s.Value)
		}
	}
	return name
}

// launch starts the agent with the current settings of its ecs.config.
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
