package dispatch_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// logLines collects the lines of a logger, at all levels.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) about(what string) (levels []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, what) {
			levels = append(levels, regexp.MustCompile(`level=(\w+)`).FindStringSubmatch(line)[1])
		}
	}
	return levels
}

// If an agent ends its sessions itself, for instance because it restarts, nothing is logged at the default level; a
// lost instance has a line of its own. Unexpected ends have a line at INFO.
func TestLevelsOfEndedSessions(t *testing.T) {
	for _, c := range []struct {
		name, acs, tcs string // the level, "" for no line
		end            func(d *desk, acs *puppet, tcs *websocket.Conn)
	}{
		{"closed by the agent", "DEBUG", "DEBUG", func(_ *desk, p *puppet, tcs *websocket.Conn) {
			p.conn.Close(websocket.StatusNormalClosure, "")
			tcs.Close(websocket.StatusGoingAway, "")
		}},
		{"the agent is killed", "DEBUG", "DEBUG", func(_ *desk, p *puppet, tcs *websocket.Conn) {
			p.conn.CloseNow()
			tcs.CloseNow()
		}},
		{"not in the protocol", "INFO", "INFO", func(d *desk, p *puppet, tcs *websocket.Conn) {
			p.conn.Close(websocket.StatusProtocolError, "")
			if err := tcs.Write(d.t.Context(), websocket.MessageText, []byte("no frame")); err != nil {
				d.t.Error(err)
			}
		}},
		{"the agent is silent", "INFO", "", func(*desk, *puppet, *websocket.Conn) {
			time.Sleep(10 * acs.HeartbeatEvery)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := &logLines{}
			logger := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
			bubble(t, func(cfg *dispatch.Config) { cfg.Logger = logger }, func(t *testing.T, d *desk) {
				ci := d.instance("1")
				p := d.connect(ci, "true")
				tcs := d.telemetry(ci)
				synctest.Wait()
				c.end(d, p, tcs)
				synctest.Wait()
				expectLevel(t, lines, "an ACS session has ended", c.acs)
				expectLevel(t, lines, "a TCS session has ended", c.tcs)
			})
		})
	}
}

func (d *desk) telemetry(ci *ecs.ContainerInstance) *websocket.Conn {
	d.t.Helper()
	conn, _, err := d.dial("/tcs/ws", url.Values{
		"containerInstance": {ci.ContainerInstanceARN}, "cluster": {"agt"},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func expectLevel(t *testing.T, lines *logLines, what, want string) {
	t.Helper()
	if got := strings.Join(lines.about(what), " "); got != want {
		t.Errorf("%q is logged at %q, want %q", what, got, want)
	}
}

// A panic ends the session in which it happens, and its connection. The agent can connect again.
func TestAPanicEndsOneSession(t *testing.T) {
	lines := &logLines{}
	var calm atomic.Bool
	bubble(t, func(cfg *dispatch.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(lines, nil))
		cfg.Hosts = func(*state.Tables) []acs.HostEntry {
			if !calm.Swap(true) {
				panic("no hosts")
			}
			return nil
		}
	}, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		d.place(ci, d.define(definition("serve", "serve:1")), "runs", nil)
		for range d.connect(ci, "true").in {
			continue // until the connection ends
		}
		synctest.Wait()
		expectLevel(t, lines, "an agent's session failed", "ERROR")
		expect[*acs.TaskManifest](d.connect(ci, "true"))
	})
}
