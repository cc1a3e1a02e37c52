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

// errInactive means that the control plane says that this instance was deregistered.
var errInactive = errors.New(acs.InactiveInstance)

// socket is a WebSocket to the control plane.
type socket struct {
	conn      *websocket.Conn
	handshake *http.Request
	signer    awscall.Signer
	heard     atomic.Int64 // when the last known message came, in nanoseconds since 1970
}

func encode(query map[string]string) string {
	values := url.Values{}
	for k, v := range query {
		values.Set(k, v)
	}
	return values.Encode()
}

// dial opens a signed WebSocket.
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

// refusedAsInactive parses a refusal: {"NAME":"text"} or {"type":"NAME",…} (ecs-agent.md 4.1).
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

// read waits for the next message that can be decoded; it passes errors of others to bad.
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

// writeTimeout is the longest time for writing a frame.
const writeTimeout = 10 * time.Second

func (s *socket) write(ctx context.Context, m acs.Message) error {
	frame, err := acs.Encode(m)
	if err != nil {
		return err
	}
	return s.writeFrame(ctx, frame)
}

// writeSigned writes a telemetry frame, which is signed itself.
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

// silence returns how long ago the last known message came.
func (s *socket) silence() time.Duration { return time.Since(time.Unix(0, s.heard.Load())) }

// outlive returns when the peer has been silent for silence, or when ctx or the connection's time has ended;
// aged means the connection's time.
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

// closeCode returns the close code with which a session ended; a lost connection is 1006.
func closeCode(err error) int {
	if code := websocket.CloseStatus(err); code != -1 {
		return int(code)
	}
	return int(websocket.StatusAbnormalClosure)
}
