package agent

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/engine"
)

// telemetry keeps the TCS connection, on which it sends measurements and health.
type telemetry struct {
	cfg               *Config
	containerInstance string
	control           *control
	signer            awscall.Signer
	client            *http.Client
	log               *slog.Logger

	tasks   func() []engine.Record
	changes func() (<-chan struct{}, func())
	runtime func() engine.RuntimeStatus
	metrics func() []acs.TaskMetric
	beat    chan struct{} // token: there was a heartbeat on ACS
}

// run keeps a connection until ctx ends.
func (t *telemetry) run(ctx context.Context) error {
	wait, failures := noLonger(acs.TelemetryBackoff()), 0
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := t.once(ctx)
		if ctx.Err() != nil {
			break
		}
		pause := wait.Wait(failures, rand.Float64())
		failures++
		if connected && websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			pause, failures = 0, 0
		} else if connected && time.Since(began) >= steadyAfter {
			failures = 0
		}
		t.log.Info("the TCS session ended", "error", err, "again", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return context.Cause(ctx)
}

func (t *telemetry) once(ctx context.Context) (connected bool, err error) {
	ends, err := t.control.discover(ctx, t.containerInstance)
	if err != nil {
		return false, err
	}
	sock, err := dial(ctx, socketURL(ends.TelemetryEndpoint, map[string]string{
		"cluster": t.cfg.Cluster, "containerInstance": t.containerInstance, "agentVersion": Version, "agentHash": Hash,
		"dockerVersion": t.runtime().Version,
	}), t.signer, t.client)
	if err != nil {
		return false, err
	}
	return true, t.serve(ctx, sock)
}

// serve publishes until the connection ends or nothing is acknowledged any more.
func (t *telemetry) serve(ctx context.Context, sock *socket) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer func() { cancel(nil); sock.conn.CloseNow(); parts.Wait() }()
	silence := acs.Jittered(acs.SilenceLimit, acs.SilenceJitter, rand.Float64())
	parts.Go(func() {
		sock.outlive(ctx, silence, math.MaxInt64) // this connection is never replaced for its age
		sock.conn.Close(websocket.StatusNormalClosure, expired)
	})
	every := make(chan time.Duration, 1)
	parts.Go(func() { cancel(t.publish(ctx, sock, every)) })
	for period := acs.PublishEvery; ; {
		m, err := sock.read(ctx, func(err error) { t.log.Warn("a TCS frame cannot be read", "error", err) })
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		if ack, ok := m.(*acs.AckPublishMetric); ok && ack.Period() != period {
			period = ack.Period()
			select {
			case every <- period:
			case <-ctx.Done():
			}
		}
	}
}

// publish sends measurements on each tick, and changes of health at once. The control plane says how long a tick is.
func (t *telemetry) publish(ctx context.Context, sock *socket, every <-chan time.Duration) error {
	changes, unsubscribe := t.changes()
	defer unsubscribe()
	tick := time.NewTicker(acs.PublishEvery)
	defer tick.Stop()
	last := ""
	if err := t.publishMetrics(ctx, sock); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case period := <-every:
			tick.Reset(period)
		case <-tick.C:
			if err = t.publishMetrics(ctx, sock); err == nil {
				err = t.publishHealth(ctx, sock)
			}
		case <-t.beat:
			err = t.publishStatus(ctx, sock)
		case <-changes:
			// Health does not wait for the tick: a rolling update waits for it.
			if now := t.healthKey(); now != last {
				last = now
				if err = t.publishHealth(ctx, sock); err == nil {
					err = t.publishStatus(ctx, sock)
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

func (t *telemetry) metadata() acs.TelemetryMetadata {
	return acs.TelemetryMetadata{
		Cluster: t.cfg.Cluster, ContainerInstance: t.containerInstance, MessageID: newID(), Fin: true,
	}
}

// publishMetrics sends measurements, ten tasks in a message.
func (t *telemetry) publishMetrics(ctx context.Context, sock *socket) error {
	var tasks []acs.TaskMetric
	if !t.cfg.DisableMetrics {
		tasks = t.metrics()
	}
	meta := t.metadata()
	meta.Idle = len(tasks) == 0
	for first := true; first || len(tasks) > 0; first = false {
		n := min(len(tasks), acs.MaxTasksPerReport)
		part := acs.PublishMetrics{Metadata: meta, Tasks: tasks[:n], Timestamp: acs.At(time.Now())}
		tasks = tasks[n:]
		part.Metadata.Fin = len(tasks) == 0
		if err := sock.writeSigned(ctx, &part); err != nil {
			return err
		}
	}
	return nil
}

// health returns the containers that have a health check.
func (t *telemetry) health() []acs.TaskHealth {
	var out []acs.TaskHealth
	for _, r := range t.tasks() {
		h := acs.TaskHealth{TaskARN: r.Task.ARN, Family: r.Task.Family, Version: r.Task.Version}
		for _, b := range r.Containers {
			if b.Health != "" && b.Phase == engine.Running {
				h.Containers = append(h.Containers, acs.ContainerHealth{
					Name: b.Def.Name, Status: b.Health, StatusSince: acs.At(b.HealthSince),
				})
			}
		}
		if len(h.Containers) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// healthKey changes when health or the runtime's status does.
func (t *telemetry) healthKey() string {
	key := t.runtime().Status
	for _, h := range t.health() {
		for _, c := range h.Containers {
			key += "\n" + h.TaskARN + " " + c.Name + " " + c.Status
		}
	}
	return key
}

func (t *telemetry) publishHealth(ctx context.Context, sock *socket) error {
	tasks, meta := t.health(), t.metadata()
	for len(tasks) > 0 {
		n := min(len(tasks), acs.MaxTasksPerReport)
		part := acs.PublishHealth{Metadata: meta, Tasks: tasks[:n], Timestamp: acs.At(time.Now())}
		tasks = tasks[n:]
		part.Metadata.Fin = len(tasks) == 0
		if err := sock.writeSigned(ctx, &part); err != nil {
			return err
		}
	}
	return nil
}

func (t *telemetry) publishStatus(ctx context.Context, sock *socket) error {
	status, now := t.runtime(), acs.At(time.Now())
	meta := t.metadata()
	meta.MessageID, meta.RequestID = "", meta.MessageID
	return sock.writeSigned(ctx, &acs.PublishInstanceStatus{
		Metadata: meta, Timestamp: now,
		Statuses: []acs.InstanceStatus{{
			Type: acs.InstanceContainerRuntime, Status: status.Status, LastUpdated: now,
			LastStatusChange: acs.At(status.Since),
			Reason:           status.Reason,
		}},
	})
}
