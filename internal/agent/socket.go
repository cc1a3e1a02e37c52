package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
)

// errInactive means that the control plane says this instance was deregistered.
var errInactive = errors.New(acs.InactiveInstance)

// socket is one websocket to the control plane.
type socket struct {
	conn      *websocket.Conn
	handshake *http.Request
	signer    awscall.Signer
	heard     atomic.Int64 // when the last recognised message came, UnixNano
}

func encode(query map[string]string) string {
	values := url.Values{}
	for k, v := range query {
		values.Set(k, v)
	}
	return values.Encode()
}

// dial opens a signed websocket.
func dial(ctx context.Context, where string, signer awscall.Signer, client *http.Client) (*socket, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	signer.Sign(r, nil)
	conn, resp, err := websocket.Dial(ctx, where, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: r.Header, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if resp != nil && refusedAsInactive(resp) {
			return nil, fmt.Errorf("%w: %w", errInactive, err)
		}
		return nil, err
	}
	conn.SetReadLimit(acs.MaxFrame)
	s := &socket{conn: conn, handshake: r, signer: signer}
	s.heard.Store(time.Now().UnixNano())
	return s, nil
}

// refusedAsInactive reads a refusal: {"NAME":"text"} or {"type":"NAME",…} (ecs-agent.md 4.1).
func refusedAsInactive(resp *http.Response) bool {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return false
	}
	var refusal map[string]any
	if json.Unmarshal(body, &refusal) != nil {
		return false
	}
	_, named := refusal[acs.InactiveInstance]
	return named || refusal["type"] == acs.InactiveInstance || refusal["__type"] == acs.InactiveInstance
}

// read waits for the next message that can be read; what cannot is given to bad.
func (s *socket) read(ctx context.Context, bad func(error)) (acs.Message, error) {
	for {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		m, err := acs.Decode(frame)
		if err != nil {
			bad(err)
			continue
		}
		if _, unknown := m.(*acs.Unknown); !unknown {
			s.heard.Store(time.Now().UnixNano())
		}
		return m, nil
	}
}

// writeTimeout is how long a frame may take to leave.
const writeTimeout = 10 * time.Second

func (s *socket) write(ctx context.Context, m acs.Message) error {
	frame, err := acs.Encode(m)
	if err != nil {
		return err
	}
	return s.writeFrame(ctx, frame)
}

// writeSigned writes a telemetry frame, which is signed by itself.
func (s *socket) writeSigned(ctx context.Context, m acs.Message) error {
	body, err := acs.Encode(m)
	if err != nil {
		return err
	}
	return s.writeFrame(ctx, acs.JoinTelemetryFrame(s.signer.SignFrame(s.handshake, body), body))
}

func (s *socket) writeFrame(ctx context.Context, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, frame)
}

// silence is how long nothing recognised has come.
func (s *socket) silence() time.Duration { return time.Since(time.Unix(0, s.heard.Load())) }

// outlive returns once the peer has been silent for silence, or ctx or the
// connection's time is over; aged tells which of the last two.
func (s *socket) outlive(ctx context.Context, silence, age time.Duration) (aged bool) {
	old := time.After(age)
	for {
		left := silence - s.silence()
		if left <= 0 {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-old:
			return true
		case <-time.After(left):
		}
	}
}

// closeCode is the websocket close code a session ended with; a loss of the
// connection is 1006.
func closeCode(err error) int {
	if code := websocket.CloseStatus(err); code != -1 {
		return int(code)
	}
	return int(websocket.StatusAbnormalClosure)
}
