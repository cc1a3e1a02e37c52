package socketio_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// A message over the limit ends the session on every transport, and client and server give the same reasons as with the
// official server. A client with default options may or may not have changed its transport by then, so either result is
// accepted.
func TestOfficialClientSendsTooMuch(t *testing.T) {
	const limit = 1000
	reasons := make(chan string, 100)
	opt := socketio.Options{}
	opt.Engine.MaxPayload = limit
	ours := testenv.StartNode(t, "client.mjs", "http://"+serve(t, closingServerWith(opt, reasons)))
	official, addr := officialServer(t, fmt.Sprintf(`{"maxHttpBufferSize":%d}`, limit))
	theirs := testenv.StartNode(t, "client.mjs", "http://"+addr)
	see := func(client *testenv.Node, options map[string]any, size int) string {
		var all []visited
		client.Ask(&all, map[string]any{
			"do": "visits", "count": 1, "options": options, "args": []any{"echo", strings.Repeat("x", size)},
		})
		return fmt.Sprint(all[0].Reasons, all[0].Error, len(all[0].Events), " ")
	}
	for _, size := range []int{limit + 1, 2_000_000} {
		both := make(map[string]bool)
		for name, options := range map[string]map[string]any{
			"polling": transports("polling"), "websocket": transports("websocket"),
		} {
			want := see(theirs, options, size)
			var server []string
			for len(server) == 0 {
				official.Ask(&server, map[string]any{"do": "reasons"})
			}
			want += server[0]
			both[want] = true
			if got := see(ours, options, size) + <-reasons; got != want {
				t.Errorf("%s, %d bytes: %s, beside Node.js %s", name, size, got, want)
			}
		}
		for range 5 {
			if got := see(ours, nil, size) + <-reasons; !both[got] {
				t.Errorf("default, %d bytes: %s", size, got)
			}
		}
	}
}
