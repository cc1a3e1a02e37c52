package socketio_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// A page in a real browser uses the client that the server serves. It begins with long-polling and changes to a
// WebSocket without losing an event. Binary data arrives over both, in events and in acknowledgements.
func TestChromium(t *testing.T) {
	for name, c := range map[string]struct{ options, transport string }{
		"upgrade": {`{}`, "websocket"}, "websocket": {`{transports:["websocket"]}`, "websocket"},
		"polling": {`{transports:["polling"]}`, "polling"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := socketio.New(socketio.Options{})
			ns := srv.Of("/")
			const early = 50
			ns.OnConnect(func(s *socketio.Socket) {
				for i := range early {
					_ = s.Emit("n", i, bytes.Repeat([]byte{byte(i)}, 1000))
				}
			})
			upgraded := make(chan string, 1)
			ns.OnUpgrade(func(s *socketio.Socket) { upgraded <- s.Transport() })
			ns.On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
			ns.On("sum", func(_ *socketio.Socket, e *socketio.Event) {
				var b []byte
				_ = e.Args.Decode(0, &b)
				_ = e.Ack(len(b), bytes.Repeat([]byte{7}, 3))
			})
			b := openPage(t, srv, c.options)
			b.Do("until", "js", `socket.connected && seen.length >= 50`)
			b.Do("until", "js", `socket.io.engine.transport.name === "`+c.transport+`"`)
			if name == "upgrade" {
				if got := <-upgraded; got != "websocket" {
					t.Error(got)
				}
			}
			b.Eval(nil, `void socket.emit("echo", new Uint8Array([1, 2, 255]).buffer, {deep: [new `+
				`Uint8Array([9])], text: "été"}, new Blob([new Uint8Array([5])]))`)
			b.Do("until", "js", `seen.length >= 51`)
			var seen []string
			b.Eval(&seen, `seen`)
			for i, got := range seen[:early] {
				if want := `["n",` + strconv.Itoa(i) + `,"1000 bytes of ` + strconv.Itoa(i) + `"]`; got != want {
					t.Fatalf("event %d is %s", i, got)
				}
			}
			if got := seen[early]; got != `["echo","3 bytes of 1",{"deep":["1 bytes of `+
				`9"],"text":"été"},"1 bytes of 5"]` {
				t.Fatal(got)
			}
			var answer string
			b.Eval(&answer, `new Promise((done) => socket.emit("sum", new Uint8Array(200000), (n, x) => `+
				`done(plain([n, x]))))`)
			if answer != `[200000,"3 bytes of 7"]` {
				t.Fatal(answer)
			}
			args, err := ns.Sockets()[0].EmitWithAck(t.Context(), "question", []byte{1, 2, 3})
			var back []byte
			if err != nil || args.Decode(0, &back) != nil || !bytes.Equal(back, []byte{1, 2, 3}) {
				t.Fatal(back, err)
			}
		})
	}
}

// openPage opens a page that connects. The page keeps what it receives as texts in the variable seen.
func openPage(t *testing.T, srv *socketio.Server, options string) *testenv.Browser {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><script src="/socket.io/socket.io.js"></script><script>
			const plain = (v) => JSON.stringify(v, (_, x) =>
				x instanceof ArrayBuffer ? x.byteLength + " bytes of " + new Uint8Array(x)[0] : x);
			const seen = [], socket = io(`+options+`);
			socket.onAny((...args) => {
				const ack = typeof args.at(-1) === "function" ? args.pop() : null;
				if (ack) ack(args[1]); else seen.push(plain(args));
			});
		</script>`)
	})
	ts := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		ts.CloseClientConnections()
		ts.Close()
	})
	b := testenv.StartBrowser(t)
	b.Do("goto", "url", ts.URL)
	return b
}
