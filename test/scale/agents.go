// Package scale measures how the server's processor time grows. Simulated agents act as thousands of container
// instances: they use the ECS agent's protocol, and every task that they get runs at once and stops at once. Each
// figure is a ratio of two sizes in the same run, so that it means the same on a busy machine and on a fast one.
package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/test/harness"
)

// fleet is a number of simulated agents of one server.
type fleet struct {
	server *harness.Server
	agents []*agent
	http   *http.Client // for calls of the API
	web    *http.Server // answers for every task
	ctx    context.Context
	group  *errgroup.Group

	mu      sync.Mutex
	moved   *sync.Cond
	running map[string]int // tasks by the family and revision of their definition
	live    int            // tasks of all definitions
	stopped int            // tasks that were reported STOPPED
	failed  error
}

// agent is one simulated container instance. The goroutine of its session uses its fields, except for arn
// and address, which never change, and live.
type agent struct {
	fleet   *fleet
	arn     string
	address netip.Addr
	port    int              // the last host port that was given to a container
	tasks   map[string]*task // by ARN
	live    int              // tasks that run; guarded by fleet.mu
}

// task is one that runs on a simulated instance.
type task struct {
	definition string
	listener   net.Listener  // of its published port, or nil
	reported   chan struct{} // closed when the server has accepted the report that it runs
}

// resources of every simulated instance: room for 1,000 tasks of 16 CPU units and 16 MiB.
const instanceCPU, instanceMemory = 16000, 16000

// firstPort is the first host port that an agent gives to a container. It is below the ports that Linux
// gives to connections, since sessions are opened from the same addresses.
const firstPort = 10000

// join registers n agents with a cluster and connects them. They end with the test.
func join(b *testing.B, s *harness.Server, cluster string, n int) *fleet {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	group, ctx := errgroup.WithContext(ctx)
	f := &fleet{
		server: s, ctx: ctx, group: group, running: map[string]int{},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: parallel}},
		web:  &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})},
	}
	f.moved = sync.NewCond(&f.mu)
	b.Cleanup(func() {
		cancel()
		f.web.Close()
		_ = group.Wait() // the sessions end with an error because their context has ended
	})
	var joining errgroup.Group
	joining.SetLimit(parallel)
	f.agents = make([]*agent, n)
	for i := range f.agents {
		joining.Go(func() error { return f.join(i, cluster) })
	}
	if err := joining.Wait(); err != nil {
		b.Fatal(err)
	}
	return f
}

// parallel is how many calls the agents make at the same time.
const parallel = 32

func (f *fleet) join(i int, cluster string) error {
	a := &agent{
		fleet: f, port: firstPort - 1, tasks: map[string]*task{},
		address: netip.AddrFrom4([4]byte{127, 60, byte(i / 250), byte(i%250 + 1)}),
	}
	resource := func(name string, n int) harness.Object {
		return harness.Object{"name": name, "type": "INTEGER", "integerValue": n}
	}
	var out struct {
		ContainerInstance struct {
			ContainerInstanceARN string `json:"containerInstanceArn"`
		} `json:"containerInstance"`
	}
	err := f.call("RegisterContainerInstance", harness.Object{
		"cluster": cluster, "clientToken": fmt.Sprint("agent-", i),
		"totalResources": harness.List{resource("CPU", instanceCPU), resource("MEMORY", instanceMemory)},
		"attributes": harness.List{
			harness.Object{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
			harness.Object{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.19"},
			harness.Object{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.21"},
		},
		"versionInfo": harness.Object{"agentVersion": "1.105.1", "agentHash": "00000000"},
	}, &out)
	if err != nil {
		return err
	}
	a.arn = out.ContainerInstance.ContainerInstanceARN
	conn, err := a.dial(cluster)
	if err != nil {
		return err
	}
	f.agents[i] = a
	f.group.Go(func() error {
		err := a.serve(conn)
		conn.CloseNow()
		if f.ctx.Err() == nil && !errors.Is(err, errGone) {
			f.fail(fmt.Errorf("agent %s: %w", a.arn, err))
		}
		return nil
	})
	return nil
}

// call calls an action of ECS. Unlike the calls of harness.Server it keeps many connections.
func (f *fleet) call(action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		answer, err := f.send(action, body)
		switch {
		case err == nil && out == nil:
			return nil
		case err == nil:
			return json.Unmarshal(answer, out)
		case try == mostTries || errors.Is(err, errRefused):
			return fmt.Errorf("%s: %w", action, err)
		}
	}
}

// mostTries is how often a call is made whose connection broke, as an agent would do.
const mostTries = 5

// errRefused is an answer other than 200.
var errRefused = errors.New("refused")

func (f *fleet) send(action string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(f.ctx, http.MethodPost, f.server.URL()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+action)
	f.server.Sign(r, "ecs", body)
	resp, err := f.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s: %s", errRefused, resp.Status, answer)
	}
	return answer, err
}

// dial opens the agent's session, from its own loopback address, which becomes the instance's.
func (a *agent) dial(cluster string) (*websocket.Conn, error) {
	query := url.Values{
		"clusterArn": {cluster}, "containerInstanceArn": {a.arn}, "agentVersion": {"1.105.1"},
		"agentHash": {"00000000"}, "dockerVersion": {"DockerVersion: 28.0.0"}, "seqNum": {"1"},
		"protocolVersion": {"2"}, "sendCredentials": {"true"},
	}
	where := a.fleet.server.URL() + "/acs/ws?" + query.Encode()
	r, err := http.NewRequestWithContext(a.fleet.ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"},
		a.fleet.server.Region, "ecs", sigv4.HashPayload(nil), time.Now())
	from := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.address, 0))}
	client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
	conn, _, err := websocket.Dial(a.fleet.ctx, where, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: r.Header, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("agent %s: %w", a.arn, err)
	}
	conn.SetReadLimit(acs.MaxFrame)
	return conn, nil
}

