package dispatch_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/action/cloudwatch"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// tcs is an agent's end of a telemetry session.
type tcs struct {
	t         *testing.T
	conn      *websocket.Conn
	handshake *http.Request
	instance  string
	batches   int
}

func (d *desk) reporter(ci *ecs.ContainerInstance) *tcs {
	d.t.Helper()
	conn := d.telemetry(ci)
	query := url.Values{"containerInstance": {ci.ContainerInstanceARN}, "cluster": {"agt"}}
	handshake := httptest.NewRequest(http.MethodGet, "http://berth.test/tcs/ws?"+query.Encode(), nil)
	return &tcs{t: d.t, conn: conn, handshake: handshake, instance: ci.ContainerInstanceARN}
}

// ask sends a message that is signed at a time, and returns the answer.
func (c *tcs) ask(m acs.Message, secret string, sent time.Time) (acs.Message, error) {
	body, err := acs.Encode(m)
	if err != nil {
		c.t.Fatal(err)
	}
	headers := sigv4.SignFrame(c.handshake, sigv4.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, region,
		"ecs", body, sent)
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, acs.JoinTelemetryFrame(headers, body)); err != nil {
		c.t.Fatal(err)
	}
	_, answer, err := c.conn.Read(c.t.Context())
	if err != nil {
		return nil, err
	}
	return acs.Decode(answer)
}

// say sends a batch of measurements, made at a time and sent now by the agent's clock, in messages of a few tasks.
func (c *tcs) say(at time.Time, tasks ...acs.TaskMetric) {
	c.t.Helper()
	c.batches++
	for first := true; first || len(tasks) > 0; first = false {
		n := min(len(tasks), 2)
		m := &acs.PublishMetrics{Timestamp: acs.At(at), Tasks: tasks[:n], Metadata: acs.TelemetryMetadata{
			Cluster: "agt", ContainerInstance: c.instance, MessageID: fmt.Sprint(c.batches), Fin: n == len(tasks),
		}}
		tasks = tasks[n:]
		if answer, err := c.ask(m, keySecret, time.Now()); err != nil ||
			answer.MessageType() != "AckPublishMetric" {
			c.t.Fatalf("metrics are answered with %v, %v", answer, err)
		}
	}
}

// used is what a task with one container used: CPU in per cent of the instance, memory in MiB.
func used(task string, cpu, memory float64) acs.TaskMetric {
	set := func(v float64) *acs.StatsSet { return &acs.StatsSet{Min: v, Max: v, Sum: 20 * v, SampleCount: 20} }
	return acs.TaskMetric{TaskARN: task, Containers: []acs.ContainerMetric{
		{Name: "web", CPU: set(cpu), Memory: set(memory)},
	}}
}

// inService makes a task one that runs for a service.
func inService(name string) func(*ecs.Task) {
	return func(t *ecs.Task) {
		t.ServiceARN, t.LastStatus = ecs.ARN(region, account, ecs.TypeService, "agt/"+name), ecs.Running
	}
}

// metered is a desk whose measurements are stored, and CloudWatch, which shows them.
type metered struct {
	*desk
	feed  *feed.Feed
	watch http.Handler
}

// inMinutes runs a test that begins at the start of a minute.
func inMinutes(t *testing.T, test func(m *metered)) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		points, err := meter.Open(t.TempDir(), meter.Limits{}, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { points.Close(time.Now()) })
		m := &metered{feed: feed.New(points, time.Now, log)}
		m.desk = newDesk(t, func(cfg *dispatch.Config) {
			cfg.Feed = m.feed
			if m.watch, err = awswire.NewHandler(awswire.Config{Verifier: cfg.Verifier.(*sigv4.Verifier), Logger: log},
				cloudwatch.Service(cfg.Store, points)); err != nil {
				t.Fatal(err)
			}
		})
		m.run()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); m.feed.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-ended })
		synctest.Wait()
		test(m)
	})
}

// statistics is a data point as GetMetricStatistics answers it.
type statistics struct {
	Timestamp                                   float64
	SampleCount, Sum, Average, Minimum, Maximum float64
	Unit                                        string
}

