package dispatch_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// desk is a control plane that agents reach over pipes. The tests act as the agents.
type desk struct {
	*world
	client *http.Client
}

func newDesk(t *testing.T, change func(*dispatch.Config)) *desk {
	w := newWorld(t, change)
	p := newPipes()
	w.listen(p)
	return &desk{w, p.client()}
}

// instance adds a container instance to the store.
func (d *desk) instance(id string) *ecs.ContainerInstance {
	ci := &ecs.ContainerInstance{
		ContainerInstanceARN: ecs.ARN(region, account, ecs.TypeContainerInstance, "agt/"+id),
		ClusterARN:           clusterARN, Status: ecs.InstanceActive,
		Registered: ecs.Resources{CPU: 2048, Memory: 4096},
	}
	d.update(func(tx *state.Tx) { tx.ContainerInstances.Put(ci) })
	return ci
}

// puppet is the agent's end of an ACS session. It reads messages at once.
type puppet struct {
	t    *testing.T
	conn *websocket.Conn
	in   chan acs.Message // closed when the connection ends
}

func (d *desk) dial(path string, query url.Values) (*websocket.Conn, *http.Response, error) {
	return d.dialAs(sigv4.Credentials{AccessKeyID: keyID, SecretAccessKey: keySecret}, path, query)
}

func (d *desk) dialAs(c sigv4.Credentials, path string, query url.Values) (*websocket.Conn, *http.Response, error) {
	where := "http://berth.test" + path + "?" + query.Encode()
	r := httptest.NewRequest(http.MethodGet, where, nil)
	sigv4.Sign(r, c, region, "ecs", sigv4.EmptyPayload, time.Now())
	return websocket.Dial(d.t.Context(), where, &websocket.DialOptions{HTTPClient: d.client, HTTPHeader: r.Header})
}

func (d *desk) connect(ci *ecs.ContainerInstance, sendCredentials string) *puppet {
	d.t.Helper()
	conn, _, err := d.dial("/acs/ws", url.Values{
		"containerInstanceArn": {ci.ContainerInstanceARN}, "clusterArn": {"agt"}, "agentVersion": {"1.105.1"},
		"sendCredentials": {sendCredentials},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	p := &puppet{t: d.t, conn: conn, in: make(chan acs.Message, 1000)}
	conn.SetReadLimit(acs.MaxFrame)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.in)
		for {
			_, frame, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			m, err := acs.Decode(frame)
			if err != nil {
				d.t.Error(err)
			}
			p.in <- m
		}
	}()
	d.t.Cleanup(func() { conn.CloseNow(); <-read })
	return p
}

func (p *puppet) say(m acs.Message) {
	p.t.Helper()
	frame, err := acs.Encode(m)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, frame); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next message that is no heartbeat. It answers heartbeats.
func (p *puppet) next() acs.Message {
	p.t.Helper()
	for m := range p.in {
		if b, ok := m.(*acs.Heartbeat); ok {
			p.say(&acs.HeartbeatAck{MessageID: b.MessageID})
			continue
		}
		return m
	}
	p.t.Fatal("the session has ended")
	return nil
}

func expect[M acs.Message](p *puppet) M {
	p.t.Helper()
	m := p.next()
	want, ok := m.(M)
	if !ok {
		p.t.Fatalf("got %s %+v, want %T", m.MessageType(), m, want)
	}
	return want
}

// quiet returns the messages other than heartbeats that arrive within d. It answers heartbeats.
func (p *puppet) quiet(d time.Duration) (came []acs.Message) {
	end := time.After(d)
	for {
		select {
		case m, open := <-p.in:
			if b, ok := m.(*acs.Heartbeat); ok {
				p.say(&acs.HeartbeatAck{MessageID: b.MessageID})
			} else if open {
				came = append(came, m)
			} else {
				return came
			}
		case <-end:
			return came
		}
	}
}

func bubble(t *testing.T, change func(*dispatch.Config), test func(*testing.T, *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, change)
		d.run()
		synctest.Wait()
		test(t, d)
	})
}

