package engine

import (
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// reasonOOM is AWS's text (ecs.md 1.5.4).
const reasonOOM = "OutOfMemoryError: Container killed due to memory usage"

// reasonGone is the reason of a container that was removed by others.
const reasonGone = "CannotInspectContainerError: the container was removed from the container runtime"

// defaultRestartPeriod is the default of restartAttemptPeriod (ecs.md 1.4.16).
const defaultRestartPeriod = 300 * time.Second

// observe writes the state of container i at the runtime into the record.
func observe(r *Record, i int, c runtime.Container, now time.Time) {
	b := &r.Containers[i]
	if b.Phase == Stopped {
		return
	}
	b.RuntimeID, b.CreatedAt, b.ImageID = c.ID, c.CreatedAt, c.ImageID
	switch c.State {
	case runtime.Created:
		b.Phase = max(b.Phase, Created)
	case runtime.Running:
		b.Phase, b.StartedAt = Running, c.StartedAt
		if b.FirstStart.IsZero() {
			b.FirstStart = c.StartedAt
		}
		b.Addresses = addresses(c)
		observeHealth(b, c.Health, now)
	case runtime.Exited:
		if c.FinishedAt.Equal(b.FinishedAt) {
			return // that run ended before a restart
		}
		observeEnd(r, b, c)
	}
}

func addresses(c runtime.Container) []netip.Addr {
	var out []netip.Addr
	for _, a := range c.Addresses {
		if a.IPv4.IsValid() {
			out = append(out, a.IPv4)
		}
	}
	return out
}

func observeHealth(b *Box, health string, now time.Time) {
	if b.Def.HealthCheckType != acs.HealthCheckDocker {
		return
	}
	status := acs.HealthUnknown
	switch health {
	case runtime.HealthHealthy:
		status = acs.HealthHealthy
	case runtime.HealthUnhealthy:
		status = acs.HealthUnhealthy
	}
	if b.Health != status {
		b.Health, b.HealthSince = status, now
	}
}

func observeEnd(r *Record, b *Box, c runtime.Container) {
	b.StartedAt, b.FinishedAt = c.StartedAt, c.FinishedAt
	if b.FirstStart.IsZero() {
		b.FirstStart = c.StartedAt
	}
	b.ExitCode = new(c.ExitCode)
	// Docker also sets this if a process that the container started was killed and the container went on and
	// ended well. That container was not killed.
	if c.OOMKilled && c.ExitCode != 0 {
		b.Reason = reasonOOM
	}
	if r.wanted() && restarts(b) {
		b.Phase = Created
		b.Restarts++
		return
	}
	b.Phase = Stopped
	if b.Def.Essential && r.ExecutionStoppedAt.IsZero() {
		r.ExecutionStoppedAt = c.FinishedAt
	}
}

// restarts decides by the restart policy (ecs.md 1.4.16).
func restarts(b *Box) bool {
	p := b.Def.RestartPolicy
	if p == nil || !p.Enabled || slices.Contains(p.IgnoredExitCodes, int64(*b.ExitCode)) {
		return false
	}
	period := time.Duration(p.AttemptPeriod) * time.Second
	if period == 0 {
		period = defaultRestartPeriod
	}
	return b.FinishedAt.Sub(b.StartedAt) >= period
}

// ended marks container i as stopped if its run could not be observed.
func ended(r *Record, i int, reason string, now time.Time) {
	b := &r.Containers[i]
	if b.Phase == Stopped {
		return
	}
	b.Phase = Stopped
	if b.Reason == "" {
		b.Reason = reason
	}
	if b.reached() {
		b.FinishedAt = now
		if b.Def.Essential && r.ExecutionStoppedAt.IsZero() {
			r.ExecutionStoppedAt = now
		}
	}
}

// advance advances the task's status to that of its containers.
func advance(r *Record, now time.Time) {
	if r.Status == StatusStopped {
		return
	}
	stopped, reached := true, len(r.Containers) > 0
	for i := range r.Containers {
		stopped = stopped && r.Containers[i].Phase == Stopped
		reached = reached && r.Containers[i].reached()
	}
	if reached {
		r.Ran, r.Status, r.Hold = true, StatusRunning, ""
	}
	if stopped {
		r.Status, r.StoppedAt, r.Hold = StatusStopped, now, ""
	}
}
