package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// TCS returns the handler for agents' telemetry sessions: GET …/tcs/ws.
func (d *Dispatcher) TCS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ci, bad := d.admit(r, r.URL.Query().Get("containerInstance"))
		if bad != nil {
			d.log.Info("a TCS handshake is refused", "why", bad.name, "text", bad.text)
			bad.write(w)
			return
		}
		d.mu.Lock()
		ctx := d.begin()
		d.mu.Unlock()
		if ctx == nil {
			notRunning.write(w)
			return
		}
		conn, err := accept(w, r)
		if err != nil {
			d.work.Done()
			return
		}
		t := &telemetry{d: d, instance: ci.ContainerInstanceARN, conn: conn, handshake: r}
		t.gauge = Gauge{Feed: d.cfg.Feed, Instance: t.instance}
		d.detached(func() {
			defer d.work.Done()
			defer conn.CloseNow()
			t.run(ctx)
		})
	})
}

// run serves the connection and logs its end.
func (t *telemetry) run(ctx context.Context) {
	err := t.serve(ctx)
	level := slog.LevelInfo
	if ctx.Err() != nil || hungUp(err) {
		level = slog.LevelDebug
	}
	t.d.log.Log(ctx, level, "a TCS session has ended", "containerInstance", t.instance, "reason", err)
}

// telemetry is one TCS connection. An instance may have two without harm.
type telemetry struct {
	d         *Dispatcher
	instance  string
	conn      *websocket.Conn
	handshake *http.Request
	gauge     Gauge
}

func (t *telemetry) serve(ctx context.Context) error {
	for {
		_, frame, err := t.conn.Read(ctx)
		if err != nil {
			return err
		}
		m, sent, err := t.open(frame)
		if err != nil {
			return err
		}
		answer, err := t.take(ctx, m, sent)
		if err != nil {
			t.d.log.Error("telemetry could not be processed", "containerInstance", t.instance,
				"type", m.MessageType(), "error", err)
		}
		if answer == nil {
			continue
		}
		out, err := acs.Encode(answer)
		if err != nil {
			return err
		}
		if err := t.conn.Write(ctx, websocket.MessageText, out); err != nil {
			return err
		}
	}
}

// open verifies and decodes a frame; each is signed. A frame that cannot be read is an unknown
// message; one with a wrong signature ends the session. sent is when the frame was signed, by the
// agent's clock.
func (t *telemetry) open(frame []byte) (m acs.Message, sent time.Time, err error) {
	headers, body, err := acs.SplitTelemetryFrame(frame)
	if err != nil {
		return nil, sent, err
	}
	who, err := t.d.cfg.Verifier.VerifyFrame(t.handshake, headers, body, time.Now())
	if err != nil {
		return nil, sent, err
	}
	if m, err = acs.Decode(body); err != nil {
		t.d.log.Warn("a TCS frame could not be read", "error", err)
		return &acs.Unknown{Type: "unreadable"}, sent, nil
	}
	return m, sigv4.SignedAt(headers), t.claim(who.Principal, m)
}

// errOther ends the session of an agent that reports in the name of another.
var errOther = errors.New("a report is of another container instance than the session")

// claim compares the signer of a report and the names in it with the session. Agents name their
// cluster and themselves by ARN or by the last part of it, as they were configured.
func (t *telemetry) claim(who identity.Principal, m acs.Message) error {
	ci, ok := t.d.store.View().ContainerInstances.Get(t.instance)
	if !ok {
		return errInactive
	}
	if id, machine := who.Instance(); machine && id != ci.EC2InstanceID {
		return fmt.Errorf("%w: %s signed it", errOther, id)
	}
	var says acs.TelemetryMetadata
	switch m := m.(type) {
	case *acs.PublishMetrics:
		says = m.Metadata
	case *acs.PublishHealth:
		says = m.Metadata
	case *acs.PublishInstanceStatus:
		says = m.Metadata
	default:
		return nil
	}
	for _, c := range []struct{ said, is string }{{says.Cluster, ci.ClusterARN}, {says.ContainerInstance, t.instance}} {
		if c.said != "" && c.said != c.is && c.said != arn.LastID(c.is) {
			return fmt.Errorf("%w: it says %q, the session is of %s", errOther, c.said, c.is)
		}
	}
	return nil
}

