package dispatch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// session is one ACS connection of a container instance. One goroutine owns it; another one reads.
type session struct {
	d        *Dispatcher
	instance string
	hello    greeting
	log      *slog.Logger
	dirty    chan struct{} // has a token when the session has something to do
	end      context.CancelCauseFunc

	mu      sync.Mutex          // guards changed
	changed map[string]struct{} // ARNs of tasks to look at

	conn      *websocket.Conn
	outbox    *outbox
	due       map[string]time.Time // when to look again at a task that has not changed
	timerAt   time.Time            // when the timer fires; zero if it is not set
	numbers   numbers
	renewals  map[string]renewal // of tasks' credentials
	hosts     []acs.HostEntry    // as last sent to the agent
	toldHosts bool
	manifest  string // message id of the manifest; "" once it is verified
	heard     time.Time
}

func newSession(d *Dispatcher, instance string, h greeting) *session {
	return &session{
		d: d, instance: instance, hello: h, log: d.log.With("containerInstance", instance),
		dirty: make(chan struct{}, 1), outbox: newOutbox(), renewals: map[string]renewal{},
		changed: map[string]struct{}{}, due: map[string]time.Time{},
	}
}

// wake makes the session look at a task that has changed; "" if something else has.
func (s *session) wake(task string) {
	if task != "" {
		s.mu.Lock()
		s.changed[task] = struct{}{}
		s.mu.Unlock()
	}
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// errInactive ends the session of a deregistered instance.
var errInactive = errors.New("the container instance was deregistered")

// errSilent ends the session of an agent that does not answer.
var errSilent = errors.New("the agent does not answer")

// serve runs the session until the connection or ctx ends.
func (s *session) serve(ctx context.Context, conn *websocket.Conn) {
	s.conn = conn
	defer conn.CloseNow()
	err := s.speak(ctx)
	level := slog.LevelInfo
	if ctx.Err() != nil || errors.Is(err, errInactive) || hungUp(err) {
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, "an ACS session has ended", "reason", err)
	if ctx.Err() != nil || errors.Is(err, errInactive) {
		// The agent reconnects at once, to whichever server then serves it.
		conn.Close(websocket.StatusNormalClosure, "")
	}
}

// hungUp reports whether a connection ended because the agent closed it, as it does when it stops
// or reconnects. The loss of an instance shows in its row.
func hungUp(err error) bool {
	code := websocket.CloseStatus(err)
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway
}

func (s *session) speak(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	// The channel has room for what arrives while this goroutine writes: neither end waits for the
	// other to read.
	in, failed := make(chan acs.Message, 64), make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		failed <- s.read(ctx, in)
	}()
	defer func() {
		if _, refused := errors.AsType[*fault.Error](err); refused {
			pause(ctx) // before the agent notices, since it reconnects at once
		}
		cancel()
		<-reading
	}()
	if err := s.greet(ctx); err != nil {
		return err
	}
	heartbeat := time.NewTicker(acs.HeartbeatEvery)
	defer heartbeat.Stop()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	s.wakeAll()
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
			s.wakeDue(timer)
		}
		if err != nil {
			return err
		}
	}
}

// pause returns how long a session lasts whose writes the store refuses, as on a full disk.
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
			s.log.Warn("an ACS frame could not be read", "error", err)
			continue
		}
		select {
		case in <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// greet writes that the agent is connected, and sends the manifest.
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
	s.log.Debug("an agent is connected", "version", s.hello.agentVersion)
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
	for t := range snap.Tasks.By(state.TasksByInstance, s.instance) {
		if t.LastStatus != ecs.Stopped && !t.MayStop() {
			m.Tasks = append(m.Tasks, acs.TaskIdentifier{
				TaskARN: t.TaskARN, ClusterARN: t.ClusterARN, DesiredStatus: acs.DesiredRunning,
			})
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

// handle handles a message of the agent.
func (s *session) handle(ctx context.Context, m acs.Message) error {
	switch m := m.(type) {
	case *acs.Ack:
		s.outbox.acknowledged(m.MessageID)
	case *acs.TaskStopVerification:
		return s.verifyStops(ctx, m)
	case *acs.HeartbeatAck, *acs.RoleCredentialsAck:
		// That they arrived is all that matters; nothing follows from them.
	case *acs.Nack:
		s.log.Warn("the agent refuses a message", "message", m.MessageID, "reason", m.Reason)
	default:
		s.log.Info("an ACS message has no effect", "type", m.MessageType())
	}
	return nil
}

// verifyStops confirms the candidates that are really not wanted (ecs-agent.md 7). A task that was
// placed after the manifest was made is wanted, and is not confirmed.
func (s *session) verifyStops(ctx context.Context, m *acs.TaskStopVerification) error {
	if m.MessageID != s.manifest {
		return nil
	}
	s.manifest = ""
	snap := s.d.store.View()
	out := &acs.TaskStopVerificationAck{
		MessageID: m.MessageID, GeneratedAt: time.Now().UnixMilli(), StopTasks: []acs.TaskIdentifier{},
	}
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

// writeTimeout is how long writing a frame may take.
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
