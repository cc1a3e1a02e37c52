package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

const (
	testCluster  = "arn:aws:ecs:us-east-1:123456789012:cluster/agt"
	testInstance = "arn:aws:ecs:us-east-1:123456789012:container-instance/agt/0123456789abcdef0123456789abcdef"
)

func taskARN(id string) string { return "arn:aws:ecs:us-east-1:123456789012:task/agt/" + id }

// plane is a small control plane that stores what it receives.
type plane struct {
	t      testing.TB
	server *httptest.Server

	mu      sync.Mutex
	changed *sync.Cond
	calls   []call
	acs     *websocket.Conn
	acsURL  []string
	onACS   []acs.Message
	onTCS   []acs.Message
	answer  map[string]func(body []byte) (int, any)
	logs    map[string][]logEvent // by stream
}

// logEvent is an event of CloudWatch Logs.
type logEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

type call struct {
	Action string
	Body   json.RawMessage
}

func newPlane(t testing.TB) *plane {
	p := &plane{t: t, answer: map[string]func([]byte) (int, any){}, logs: map[string][]logEvent{}}
	p.answer["PutLogEvents"], p.answer["GetLogEvents"] = p.putLogEvents, p.getLogEvents
	p.changed = sync.NewCond(&p.mu)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", p.api)
	mux.HandleFunc("GET /acs/ws", p.serveACS)
	mux.HandleFunc("GET /tcs/ws", p.serveTCS)
	p.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

func (p *plane) api(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	p.calls = append(p.calls, call{action, body})
	answer := p.answer[action]
	p.changed.Broadcast()
	p.mu.Unlock()
	status, out := http.StatusOK, any(map[string]string{})
	switch {
	case answer != nil:
		status, out = answer(body)
	case action == "RegisterContainerInstance":
		out = map[string]any{"containerInstance": map[string]any{"containerInstanceArn": testInstance}}
	case action == "DiscoverPollEndpoint":
		out = map[string]string{"endpoint": p.server.URL + "/acs", "telemetryEndpoint": p.server.URL + "/tcs"}
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

func (p *plane) serveACS(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.acs, p.acsURL = conn, append(p.acsURL, r.URL.String())
	p.changed.Broadcast()
	p.mu.Unlock()
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		m, err := acs.Decode(frame)
		p.mu.Lock()
		if err != nil {
			p.t.Errorf("ACS frame %s: %v", frame, err)
		}
		p.onACS = append(p.onACS, m)
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

func (p *plane) serveTCS(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(acs.MaxFrame)
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		headers, body, err := acs.SplitTelemetryFrame(frame)
		if err != nil || len(headers["Authorization"]) == 0 {
			p.t.Errorf("TCS frame %s: %v", frame, err)
			return
		}
		m, err := acs.Decode(body)
		if err != nil {
			p.t.Errorf("TCS frame %s: %v", body, err)
			return
		}
		p.mu.Lock()
		p.onTCS = append(p.onTCS, m)
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

// send sends a message to the agent when it is connected.
func (p *plane) send(m acs.Message) {
	p.t.Helper()
	p.wait("the ACS session", func() bool { return p.acs != nil })
	frame, err := acs.Encode(m)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	conn := p.acs
	p.mu.Unlock()
	if err := conn.Write(p.t.Context(), websocket.MessageText, frame); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plane) run(seq int64, tasks ...acs.Task) {
	p.t.Helper()
	p.send(&acs.Payload{
		MessageID: newID(), ClusterARN: testCluster, ContainerInstanceARN: testInstance, SeqNum: seq, Tasks: tasks,
	})
}

// wait waits until a condition is true, at most until the test's own deadline.
func (p *plane) wait(for_ string, what func() bool) {
	p.t.Helper()
	stop := context.AfterFunc(p.t.Context(), func() { p.changed.Broadcast() })
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !what() {
		if p.t.Context().Err() != nil {
			p.t.Fatalf("the test ended while waiting for %s", for_)
		}
		p.changed.Wait()
	}
}

// reportsLocked returns the state changes of a task so far. The caller holds p.mu.
func (p *plane) reportsLocked(arn string) []engine.Report {
	var out []engine.Report
	for _, c := range p.calls {
		if c.Action != "SubmitTaskStateChange" {
			continue
		}
		var r engine.Report
		if err := json.Unmarshal(c.Body, &r); err != nil {
			p.t.Errorf("report %s: %v", c.Body, err)
		}
		if r.Task == arn {
			out = append(out, r)
		}
	}
	return out
}

// waitFor returns the first report of the task with that status.
func (p *plane) waitFor(arn, status string) engine.Report {
	p.t.Helper()
	var found engine.Report
	p.wait(status+" of "+arn, func() bool {
		for _, r := range p.reportsLocked(arn) {
			if r.Status == status {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// config returns the configuration of an agent of this control plane.
func (p *plane) config(dir string) Config {
	c, err := NewConfig([]string{
		"ECS_CLUSTER=agt", "ECS_BACKEND_HOST=" + p.server.URL, "AWS_DEFAULT_REGION=us-east-1", "ECS_DATADIR=" + dir,
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE0000000AB", "AWS_SECRET_ACCESS_KEY=secretsecret",
		"ECS_IMAGE_PULL_BEHAVIOR=prefer-cached", "ECS_CONTAINER_STOP_TIMEOUT=5s",
		"BERTH_CPU=4096", "BERTH_MEMORY=4096", "BERTH_AVAILABILITY_ZONE=us-east-1a",
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// startAgent runs an agent until stop is called or the test ends.
func startAgent(t testing.TB, cfg Config, rt runtime.Runtime, around Surroundings) (stop func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := RunOn(ctx, cfg, rt, around, log); !errors.Is(err, context.Canceled) {
			t.Errorf("the agent ended: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

type logCall struct {
	Group     string     `json:"logGroupName"`
	Stream    string     `json:"logStreamName"`
	LogEvents []logEvent `json:"logEvents"`
	Limit     int        `json:"limit"`
}

func (p *plane) putLogEvents(body []byte) (int, any) {
	var in logCall
	if err := json.Unmarshal(body, &in); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs[in.Stream] = append(p.logs[in.Stream], in.LogEvents...)
	p.changed.Broadcast()
	return http.StatusOK, map[string]string{}
}

func (p *plane) getLogEvents(body []byte) (int, any) {
	var in logCall
	if err := json.Unmarshal(body, &in); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.logs[in.Stream]
	return http.StatusOK, map[string]any{"events": events[max(0, len(events)-in.Limit):]}
}