// points asks for a metric of the last hour by the minute. dimensions are names and values.
func (m *metered) points(namespace, metric string, dimensions ...string) (out []statistics) {
	m.t.Helper()
	in := map[string]any{
		"Namespace": namespace, "MetricName": metric, "Period": 60,
		"StartTime": time.Now().Add(-time.Hour).Unix(), "EndTime": time.Now().Add(time.Minute).Unix(),
		"Statistics": []string{"SampleCount", "Sum", "Average", "Minimum", "Maximum"},
	}
	var dims []map[string]string
	for i := 0; i < len(dimensions); i += 2 {
		dims = append(dims, map[string]string{"Name": dimensions[i], "Value": dimensions[i+1]})
	}
	in["Dimensions"] = dims
	body, err := json.Marshal(in)
	if err != nil {
		m.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://berth.test/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricStatistics")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: keyID, SecretAccessKey: keySecret}, region, "monitoring",
		sigv4.HashPayload(body), time.Now())
	w := httptest.NewRecorder()
	m.watch.ServeHTTP(w, r)
	var answer struct{ Datapoints []statistics }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		m.t.Fatalf("GetMetricStatistics answers %d %s", w.Code, w.Body)
	}
	return answer.Datapoints
}

// expectPoint checks the only point of a metric, which is in per cent unless want has another unit.
func (m *metered) expectPoint(want statistics, namespace, metric string, dimensions ...string) {
	m.t.Helper()
	got := m.points(namespace, metric, dimensions...)
	if len(got) != 1 || got[0].Unit != cmp.Or(want.Unit, "Percent") {
		m.t.Errorf("%s of %v has %+v, want one point", metric, dimensions, got)
		return
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
	p := got[0]
	if p.SampleCount != want.SampleCount || !near(p.Average, want.Average) || !near(p.Minimum, want.Minimum) ||
		!near(p.Maximum, want.Maximum) || !near(p.Sum, want.Average*want.SampleCount) {
		m.t.Errorf("%s of %v is %+v, want %+v", metric, dimensions, p, want)
	}
}

// ecs.md 7.8 and ecs-agent.md 9.1, at the wire: what tasks use in per cent of what they have reserved; one sample for
// each RUNNING task; one point a minute; no point when nothing runs.
func TestUtilization(t *testing.T) {
	inMinutes(t, func(m *metered) {
		start := time.Now()
		one, two := m.instance("1"), m.instance("2") // 2048 units and 4096 MiB each
		def := definition("web", "web:1")
		def.ContainerDefinitions[0].CPU, def.ContainerDefinitions[0].Memory = 512, 256
		m.define(def)
		a, b := m.place(one, def, "a", inService("web")), m.place(one, def, "b", inService("web"))
		c := m.place(two, def, "c", inService("web"))
		starting := m.place(two, def, "starting", func(t *ecs.Task) {
			inService("web")(t)
			t.LastStatus = ecs.Pending
		})
		alone := m.place(two, def, "alone", func(t *ecs.Task) { t.LastStatus = ecs.Running })
		first, second := m.reporter(one), m.reporter(two)
		for range 3 {
			// 2048 of 512 units are 400 %.
			first.say(time.Now(), used(a, 100, 64), used(b, 25, 128))
			second.say(time.Now(), used(c, 50, 256), used(starting, 10, 512), used(alone, 20, 512))
			time.Sleep(acs.PublishEvery)
		}
		synctest.Wait()
		service := []string{"ClusterName", "agt", "ServiceName", "web"}
		m.expectPoint(statistics{SampleCount: 3, Average: 100 * 175 * 20.48 / (3 * 512), Minimum: 100, Maximum: 400},
			"AWS/ECS", "CPUUtilization", service...)
		m.expectPoint(statistics{SampleCount: 3, Average: 100 * 448. / 768, Minimum: 25, Maximum: 100},
			"AWS/ECS", "MemoryUtilization", service...)
		cluster := []string{"ClusterName", "agt"}
		m.expectPoint(statistics{SampleCount: 2, Average: (125 + 80) / 2., Minimum: 80, Maximum: 125},
			"AWS/ECS", "CPUUtilization", cluster...)
		m.expectPoint(statistics{SampleCount: 2, Average: 100 * (192 + 1280) / 8192., Minimum: 100 * 192 / 4096.,
			Maximum: 100 * 1280 / 4096.}, "AWS/ECS", "MemoryUtilization", cluster...)
		reserved := 100 * 5 * 512 / 4096.
		m.expectPoint(statistics{SampleCount: 1, Average: reserved, Minimum: reserved, Maximum: reserved},
			"AWS/ECS", "CPUReservation", cluster...)
		reserved = 100 * 5 * 256 / 8192.
		m.expectPoint(statistics{SampleCount: 1, Average: reserved, Minimum: reserved, Maximum: reserved},
			"AWS/ECS", "MemoryReservation", cluster...)
		if p := m.points("AWS/ECS", "CPUUtilization", service...); p[0].Timestamp != float64(start.Unix()) {
			t.Errorf("the point is of %v, want the start of its minute, %v", p[0].Timestamp, start.Unix())
		}

		// The service ends: no point follows, though agents go on reporting that they are idle.
		for _, arn := range []string{a, b, c, starting, alone} {
			m.stop(arn)
			m.update(func(tx *state.Tx) { tx.Tasks.Delete(arn) })
		}
		first.say(time.Now(), used(a, 100, 64)) // it comes too late
		second.say(time.Now())
		time.Sleep(2 * time.Minute)
		for _, of := range [][]string{service, cluster} {
			if p := m.points("AWS/ECS", "CPUUtilization", of...); len(p) != 1 {
				t.Errorf("%v has points after its last task: %+v", of, p)
			}
		}
		if p := m.points("AWS/ECS", "CPUReservation", cluster...); len(p) != 1 {
			t.Errorf("an empty cluster has points: %+v", p)
		}
		if d := m.feed.Dropped(); d[gather.Unknown] != 1 {
			t.Errorf("dropped %v, want the task that is not there any more", d)
		}
	})
}

// AWS's own example of ecs.md 7.8: 18432 units and 33926 MiB, ten tasks of 1024 and 2048.
func TestReservation(t *testing.T) {
	inMinutes(t, func(m *metered) {
		register := func(id, status string, cpu, memory int) *ecs.ContainerInstance {
			ci := &ecs.ContainerInstance{
				ContainerInstanceARN: ecs.ARN(region, account, ecs.TypeContainerInstance, "agt/"+id),
				ClusterARN:           clusterARN, Status: status, Registered: ecs.Resources{CPU: cpu, Memory: memory},
			}
			m.update(func(tx *state.Tx) { tx.ContainerInstances.Put(ci) })
			return ci
		}
		ci := register("1", ecs.InstanceActive, 10000, 30000)
		register("2", ecs.InstanceDraining, 8432, 3926)
		register("3", ecs.InstanceInactive, 5000, 5000)
		def := definition("web", "web:1")
		def.ContainerDefinitions[0].CPU, def.ContainerDefinitions[0].Memory = 1024, 4096
		def.ContainerDefinitions[0].MemoryReservation = 2048
		m.define(def)
		for i := range 10 {
			m.place(ci, def, fmt.Sprint("t", i), inService("web"))
		}
		m.reporter(ci).say(time.Now(), used(ecs.ARN(region, account, ecs.TypeTask, "agt/t0"), 0, 0))
		time.Sleep(time.Minute)
		synctest.Wait()
		for metric, want := range map[string]float64{
			"CPUReservation": 100 * 10240 / 18432., "MemoryReservation": 100 * 20480 / 33926.,
		} {
			m.expectPoint(statistics{SampleCount: 1, Average: want, Minimum: want, Maximum: want},
				"AWS/ECS", metric, "ClusterName", "agt")
		}
	})
}

// An instance's CPU is what its containers use of its vCPUs; a group's is that of its instances, each of which
// counts the same.
func TestInstanceCPU(t *testing.T) {
	inMinutes(t, func(m *metered) {
		def := m.define(definition("web", "web:1"))
		for i, units := range []int{1024, 4096, 2048} {
			ci := &ecs.ContainerInstance{
				ContainerInstanceARN: ecs.ARN(region, account, ecs.TypeContainerInstance, fmt.Sprint("agt/", i)),
				ClusterARN:           clusterARN, Status: ecs.InstanceActive, EC2InstanceID: fmt.Sprint("i-", i),
				Registered: ecs.Resources{CPU: units, Memory: 1024},
			}
			in := &fleet.Instance{ID: ci.EC2InstanceID, Region: region, Account: account, State: fleet.Running}
			if i < 2 {
				in.Scaling = fleet.Membership{Group: "asg", Lifecycle: fleet.LifecycleInService}
			}
			m.update(func(tx *state.Tx) { tx.ContainerInstances.Put(ci); tx.Instances.Put(in) })
			task := m.place(ci, def, ci.EC2InstanceID, func(t *ecs.Task) { t.LastStatus = ecs.Running })
			agent := m.reporter(ci)
			agent.say(time.Now(), used(task, float64(10+40*i), 1))
			agent.say(time.Now(), used(task, float64(20+40*i), 1))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, want := range []float64{15, 55, 95} {
			m.expectPoint(statistics{SampleCount: 1, Average: want, Minimum: want, Maximum: want},
				"AWS/EC2", "CPUUtilization", "InstanceId", fmt.Sprint("i-", i))
		}
		m.expectPoint(statistics{SampleCount: 2, Average: 35, Minimum: 15, Maximum: 55},
			"AWS/EC2", "CPUUtilization", "AutoScalingGroupName", "asg")
	})
}

// An instance's traffic is the bytes that its tasks have moved in the minute; a group's is the average of its
// instances. An instance without tasks has moved none. If the agent reports no traffic of the tasks, as in network mode
// host, neither the instance nor its group has a point: the average of the others would be that of the idle ones.
func TestInstanceNetwork(t *testing.T) {
	inMinutes(t, func(m *metered) {
		def := m.define(definition("web", "web:1"))
		instance := func(i int, group string, rate float64, tasks ...string) {
			ci := m.instance(fmt.Sprint(i))
			in := &fleet.Instance{ID: fmt.Sprint("i-", i), Region: region, Account: account, State: fleet.Running,
				Scaling: fleet.Membership{Group: group, Lifecycle: fleet.LifecycleInService}}
			m.update(func(tx *state.Tx) {
				c := *ci
				c.EC2InstanceID = in.ID
				tx.ContainerInstances.Put(&c)
				tx.Instances.Put(in)
			})
			var reported []acs.TaskMetric
			for _, name := range tasks {
				u := used(m.place(ci, def, name, func(t *ecs.Task) { t.LastStatus = ecs.Running }), 1, 1)
				if rate > 0 {
					u.Containers[0].Network = &acs.NetworkStats{
						RxBytesPerSecond: &acs.StatsSet{Min: 0, Max: 2 * rate, Sum: 4 * rate, SampleCount: 4},
						TxBytesPerSecond: &acs.StatsSet{Min: 1, Max: 1, Sum: 4, SampleCount: 4},
					}
				}
				reported = append(reported, u)
			}
			agent := m.reporter(ci)
			agent.say(time.Now(), reported...)
			agent.say(time.Now(), reported...)
		}
		instance(0, "asg", 1000, "a", "b")
		instance(1, "asg", 2000, "c", "d")
		instance(2, "asg", 0)
		instance(3, "host", 0, "e", "f")
		instance(4, "host", 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		bytes := func(count, least, average, most float64) statistics {
			return statistics{SampleCount: count, Average: average, Minimum: least, Maximum: most, Unit: "Bytes"}
		}
		m.expectPoint(bytes(1, 120_000, 120_000, 120_000), "AWS/EC2", "NetworkIn", "InstanceId", "i-0")
		m.expectPoint(bytes(1, 240_000, 240_000, 240_000), "AWS/EC2", "NetworkIn", "InstanceId", "i-1")
		m.expectPoint(bytes(1, 0, 0, 0), "AWS/EC2", "NetworkIn", "InstanceId", "i-2")
		m.expectPoint(bytes(1, 0, 0, 0), "AWS/EC2", "NetworkIn", "InstanceId", "i-4")
		m.expectPoint(bytes(3, 0, 120_000, 240_000), "AWS/EC2", "NetworkIn", "AutoScalingGroupName", "asg")
		m.expectPoint(bytes(3, 0, 80, 120), "AWS/EC2", "NetworkOut", "AutoScalingGroupName", "asg")
		for _, d := range [][2]string{{"InstanceId", "i-3"}, {"AutoScalingGroupName", "host"}} {
			if got := m.points("AWS/EC2", "NetworkIn", d[0], d[1]); len(got) != 0 {
				t.Errorf("%s, whose traffic is not known, has %+v", d[1], got)
			}
		}
	})
}

// An agent's clock may be wrong; a report that it has kept for minutes is late.
func TestReportsOfOtherTimes(t *testing.T) {
	inMinutes(t, func(m *metered) {
		ci := m.instance("1")
		task := m.place(ci, m.define(definition("web", "web:1")), "a", inService("web"))
		agent := m.reporter(ci)
		time.Sleep(30 * time.Second)
		wrong := time.Now().Add(-10 * time.Minute) // what the agent takes for now
		send := func(made time.Time, cpu float64) {
			agent.batches++
			answer, err := agent.ask(&acs.PublishMetrics{
				Timestamp: acs.At(made), Tasks: []acs.TaskMetric{used(task, cpu, 1)},
				Metadata: acs.TelemetryMetadata{MessageID: fmt.Sprint(agent.batches), Fin: true},
			}, keySecret, wrong)
			if err != nil || answer.MessageType() != "AckPublishMetric" {
				t.Fatalf("answered %v, %v", answer, err)
			}
		}
		send(wrong.Add(-4*time.Minute), 80) // kept while there was no connection
		send(wrong.Add(-20*time.Second), 1)
		send(wrong, 3)
		send(wrong.Add(5*time.Second), 5) // X-Amz-Date has whole seconds
		time.Sleep(30 * time.Second)
		synctest.Wait()
		want := 3 * 20.48 / 64 * 100
		m.expectPoint(statistics{SampleCount: 1, Average: want, Minimum: want / 3, Maximum: want / 3 * 5},
			"AWS/ECS", "CPUUtilization", "ClusterName", "agt", "ServiceName", "web")
		if d := m.feed.Dropped(); d[gather.Late] == 0 {
			t.Errorf("dropped %v, want late ones", d)
		}
	})
}

// For any report of an agent, only possible values are stored, and the others are counted.
func TestOddReports(t *testing.T) {
	inMinutes(t, func(m *metered) {
		ci, other := m.instance("1"), m.instance("2")
		def := m.define(definition("web", "web:1"))
		task := m.place(ci, def, "a", inService("web"))
		foreign := m.place(other, def, "b", inService("web"))
		good, odd := used(task, 10, 32), func(s acs.StatsSet) acs.TaskMetric {
			return acs.TaskMetric{TaskARN: task, Containers: []acs.ContainerMetric{{Name: "web", CPU: &s, Memory: &s}}}
		}
		agent := m.reporter(ci)
		expectDropped := func(what string, why gather.Reason, n uint64, tasks ...acs.TaskMetric) {
			t.Helper()
			before := m.feed.Dropped()[why]
			agent.say(time.Now(), tasks...)
			if got := m.feed.Dropped()[why] - before; got != n {
				t.Errorf("%s: %d are dropped as %v, want %d", what, got, why, n)
			}
		}
		expectDropped("nothing", gather.Invalid, 0, good)
		expectDropped("a task of another instance", gather.Unknown, 1, used(foreign, 10, 32))
		expectDropped("no task", gather.Unknown, 1, used("arn:aws:ecs:us-east-1:123456789012:task/agt/none", 10, 32))
		expectDropped("the same task twice", gather.Invalid, 2, good, good, good)
		twice := used(task, 10, 32)
		twice.Containers = append(twice.Containers, twice.Containers[0])
		expectDropped("the same container twice", gather.Unknown, 1, twice)
		expectDropped("negative", gather.Invalid, 2, odd(acs.StatsSet{Min: -5, Max: 5, Sum: 20, SampleCount: 20}))
		expectDropped("too many", gather.Invalid, 2,
			odd(acs.StatsSet{Min: 1, Max: 1, Sum: math.MaxInt32 * 2, SampleCount: math.MaxInt32 * 2}))
		expectDropped("no such average", gather.Invalid, 2, odd(acs.StatsSet{Min: 1, Max: 2, Sum: 100, SampleCount: 2}))
		expectDropped("huge", gather.Invalid, 2,
			odd(acs.StatsSet{Min: 1e300, Max: 1e300, Sum: 1e300, SampleCount: 1}))
		expectDropped("nothing was measured yet", gather.Invalid, 0, odd(acs.StatsSet{}))
		time.Sleep(time.Minute)
		synctest.Wait()
		cpu, memory := 10*20.48/64*100, 50.0
		service := []string{"ClusterName", "agt", "ServiceName", "web"}
		m.expectPoint(statistics{SampleCount: 1, Average: cpu, Minimum: cpu, Maximum: cpu},
			"AWS/ECS", "CPUUtilization", service...)
		m.expectPoint(statistics{SampleCount: 1, Average: memory, Minimum: memory, Maximum: memory},
			"AWS/ECS", "MemoryUtilization", service...)
	})
}

// stuck is a meter that takes nothing until it is closed.
type stuck struct {
	open    chan struct{}
	waiting atomic.Int32
	points  atomic.Int32
}

func (s *stuck) Put(_ time.Time, data []meter.Datum) error {
	s.waiting.Add(1)
	<-s.open
	s.points.Add(int32(len(data)))
	return nil
}

func (s *stuck) Tick(time.Time) error { return errors.New("the disk is full") }

// A slow meter holds up no agent, and what waits for it is bounded.
func TestSlowMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &stuck{open: make(chan struct{})}
		var lines logLines
		f := feed.New(slow, time.Now, slog.New(slog.NewTextHandler(&lines, nil)))
		d := newDesk(t, func(cfg *dispatch.Config) { cfg.Feed = f })
		d.run()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); f.Run(ctx) }()
		synctest.Wait()
		ci := d.instance("1")
		task := d.place(ci, d.define(definition("web", "web:1")), "a", inService("web"))
		agent := d.reporter(ci)
		for range 10 {
			began := time.Now()
			agent.say(began, used(task, 1, 1))
			if took := time.Since(began); took > 0 {
				t.Fatalf("the agent waited %v for an answer", took)
			}
			time.Sleep(time.Minute)
		}
		if n := slow.waiting.Load(); n != 1 {
			t.Errorf("%d writers wait for the meter", n)
		}
		// Six metrics: of the first minute, which waits, and of the last three.
		if n := f.Dropped()[gather.TooMany]; n != 6*6 {
			t.Errorf("%d were dropped, want those of six minutes", n)
		}
		close(slow.open)
		cancel()
		<-ended
		if n := slow.points.Load(); n != 6*4 {
			t.Errorf("%d points were stored", n)
		}
		if told := lines.about("could not be stored"); len(told) != 2 || told[0] != "ERROR" {
			t.Errorf("the log has %q", told)
		}
	})
}