// errGone ends the session of an agent that was deregistered.
var errGone = errors.New("the container instance was deregistered")

// serve carries out messages until the session ends.
func (a *agent) serve(conn *websocket.Conn) error {
	for {
		_, frame, err := conn.Read(a.fleet.ctx)
		if websocket.CloseStatus(err) != -1 || errors.Is(err, io.EOF) {
			return errGone
		}
		if err != nil {
			return err
		}
		m, err := acs.Decode(frame)
		if err != nil {
			return err
		}
		var answer acs.Message
		switch m := m.(type) {
		case *acs.Heartbeat:
			answer = &acs.HeartbeatAck{MessageID: m.MessageID}
		case *acs.Payload:
			answer = &acs.Ack{MessageID: m.MessageID, Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN}
			a.take(m)
		case *acs.TaskManifest:
			answer = &acs.Ack{MessageID: m.MessageID, Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN}
		default:
			continue
		}
		frame, err = acs.Encode(answer)
		if err != nil {
			return err
		}
		if err := conn.Write(a.fleet.ctx, websocket.MessageText, frame); err != nil {
			return err
		}
	}
}

// take runs and stops tasks, and reports each one.
func (a *agent) take(m *acs.Payload) {
	for _, t := range m.Tasks {
		var err error
		if t.DesiredStatus == acs.DesiredStopped {
			err = a.stop(t)
		} else {
			err = a.start(t)
		}
		if err != nil {
			a.fleet.fail(err)
		}
	}
}

func (a *agent) start(t acs.Task) error {
	if a.tasks[t.ARN] != nil {
		return nil
	}
	run := &task{definition: t.Family + ":" + t.Version, reported: make(chan struct{})}
	a.tasks[t.ARN] = run
	var containers harness.List
	for _, c := range t.Containers {
		report := harness.Object{"containerName": c.Name, "status": "RUNNING", "runtimeId": "simulated"}
		if len(c.PortMappings) > 0 {
			a.port++
			l, err := net.Listen("tcp", netip.AddrPortFrom(a.address, uint16(a.port)).String())
			if err != nil {
				return err
			}
			run.listener = l
			go a.fleet.web.Serve(l) // ends when the listener is closed
			report["networkBindings"] = harness.List{harness.Object{
				"bindIP": "0.0.0.0", "protocol": "tcp", "hostPort": a.port,
				"containerPort": c.PortMappings[0].ContainerPort,
			}}
		}
		containers = append(containers, report)
	}
	// The session must not wait for the call.
	a.fleet.group.Go(func() error {
		defer close(run.reported)
		in := harness.Object{"containers": containers}
		a.fleet.report(t, "RUNNING", in, func(f *fleet) {
			f.running[run.definition]++
			f.live++
			a.live++
		})
		return nil
	})
	return nil
}

func (a *agent) stop(t acs.Task) error {
	run := a.tasks[t.ARN]
	if run == nil {
		return nil
	}
	delete(a.tasks, t.ARN)
	if run.listener != nil {
		run.listener.Close()
	}
	a.fleet.group.Go(func() error {
		<-run.reported
		a.fleet.report(t, "STOPPED", harness.Object{}, func(f *fleet) {
			f.running[run.definition]--
			f.live--
			a.live--
			f.stopped++
		})
		return nil
	})
	return nil
}

// report sends the new status of a task. When the server has taken it, count is called with f.mu held.
func (f *fleet) report(t acs.Task, status string, in harness.Object, count func(*fleet)) {
	in["cluster"], in["task"], in["status"], in["reason"] = t.ClusterARN, t.ARN, status, ""
	if err := f.call("SubmitTaskStateChange", in, nil); err != nil {
		f.fail(err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	count(f)
	f.moved.Broadcast()
}

func (f *fleet) fail(err error) {
	if f.ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = errors.Join(f.failed, err)
	f.moved.Broadcast()
}

// await waits until done is true for the tasks that the agents have reported.
func (f *fleet) await(b *testing.B, what string, done func() bool) {
	b.Helper()
	late := time.AfterFunc(5*time.Minute, func() { f.fail(fmt.Errorf("five minutes are over: %s", what)) })
	defer late.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.failed == nil && !done() {
		f.moved.Wait()
	}
	if f.failed != nil {
		b.Fatalf("%s: %d tasks run, %d have stopped: %v", what, f.live, f.stopped, f.failed)
	}
}

// awaitRunning waits until n tasks of the given definition run, and no others.
func (f *fleet) awaitRunning(b *testing.B, definition string, n int) {
	b.Helper()
	f.await(b, fmt.Sprintf("%d tasks of %s run", n, definition), func() bool {
		return f.live == n && f.running[definition] == n
	})
}