// take processes a report that was sent at a time of the agent's clock, and returns its
// acknowledgment, nil for a message that needs none.
func (t *telemetry) take(ctx context.Context, m acs.Message, sent time.Time) (answer acs.Message, err error) {
	now := time.Now()
	text := now.UTC().Format(time.RFC3339)
	switch m := m.(type) {
	case *acs.PublishMetrics:
		if t.gauge.Feed != nil {
			t.gauge.Measure(&t.d.store.View().Tables, m, age(m, sent))
		}
		return &acs.AckPublishMetric{Message: text, Every: t.every()}, nil
	case *acs.PublishHealth:
		return &acs.AckPublishHealth{Message: text}, t.health(ctx, m)
	case *acs.PublishInstanceStatus:
		return &acs.AckPublishInstanceStatus{Message: text}, t.status(ctx, m, now)
	}
	return nil, nil
}

// every returns how many seconds there should be between two reports of the instance: one if its Auto Scaling group or
// a service of its tasks is scaled at the pace of seconds, 0 otherwise.
func (t *telemetry) every() int64 {
	tables := &t.d.store.View().Tables
	quick := t.d.cfg.Pace == scaling.PaceOfSeconds
	if ci, ok := tables.ContainerInstances.Get(t.instance); ok && !quick {
		quick = tables.PaceOfInstance(ci, t.d.cfg.Pace) == scaling.PaceOfSeconds
	}
	if tables.ScalableTargets.Len() > 0 && !quick {
		for task := range tables.Tasks.By(state.TasksByInstance, t.instance) {
			quick = quick || task.LastStatus != ecs.Stopped && tables.PaceOfService(task.ServiceARN, t.d.cfg.Pace) != ""
		}
	}
	if quick {
		return 1
	}
	return 0
}

// age returns how long ago a report was made when it was sent. Both times are of the agent's clock,
// which may differ from this machine's: an agent keeps reports while it has no connection.
func age(m *acs.PublishMetrics, sent time.Time) time.Duration {
	if m.Timestamp.IsZero() || sent.IsZero() {
		return 0
	}
	return max(sent.Sub(m.Timestamp.Time), 0)
}

// health writes the health of containers. Most reports repeat what is known and cost no
// transaction.
func (t *telemetry) health(ctx context.Context, m *acs.PublishHealth) error {
	reports := map[string]map[string]string{}
	for _, task := range m.Tasks {
		byName := map[string]string{}
		for _, c := range task.Containers {
			byName[c.Name] = c.Status
		}
		reports[task.TaskARN] = byName
	}
	if !t.news(&t.d.store.View().Tables, reports) {
		return nil
	}
	return t.d.store.Update(ctx, func(tx *state.Tx) error {
		for arn, health := range reports {
			if task, ok := t.own(&tx.Tables, arn); ok {
				def, _ := tx.TaskDefinitions.Get(task.TaskDefinitionARN)
				if n := ObserveHealth(task, def, health); n != task {
					tx.Tasks.Put(n)
				}
			}
		}
		return nil
	})
}

// own returns a task of this instance; an agent may report about these only.
func (t *telemetry) own(tables *state.Tables, arn string) (*ecs.Task, bool) {
	return ownTaskOf(tables, t.instance, arn)
}

func ownTaskOf(tables *state.Tables, instance, arn string) (*ecs.Task, bool) {
	task, ok := tables.Tasks.Get(arn)
	return task, ok && task.ContainerInstanceARN == instance
}

func (t *telemetry) news(tables *state.Tables, reports map[string]map[string]string) bool {
	for arn, health := range reports {
		if task, ok := t.own(tables, arn); ok && ObserveHealth(task, nil, health) != task {
			return true
		}
	}
	return false
}

// statusEvery is the age at which the time of the last look at the runtime is written again, even
// if nothing else has changed.
const statusEvery = 5 * time.Minute

// status writes the health of the machine's container runtime.
func (t *telemetry) status(ctx context.Context, m *acs.PublishInstanceStatus, now time.Time) error {
	for _, s := range m.Statuses {
		if s.Type != acs.InstanceContainerRuntime {
			continue
		}
		ci, ok := t.d.store.View().ContainerInstances.Get(t.instance)
		reason := cut(s.Reason, maxRuntimeReason)
		if !ok || ci.RuntimeStatus == s.Status && ci.RuntimeReason == reason &&
			now.Sub(ci.RuntimeStatusUpdated) < statusEvery {
			continue
		}
		err := t.d.store.Update(ctx, func(tx *state.Tx) error {
			ci, ok := tx.ContainerInstances.Get(t.instance)
			if !ok {
				return nil
			}
			n := *ci
			if n.RuntimeStatus != s.Status {
				n.RuntimeStatus, n.RuntimeStatusSince = s.Status, s.LastStatusChange.Time
				n.Version++
			}
			n.RuntimeStatusUpdated, n.RuntimeReason = now, reason
			tx.ContainerInstances.Put(&n)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxRuntimeReason limits the length of an agent's text that is stored.
const maxRuntimeReason = 1024

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}
