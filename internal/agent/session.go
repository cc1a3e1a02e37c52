package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
)

// session keeps the ACS connection: it receives assignments and sends acknowledgements.
type session struct {
	cfg     *Config
	control *control
	signer  awscall.Signer
	client  *http.Client
	handler *handler
	log     *slog.Logger

	heartbeat     func() // called for each; TCS then reports the runtime's health
	dockerVersion func() string
}

// steadyAfter is how long a connection must have lasted so that the back-off starts afresh (ecs-agent.md 4.4).
const steadyAfter = 60 * time.Second

// expired is the agent's reason when it replaces a connection.
const expired = "ConnectionExpired: Reconnect to continue"

// longestWait is the longest pause between attempts to reach the control plane. Amazon's agent waits up to two
// minutes, so that thousands of agents do not reach a recovering region at the same time. Here there are few,
// often on the same machine, and people who restart the control plane want to see its instances soon
// (ecs-agent.md 4.4).
const longestWait = 5 * time.Second

// noLonger limits a back-off to longestWait.
func noLonger(b acs.Backoff) acs.Backoff {
	b.Most = min(b.Most, longestWait)
	return b
}

// run keeps a connection until ctx ends.
func (s *session) run(ctx context.Context) error {
	wait, failures, first := noLonger(acs.SessionBackoff()), 0, true
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := s.once(ctx, first)
		if ctx.Err() != nil {
			break
		}
		first = first && !connected
		pause := time.Duration(0)
		switch {
		case errors.Is(err, errInactive):
			pause = acs.InactiveWait
		case connected && acs.ReconnectAtOnce(closeCode(err)):
			failures = 0
		default:
			if connected && time.Since(began) >= steadyAfter {
				failures = 0
			}
			pause = wait.Wait(failures, rand.Float64())
			failures++
		}
		s.log.Info("the ACS session ended", "error", err, "again", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return context.Cause(ctx)
}

// once is one connection from handshake to end.
func (s *session) once(ctx context.Context, first bool) (connected bool, err error) {
	ends, err := s.control.discover(ctx, s.handler.containerInstance)
	if err != nil {
		return false, err
	}
	where := socketURL(ends.Endpoint, map[string]string{
		"clusterArn": s.cfg.Cluster, "containerInstanceArn": s.handler.containerInstance,
		"agentVersion": Version, "agentHash": Hash, "dockerVersion": "DockerVersion: " + s.dockerVersion(),
		"seqNum": "1", "protocolVersion": "2", "sendCredentials": strconv.FormatBool(first),
	})
	sock, err := dial(ctx, where, s.signer, s.client)
	if err != nil {
		return false, err
	}
	s.log.Info("connected to ACS", "endpoint", ends.Endpoint)
	return true, s.serve(ctx, sock)
}

// serve handles messages, one after another, until the connection ends, is silent or is too old.
func (s *session) serve(ctx context.Context, sock *socket) error {
	defer sock.conn.CloseNow()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	silence := acs.Jittered(acs.SilenceLimit, acs.SilenceJitter, rand.Float64())
	age := acs.Jittered(acs.ConnectionAge, acs.ConnectionAgeJitter, rand.Float64())
	go func() {
		defer close(ended)
		if sock.outlive(ctx, silence, age) {
			sock.conn.Close(websocket.StatusNormalClosure, expired)
		}
		sock.conn.CloseNow() // without a close frame, as Amazon's agent does
	}()
	for {
		m, err := sock.read(ctx, func(err error) { s.log.Warn("an ACS frame cannot be read", "error", err) })
		if err != nil {
			return err
		}
		if _, ok := m.(*acs.Heartbeat); ok {
			s.heartbeat()
		}
		for _, answer := range s.handler.handle(m) {
			if err := sock.write(ctx, answer); err != nil {
				return err
			}
		}
	}
}