// Checklist 7, 9, 10 of ecs-agent.md 11.
func TestSessionBeginsWithTheManifest(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		def := d.define(definition("serve", "serve:1"))
		runs, stops := d.place(ci, def, "runs", func(t *ecs.Task) { t.LastStatus = ecs.Running }),
			d.place(ci, def, "stops", nil)
		d.stop(stops)
		p := d.connect(ci, "false")
		m := expect[*acs.TaskManifest](p)
		if len(m.Tasks) != 1 || m.Tasks[0].TaskARN != runs ||
			m.Tasks[0].DesiredStatus != acs.DesiredRunning || m.Timeline < 1 {
			t.Errorf("the manifest is %+v", m)
		}
		stop := expect[*acs.Payload](p)
		if stop.Tasks[0].ARN != stops || stop.Tasks[0].DesiredStatus != acs.DesiredStopped ||
			stop.SeqNum <= m.Timeline {
			t.Errorf("the payload is %+v", stop)
		}
		p.say(&acs.Ack{MessageID: stop.MessageID})
		p.say(&acs.TaskStopVerification{MessageID: m.MessageID, StopCandidates: []acs.TaskIdentifier{
			{TaskARN: "arn:aws:ecs:us-east-1:123456789012:task/agt/unknown"}, {TaskARN: stops}, {TaskARN: runs},
		}})
		ack := expect[*acs.TaskStopVerificationAck](p)
		if ack.MessageID != m.MessageID || len(ack.StopTasks) != 2 {
			t.Errorf("verified: %+v", ack)
		}
		if got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN); !got.AgentConnected ||
			got.AgentVersion != "1.105.1" {
			t.Errorf("the instance is %+v", got)
		}
	})
}

// The sequence numbers of an instance only grow, even over several sessions and restarts (ecs-agent.md 4.3).
func TestNumbersNeverRepeat(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		last := int64(0)
		for range 5 {
			m := expect[*acs.TaskManifest](d.connect(ci, "false"))
			if m.Timeline <= last {
				t.Fatalf("%d after %d", m.Timeline, last)
			}
			last = m.Timeline
		}
	})
}

func TestPayloadIsRepeatedUntilAcknowledgedOrReported(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		def := d.define(definition("serve", "serve:1"))
		p := d.connect(ci, "false")
		expect[*acs.TaskManifest](p)
		silent := d.place(ci, def, "silent", nil)
		// Repetitions end: an agent that never acknowledges the payload does not understand it.
		if came := p.quiet(2 * time.Hour); len(came) != 8 {
			t.Errorf("said %d times", len(came))
		}
		acked := d.place(ci, def, "acked", nil)
		m := expect[*acs.Payload](p)
		if m.Tasks[0].ARN != acked {
			t.Fatalf("payload of %s", m.Tasks[0].ARN)
		}
		p.say(&acs.Ack{MessageID: m.MessageID})
		reported := d.place(ci, def, "reported", nil)
		expect[*acs.Payload](p)
		d.update(func(tx *state.Tx) {
			task, _ := tx.Tasks.Get(reported)
			tx.Tasks.Put(dispatch.Observe(task, def, dispatch.Report{Status: ecs.Running}, time.Now()))
		})
		if came := p.quiet(time.Hour); len(came) != 0 {
			t.Errorf("said again: %+v", came)
		}
		d.stop(silent)
		if m := expect[*acs.Payload](p); m.Tasks[0].ARN != silent || m.Tasks[0].DesiredStatus != acs.DesiredStopped {
			t.Errorf("a stop is sent as %+v", m.Tasks[0])
		}
	})
}

// Targets are deregistered before the stop signal is sent (ecs.md 1.5.1).
func TestStopWaitsAtTheGate(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		arn := d.place(ci, d.define(definition("serve", "serve:1")), "a", func(t *ecs.Task) {
			t.LastStatus = ecs.Running
			t.Targets = []ecs.TaskTarget{{TargetGroupARN: "tg", ID: "i-1", Port: 1}}
		})
		p := d.connect(ci, "false")
		expect[*acs.TaskManifest](p)
		d.stop(arn)
		if came := p.quiet(30 * time.Minute); len(came) != 0 {
			t.Fatalf("sent before it was deregistered: %+v", came[0])
		}
		d.update(func(tx *state.Tx) {
			task, _ := tx.Tasks.Get(arn)
			n := *task
			n.LastStatus, n.Targets = ecs.Stopping, nil
			tx.Tasks.Put(&n)
		})
		if m := expect[*acs.Payload](p); m.Tasks[0].DesiredStatus != acs.DesiredStopped {
			t.Errorf("sent %+v", m.Tasks[0])
		}
	})
}

