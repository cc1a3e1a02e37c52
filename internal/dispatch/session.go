package dispatch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// session is one ACS connection of a container instance. One goroutine owns all of
// it; a second one reads.
type session struct {
	d        *Dispatcher
	instance string
	hello    greeting
	log      *slog.Logger
	dirty    chan struct{} // token: state may want something else
	end      context.CancelCauseFunc

	conn      *websocket.Conn
	outbox    *outbox
	numbers   numbers
	renewals  map[string]renewal // of tasks' credentials
	hosts     []acs.HostEntry    // as the agent was last sent them
	toldHosts bool
	manifest  string // message id of the manifest, "" once verified
	heard     time.Time
}

func newSession(d *Dispatcher, instance string, h greeting) *session {
	return &session{
		d: d, instance: instance, hello: h, log: d.log.With("containerInstance", instance), dirty: make(chan struct{}, 1),
		outbox: newOutbox(), renewals: map[string]renewal{},
	}
}

func (s *session) wake() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// errInactive ends the session of an instance that was deregistered.
var errInactive = errors.New("the container instance was deregistered")

// errSilent ends the session of an agent that answers nothing.
var errSilent = errors.New("the agent does not answer")

// serve speaks with the agent until the connection or ctx ends.
func (s *session) serve(ctx context.Context, conn *websocket.Conn) {
	s.conn = conn
	err := s.speak(ctx)
	s.log.Info("an ACS session has ended", "reason", err)
	if ctx.Err() != nil || errors.Is(err, errInactive) {
		// The agent comes back at once, to whoever serves it then.
		conn.Close(websocket.StatusNormalClosure, "")
	}
	conn.CloseNow()
}

func (s *session) speak(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	// With room for what comes while we write: neither end waits for the other to read.
	in, failed := make(chan acs.Message, 64), make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		failed <- s.read(ctx, in)
	}()
	defer func() {
		if _, refused := errors.AsType[*fault.Error](err); refused {
			pause(ctx) // before the agent notices: it comes back at once
		}
		cancel()
		<-reading
	}()
	if err := s.greet(ctx); err != nil {
		return err
	}
	heartbeat := time.NewTicker(acs.HeartbeatEvery)
	defer heartbeat.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err = <-failed:
			return err
		case m := <-in:
			s.heard = time.Now()
			err = s.handle(ctx, m)
		case <-heartbeat.C:
			err = s.beat(ctx)
		case <-s.dirty:
			err = s.tell(ctx, timer)
		case <-timer.C:
			err = s.tell(ctx, timer)
		}
		if err != nil {
			return err
		}
	}
}

// pause is how long a session lasts that the store refuses to serve, as on a full disk.
func pause(ctx context.Context) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}

func (s *session) read(ctx context.Context, in chan<- acs.Message) error {
	for {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		m, err := acs.Decode(frame)
		if err != nil {
			s.log.Warn("an ACS frame cannot be read", "error", err)
			continue
		}
		select {
		case in <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// greet writes down that the agent is here and sends the manifest.
func (s *session) greet(ctx context.Context) error {
	s.heard = time.Now()
	err := s.d.setConnected(ctx, s.instance, true, func(ci *ecs.ContainerInstance) {
		ci.AgentVersion, ci.AgentHash, ci.DockerVersion = s.hello.agentVersion, s.hello.agentHash, s.hello.dockerVersion
		if ci.Address == "" && s.hello.from.IsValid() {
			ci.Address = s.hello.from.String()
		}
	})
	if err != nil {
		return err
	}
	s.log.Info("an agent is connected", "version", s.hello.agentVersion)
	return s.sendManifest(ctx)
}

func (s *session) sendManifest(ctx context.Context) error {
	snap := s.d.store.View()
	ci, ok := snap.ContainerInstances.Get(s.instance)
	if !ok || !ci.Present() {
		return errInactive
	}
	number, err := s.number(ctx)
	if err != nil {
		return err
	}
	m := &acs.TaskManifest{
		MessageID: messageID(), ClusterARN: ci.ClusterARN, ContainerInstanceARN: ci.ContainerInstanceARN,
		GeneratedAt: time.Now().UnixMilli(), Timeline: number, Tasks: []acs.TaskIdentifier{},
	}
	for t := range snap.Tasks.By(state.ByInstance, s.instance) {
		if t.LastStatus != ecs.Stopped && !t.MayStop() {
			m.Tasks = append(m.Tasks, acs.TaskIdentifier{TaskARN: t.TaskARN, ClusterARN: t.ClusterARN, DesiredStatus: acs.DesiredRunning})
		}
	}
	s.manifest = m.MessageID
	return s.write(ctx, m)
}

func (s *session) beat(ctx context.Context) error {
	if time.Since(s.heard) >= acs.HeartbeatLost {
		return errSilent
	}
	return s.write(ctx, &acs.Heartbeat{Healthy: true, MessageID: messageID()})
}

// handle takes in a message of the agent.
func (s *session) handle(ctx context.Context, m acs.Message) error {
	switch m := m.(type) {
	case *acs.Ack:
		s.outbox.acknowledged(m.MessageID)
	case *acs.TaskStopVerification:
		return s.verifyStops(ctx, m)
	case *acs.HeartbeatAck, *acs.RoleCredentialsAck:
		// That it came at all is what it says.
	case *acs.Nack:
		s.log.Warn("the agent refuses a message", "message", m.MessageID, "reason", m.Reason)
	default:
		s.log.Info("an ACS message has no effect", "type", m.MessageType())
	}
	return nil
}

// verifyStops confirms those candidates that are really not wanted (ecs-agent.md 7).
// A task that was placed after the manifest was made is wanted, and is spared.
func (s *session) verifyStops(ctx context.Context, m *acs.TaskStopVerification) error {
	if m.MessageID != s.manifest {
		return nil
	}
	s.manifest = ""
	snap := s.d.store.View()
	out := &acs.TaskStopVerificationAck{MessageID: m.MessageID, GeneratedAt: time.Now().UnixMilli(), StopTasks: []acs.TaskIdentifier{}}
	for _, c := range m.StopCandidates {
		t, ok := snap.Tasks.Get(c.TaskARN)
		if ok && t.ContainerInstanceARN == s.instance && t.LastStatus != ecs.Stopped && !t.MayStop() {
			continue
		}
		c.DesiredStatus = acs.DesiredStopped
		out.StopTasks = append(out.StopTasks, c)
	}
	return s.write(ctx, out)
}

// writeTimeout is how long a frame may take to leave.
const writeTimeout = 10 * time.Second

func (s *session) write(ctx context.Context, m acs.Message) error {
	frame, err := acs.Encode(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, frame)
}

func messageID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
