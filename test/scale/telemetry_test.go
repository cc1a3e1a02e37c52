package scale

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/test/harness"
)

// mostForTelemetry is how much of one processor's time the telemetry of 3,500 tasks may take.
const mostForTelemetry = 0.03

// BenchmarkTelemetry takes the telemetry of 3,500 tasks of 20 services on 100 agents, as Amazon's agent sends it: every
// 20 seconds, ten tasks in a frame, each frame signed. The frames of five minutes are sent at once. What is printed
// is the share of one processor that they would take if they came in their time.
func BenchmarkTelemetry(b *testing.B) {
	const agents, services, tasks, spans = 100, 20, 3500, 15
	w := newWorld(b, agents)
	d := w.define("t", 0)
	for i := range services {
		w.service(fmt.Sprint("s", i), d, nil)
		w.update(fmt.Sprint("s", i), harness.Object{"desiredCount": tasks / services})
	}
	w.awaitRunning(b, d, tasks)
	conns := make([]*websocket.Conn, agents)
	for i, a := range w.agents {
		var err error
		if conns[i], err = a.dialTelemetry(b.Context()); err != nil {
			b.Fatal(err)
		}
		defer conns[i].CloseNow()
	}
	took := w.measure(func() {
		var sending errgroup.Group
		sending.SetLimit(parallel)
		for i, a := range w.agents {
			sending.Go(func() error { return a.telemetry(b.Context(), conns[i], spans) })
		}
		if err := sending.Wait(); err != nil {
			b.Fatal(err)
		}
	})
	share := took.Seconds() / (spans * acs.PublishEvery.Seconds())
	b.ReportMetric(100*share, "%-of-a-core")
	b.ReportMetric(float64(took.Microseconds())/(spans*tasks), "us/task")
	if share > mostForTelemetry {
		b.Errorf("the telemetry of %d tasks takes %.1f %% of a processor, more than %.0f %%", tasks, 100*share,
			100*mostForTelemetry)
	}
}

// telemetryURL is where the agent opens its telemetry session.
func (a *agent) telemetryURL() string {
	return a.fleet.server.URL() + "/tcs/ws?" + url.Values{
		"cluster": {"c"}, "containerInstance": {a.arn}, "agentVersion": {"1.105.1"}, "agentHash": {"00000000"},
	}.Encode()
}

var testKey = sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}

func (a *agent) dialTelemetry(ctx context.Context) (*websocket.Conn, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.telemetryURL(), nil)
	if err != nil {
		return nil, err
	}
	sigv4.Sign(r, testKey, a.fleet.server.Region, "ecs", sigv4.EmptyPayload, time.Now())
	conn, _, err := websocket.Dial(ctx, a.telemetryURL(), &websocket.DialOptions{
		HTTPHeader: r.Header, CompressionMode: websocket.CompressionDisabled,
	})
	return conn, err
}

// telemetry sends what the agent's tasks use in some spans of time, and waits for the server to acknowledge it. The
// tasks run, and the agent is sent nothing else in the meantime.
func (a *agent) telemetry(ctx context.Context, conn *websocket.Conn, spans int) error {
	handshake, err := http.NewRequestWithContext(ctx, http.MethodGet, a.telemetryURL(), nil)
	if err != nil {
		return err
	}
	arns := slices.Sorted(maps.Keys(a.tasks))
	for span := range spans {
		for part := range slices.Chunk(arns, acs.MaxTasksPerReport) {
			m := &acs.PublishMetrics{
				Timestamp: acs.At(time.Now()), Metadata: acs.TelemetryMetadata{
					Cluster: "c", ContainerInstance: a.arn, MessageID: fmt.Sprint(span),
					Fin: part[len(part)-1] == arns[len(arns)-1],
				},
			}
			for i, arn := range part {
				m.Tasks = append(m.Tasks, usage(arn, float64(span+i)))
			}
			if err := a.say(ctx, conn, handshake, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// say sends a signed frame and reads the answer.
func (a *agent) say(ctx context.Context, conn *websocket.Conn, handshake *http.Request, m acs.Message) error {
	body, err := acs.Encode(m)
	if err != nil {
		return err
	}
	head := sigv4.SignFrame(handshake, testKey, a.fleet.server.Region, "ecs", body, time.Now())
	if err := conn.Write(ctx, websocket.MessageText, acs.JoinTelemetryFrame(head, body)); err != nil {
		return err
	}
	_, answer, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	got, err := acs.Decode(answer)
	if err == nil && got.MessageType() != "AckPublishMetric" {
		err = fmt.Errorf("telemetry is answered with %s", answer)
	}
	return err
}

// usage is the measurement of a task with everything that Amazon's agent reports of a container with a network and a
// disk.
func usage(task string, v float64) acs.TaskMetric {
	set := func() *acs.StatsSet {
		s := &acs.StatsSet{}
		for i := range 20 {
			s.Add(v / 7 * float64(i))
		}
		return s
	}
	counter := func() *acs.CounterSet {
		s := &acs.CounterSet{}
		for i := range 20 {
			s.Add(int64(v*1e6) * int64(i))
		}
		return s
	}
	return acs.TaskMetric{TaskARN: task, Family: "t", Version: "1", Containers: []acs.ContainerMetric{{
		Name: "main", CPU: set(), Memory: set(),
		Network: &acs.NetworkStats{
			RxBytes: counter(), RxPackets: counter(), RxDropped: counter(), RxErrors: counter(), TxBytes: counter(),
			TxPackets: counter(), TxDropped: counter(), TxErrors: counter(), RxBytesPerSecond: set(),
			TxBytesPerSecond: set(),
		},
		Storage: &acs.StorageStats{ReadSizeBytes: counter(), WriteSizeBytes: counter()},
	}}}
}