func TestNewerSessionReplacesOlder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		old := d.connect(ci, "false")
		expect[*acs.TaskManifest](old)
		expect[*acs.TaskManifest](d.connect(ci, "false"))
		for range old.in {
		}
		time.Sleep(time.Minute)
		if got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN); !got.AgentConnected {
			t.Error("the newer session does not count")
		}
	})
}

// An agent that does not answer heartbeats is disconnected, and its instance is lost only after a grace period (ecs.md
// 1.3.2, ecs-agent.md 11.8).
func TestConnectedFollowsTheAgent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		arn := d.place(ci, d.define(definition("serve", "serve:1")), "a",
			func(t *ecs.Task) { t.LastStatus = ecs.Running })
		state := func() (bool, string) {
			got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN)
			return got.AgentConnected, d.task(arn).Connectivity
		}
		p := d.connect(ci, "false")
		beats := 0
		for m := range p.in { // never answered
			if _, ok := m.(*acs.Heartbeat); ok {
				beats++
			}
		}
		if beats != 2 {
			t.Errorf("%d heartbeats before the agent counted as dead", beats)
		}
		if yes, c := state(); !yes || c != "CONNECTED" {
			t.Errorf("at once: %v %s", yes, c)
		}
		time.Sleep(11 * time.Second)
		if yes, c := state(); yes || c != "DISCONNECTED" {
			t.Errorf("after the grace: %v %s", yes, c)
		}
		if d.task(arn).LastStatus != ecs.Running {
			t.Error("a task of a disconnected agent was declared dead")
		}
		p = d.connect(ci, "false")
		if came := p.quiet(time.Hour); len(came) != 1 {
			t.Errorf("came: %+v", came)
		}
		if yes, c := state(); !yes || c != "CONNECTED" {
			t.Errorf("after coming back: %v %s", yes, c)
		}
	})
}

func TestAgentsOfAFormerLifeAreLostAfterAGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ci := d.instance("1")
		d.update(func(tx *state.Tx) {
			n := *ci
			n.AgentConnected = true
			tx.ContainerInstances.Put(&n)
		})
		d.run()
		for after, want := range map[time.Duration]bool{29 * time.Second: true} {
			time.Sleep(after)
			if got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN); got.AgentConnected != want {
				t.Errorf("after %v: %v", after, got.AgentConnected)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN); got.AgentConnected {
			t.Error("it still counts as connected")
		}
	})
}

// An agent gets new credentials before the old ones expire, and all at once if it has none, always with the same id
// (ecs-agent.md 8).
func TestCredentialsAreRenewed(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		d.place(ci, d.define(definition("serve", "serve:1")), "a", func(t *ecs.Task) { t.LastStatus = ecs.Running })
		p := d.connect(ci, "true")
		expect[*acs.TaskManifest](p)
		first := expect[*acs.RoleCredentialsUpdate](p)
		if first.RoleType != acs.RoleTypeTask || first.Credentials.ID != "cred-a" ||
			first.Credentials.RoleARN != "arn:aws:iam::123456789012:role/task" {
			t.Errorf("credentials %+v", first.Credentials)
		}
		began := time.Now()
		second := expect[*acs.RoleCredentialsUpdate](p)
		end, err := time.Parse(time.RFC3339, first.Credentials.Expiration)
		if err != nil || !time.Now().Before(end) || time.Since(began) < time.Hour {
			t.Errorf("renewed after %v of credentials that end at %v (%v)", time.Since(began), end, err)
		}
		if second.Credentials.ID != first.Credentials.ID ||
			second.Credentials.AccessKeyID == first.Credentials.AccessKeyID {
			t.Errorf("renewed as %+v", second.Credentials)
		}
	})
}