// Telemetry that an unmodified Amazon ECS agent 1.105.1 has sent becomes metrics: an idle report, and four of
// a task that is busy after a while. The last one is the example of ecs-agent.md 9.1: 470 units, which are
// 367 % of 128.
func TestAmazonAgentsTelemetry(t *testing.T) {
	recorded, err := os.ReadFile("testdata/amazon-telemetry.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	inMinutes(t, func(m *metered) {
		ci := m.instance("0123456789abcdef0123456789abcdef") // of 2048 units
		def := definition("agt-hello", "hello:1")
		def.ContainerDefinitions[0].CPU, def.ContainerDefinitions[0].Memory = 128, 64
		m.place(ci, m.define(def), strings.Repeat("1", 32), inService("hello"))
		agent := m.reporter(ci)
		var values []float64
		for line := range strings.Lines(string(recorded)) {
			report, err := acs.Decode([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := agent.ask(report, keySecret, time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			got := m.points("AWS/ECS", "CPUUtilization", "ClusterName", "agt", "ServiceName", "hello")
			if len(got) > len(values) {
				values = append(values, got[len(got)-1].Average)
			}
		}
		if len(values) != 4 || values[0] > 1 || math.Abs(values[3]-367) > 0.5 {
			t.Errorf("the points are %v, want four, the last 367", values)
		}
		if d := m.feed.Dropped(); d != [gather.Reasons]uint64{} {
			t.Errorf("dropped %v", d)
		}
	})
}