// While a task waits on its instance for longer than credentials are valid, none are sent. When it runs, it gets new
// ones.
func TestCredentialsOfATaskThatWaits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		arn := d.place(ci, d.define(definition("serve", "serve:1")), "a", nil)
		p := d.connect(ci, "false")
		expect[*acs.TaskManifest](p)
		sent := expect[*acs.Payload](p)
		p.say(&acs.Ack{MessageID: sent.MessageID})
		if came := p.quiet(8 * time.Hour); len(came) > 0 {
			t.Errorf("while it waited there came %+v", came)
		}
		d.update(func(tx *state.Tx) {
			task, _ := tx.Tasks.Get(arn)
			c := *task
			c.LastStatus = ecs.Running
			tx.Tasks.Put(&c)
		})
		began := time.Now()
		if m := expect[*acs.RoleCredentialsUpdate](p); m.Credentials.ID != "cred-a" || time.Since(began) > time.Second {
			t.Errorf("after %v: %+v", time.Since(began), m.Credentials)
		}
	})
}

// fullDisk is a journal whose appends fail while it is full.
type fullDisk struct {
	*mem.Journal
	full atomic.Bool
}

func (d *fullDisk) Append(ctx context.Context, entries []journal.Entry) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Journal.Append(ctx, entries)
}

// Agents reconnect at once. If the store refuses every change, they must not do so in a busy loop.
func TestSessionOnAFullDiskLastsAMoment(t *testing.T) {
	disk := &fullDisk{Journal: mem.New()}
	var store *state.Store
	bubble(t, func(cfg *dispatch.Config) {
		var err error
		if store, err = state.Open(t.Context(), disk, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		cfg.Store, cfg.Logger = store, slog.New(slog.DiscardHandler)
	}, func(t *testing.T, d *desk) {
		t.Cleanup(func() { store.Close() })
		d.store = store
		ci := d.instance("1")
		disk.full.Store(true)
		began := time.Now()
		p := d.connect(ci, "false")
		for range p.in {
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the session ended after %v", took)
		}
		disk.full.Store(false)
		expect[*acs.TaskManifest](d.connect(ci, "false"))
	})
}

// A task that cannot be sent to any agent ends with the reason, and does not wait without end.
func TestTaskWithAnImpossibleRoleEnds(t *testing.T) {
	bubble(t, func(cfg *dispatch.Config) { cfg.Logger = slog.New(slog.DiscardHandler) }, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		def := definition("serve", "serve:1")
		def.TaskRoleARN = "arn:aws:s3:::bucket"
		arn := d.place(ci, d.define(def), "a", nil)
		expect[*acs.TaskManifest](d.connect(ci, "false"))
		task := d.waitStatus(arn, ecs.Stopped)
		if task.StopCode != ecs.TaskFailedToStart ||
			!strings.Contains(task.StoppedReason, "unable to assume the role") {
			t.Errorf("it ended as %s: %s", task.StopCode, task.StoppedReason)
		}
	})
}

func TestRefusedHandshakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		gone := d.instance("gone")
		d.update(func(tx *state.Tx) {
			n := *gone
			n.Status = ecs.InstanceInactive
			tx.ContainerInstances.Put(&n)
		})
		for arn, want := range map[string]string{
			gone.ContainerInstanceARN: "InactiveInstanceException",
			"arn:aws:ecs:us-east-1:123456789012:container-instance/agt/never": "InvalidInstanceException",
			"arn:aws:ecs:us-east-1:999999999999:container-instance/agt/other": "AccessDeniedException",
			"x": "InvalidInstanceException",
		} {
			for path, name := range map[string]string{
				"/acs/ws": "containerInstanceArn", "/tcs/ws": "containerInstance",
			} {
				_, resp, err := d.dial(path, url.Values{name: {arn}})
				if err == nil {
					t.Errorf("%s for %s was let in", path, arn)
					continue
				}
				body, _ := io.ReadAll(resp.Body)
				var refusal map[string]string
				if json.Unmarshal(body, &refusal) != nil || refusal[want] == "" {
					t.Errorf("%s for %s: %s, want %s", path, arn, body, want)
				}
			}
		}
		resp, err := d.client.Get("http://berth.test/acs/ws?containerInstanceArn=" + gone.ContainerInstanceARN)
		if err != nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("without a signature: %v, %v", resp, err)
		}
		resp.Body.Close()
	})
}

func TestDeregisteredInstanceLosesItsSession(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		p := d.connect(ci, "false")
		expect[*acs.TaskManifest](p)
		d.update(func(tx *state.Tx) {
			n, _ := tx.ContainerInstances.Get(ci.ContainerInstanceARN)
			c := *n
			c.Status, c.AgentConnected = ecs.InstanceInactive, false
			tx.ContainerInstances.Put(&c)
		})
		for range p.in {
		}
	})
}

// Telemetry with header frames, large frames and several parts is accepted, and each has an ack (checklist 17).
func TestTelemetry(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		def := definition("serve", "serve:1")
		def.ContainerDefinitions = append(def.ContainerDefinitions, ecs.ContainerDefinition{Name: "side", Memory: 36})
		arn := d.place(ci, d.define(def), "a", inService("s"))
		tcs := d.reporter(ci)
		ask := func(m acs.Message, secret string) (acs.Message, error) { return tcs.ask(m, secret, time.Now()) }
		metrics := &acs.PublishMetrics{
			Metadata: acs.TelemetryMetadata{Cluster: "agt", ContainerInstance: ci.ContainerInstanceARN,
				MessageID: strings.Repeat("x", 1<<20), Fin: true},
			Tasks: []acs.TaskMetric{{TaskARN: arn, Containers: []acs.ContainerMetric{
				{Name: "web", CPU: &acs.StatsSet{Min: 0, Max: 50, Sum: 100, SampleCount: 4},
					Memory: &acs.StatsSet{Min: 10, Max: 30, Sum: 80, SampleCount: 4}},
				{Name: "side", CPU: &acs.StatsSet{Min: 1, Max: 1, Sum: 3, SampleCount: 3},
					Memory: &acs.StatsSet{Min: 5, Max: 5, Sum: 20, SampleCount: 4}},
			}}, {TaskARN: "somebody else's"}},
		}
		if m, err := ask(metrics, keySecret); err != nil || m.MessageType() != "AckPublishMetric" {
			t.Errorf("metrics are answered with %v, %v", m, err)
		}
		// CPU is in per cent of the instance's 2048 units, memory in MiB, and both are sums of all containers
		// (ecs-agent.md 9.1).
		cpu, memory := <-d.usage, <-d.usage
		if cpu.Member != arn || cpu.Sum/cpu.Count != (25+1)*20.48/.64 || cpu.Max != 51*20.48/.64 || cpu.Weight != 64 ||
			memory.Member != arn || memory.Sum/memory.Count != 25 || memory.Weight != 100 {
			t.Errorf("usage %+v, %+v", cpu, memory)
		}
		health := &acs.PublishHealth{Tasks: []acs.TaskHealth{
			{TaskARN: arn, Containers: []acs.ContainerHealth{{Name: "web", Status: acs.HealthHealthy}}},
		}}
		if m, err := ask(health, keySecret); err != nil || m.MessageType() != "AckPublishHealth" ||
			d.task(arn).HealthStatus != ecs.Healthy {
			t.Errorf("health is answered with %v, %v, and is %s", m, err, d.task(arn).HealthStatus)
		}
		status := &acs.PublishInstanceStatus{
			Statuses: []acs.InstanceStatus{{Type: "ContainerRuntime", Status: acs.InstanceImpaired,
				Reason: "Docker refuses user nobody", LastStatusChange: acs.At(time.Now())}},
		}
		m, err := ask(status, keySecret)
		if got, _ := d.store.View().ContainerInstances.Get(ci.ContainerInstanceARN); err != nil ||
			m.MessageType() != "AckPublishInstanceStatus" || got.RuntimeStatus != "IMPAIRED" ||
			got.RuntimeReason != "Docker refuses user nobody" {
			t.Errorf("status is answered with %v, %v, and is %s", m, err, got.RuntimeStatus)
		}
		if m, err := ask(health, "wrong"); err == nil {
			t.Errorf("a frame with a wrong signature is answered with %v", m)
		}
	})
}
