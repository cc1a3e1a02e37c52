package socketio_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// held is a server whose handler of "work" blocks at the first event until the test releases it.
type held struct {
	io      *socketio.Server
	addr    string
	hold    chan struct{}
	once    sync.Once
	done    chan int // how many events were handled when "end" came
	gone    chan socketio.Reason
	handled int
}

func (h *held) letGo() { h.once.Do(func() { close(h.hold) }) }

// fast has frequent heartbeats. The tests of package engineio show how long a client stays connected whose pongs are
// not read.
var fast = engineio.Options{PingInterval: 20 * time.Millisecond, PingTimeout: time.Minute}

// manyPings is how many pings a test waits for to see that they go on.
const manyPings = 20

func serveHeld(t *testing.T, opt socketio.Options) *held {
	h := &held{io: socketio.New(opt), hold: make(chan struct{}), done: make(chan int, 1),
		gone: make(chan socketio.Reason, 10)}
	ns := h.io.Of("/")
	ns.On("work", socketio.Typed(func(_ *socketio.Socket, n int) {
		<-h.hold
		if n != h.handled {
			t.Errorf("event %d came as number %d", n, h.handled)
		}
		h.handled++
	}))
	ns.On("end", func(*socketio.Socket, *socketio.Event) { h.done <- h.handled })
	ns.OnDisconnect(func(_ *socketio.Socket, why socketio.Reason) { h.gone <- why })
	h.addr = serve(t, h.io)
	t.Cleanup(h.letGo)
	return h
}

// A client that sends faster than a slow handler works is not disconnected; TCP stops it from sending. It gets pings
// although its pongs are not read. When the handler continues, it gets every event once and in order.
func TestSlowHandlerHoldsItsClientBack(t *testing.T) {
	const events, size = 20_000, 2_000 // 40 MB, more than the kernel keeps for one connection
	h := serveHeld(t, socketio.Options{Engine: fast, MaxPending: 100})
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	br := bufio.NewReader(c)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	var written atomic.Int64
	sent := make(chan error, 1)
	go func() {
		frame := lean.AppendFrame(nil, wsframe.Text, []byte("40"))
		_, err := c.Write(frame)
		for i := 0; i < events && err == nil; i++ {
			text := fmt.Sprintf(`42["work",%d,"%s"]`, i, strings.Repeat("x", size))
			frame = lean.AppendFrame(frame[:0], wsframe.Text, []byte(text))
			if i%100 == 0 { // what the kernel does not accept now is sent later
				frame = lean.AppendFrame(frame, wsframe.Text, []byte("3"))
			}
			_, err = c.Write(frame)
			written.Add(1)
		}
		if err == nil {
			_, err = c.Write(lean.AppendFrame(nil, wsframe.Text, []byte(`42["end"]`)))
		}
		sent <- err
	}()
	in := wsframe.Reader{Limit: 1 << 20, FromServer: true}
	pings := make(chan struct{}, 10_000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := br.Read(buf)
			if err != nil {
				return
			}
			_ = in.Feed(buf[:n], func(_ wsframe.Op, p []byte) error {
				if string(p) == "2" {
					pings <- struct{}{}
				}
				return nil
			})
		}
	}()
	for range manyPings {
		select {
		case <-pings:
		case why := <-h.gone:
			t.Fatal(why)
		case <-time.After(patience):
			t.Fatal("no pings")
		}
	}
	if n := written.Load(); n == events {
		t.Fatal("the server has read everything")
	}
	h.letGo()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	go func() { // now that the server reads again, the client answers pings
		for range pings {
			_, _ = c.Write(lean.AppendFrame(nil, wsframe.Text, []byte("3")))
		}
	}()
	select {
	case n := <-h.done:
		if n != events {
			t.Fatalf("%d of %d events", n, events)
		}
	case why := <-h.gone:
		t.Fatal(why)
	case <-time.After(30 * patience):
		t.Fatal("the events do not come")
	}
}

// On long-polling, a POST request with many events waits until the handler has taken them.
func TestSlowHandlerOnPolling(t *testing.T) {
	const events = 1000
	h := serveHeld(t, socketio.Options{Engine: fast, MaxPending: 10})
	url := "http://" + h.addr + "/socket.io/?EIO=4&transport=polling"
	_, body := get(t, url)
	url += "&sid=" + body[9:29]
	post := func(packets ...string) string {
		res, err := http.Post(url, "text/plain", strings.NewReader(strings.Join(packets, "\x1e")))
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		return string(answer)
	}
	if got := post("40"); got != "ok" {
		t.Fatal(got)
	}
	packets := make([]string, events)
	for i := range packets {
		packets[i] = fmt.Sprintf(`42["work",%d]`, i)
	}
	answer := make(chan string, 1)
	go func() { answer <- post(append(packets, "3", `42["end"]`)...) }()
	for pings := 0; pings < manyPings; { // the client stays connected although its pongs are not read
		status, text := get(t, url)
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
		if strings.Contains(text, "2") {
			pings++
		}
	}
	select {
	case got := <-answer:
		t.Fatalf("the request was answered %q", got)
	default:
	}
	h.letGo()
	if got := <-answer; got != "ok" {
		t.Fatal(got)
	}
	if n := <-h.done; n != events {
		t.Fatalf("%d of %d events", n, events)
	}
}

// The official client sends a slow handler more events than may wait.
func TestOfficialClientFloods(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			const events = 30_000
			h := serveHeld(t, socketio.Options{
				// The client cannot look at pings while it floods, and gives up when none comes in this time.
				Engine: engineio.Options{PingInterval: 50 * time.Millisecond, PingTimeout: time.Minute},
			})
			node := testenv.StartNode(t, "client.mjs", "http://"+h.addr)
			c := &official{node, t, "a"}
			c.open(transports(transport), "/")
			c.do(nil, "flood", map[string]any{"count": events, "args": []any{"work"}})
			c.do(nil, "emit", map[string]any{"args": []any{"end"}})
			h.letGo()
			select {
			case n := <-h.done:
				if n != events {
					t.Fatalf("%d of %d events", n, events)
				}
			case why := <-h.gone:
				t.Fatal(why)
			case <-time.After(6 * patience):
				t.Fatal("the events do not come")
			}
		})
	}
}

// A handler that waits for its client's acknowledgement gets it although the client has sent more events than may wait.
// A client that sends twice as many events instead of the acknowledgement is disconnected.
func TestAnswerBehindAFlood(t *testing.T) {
	io := socketio.New(socketio.Options{MaxPending: 10})
	gone, answers := make(chan socketio.Reason, 10), make(chan string, 1)
	ns := io.Of("/")
	started := make(chan struct{}, 2)
	asked := make(chan struct{})
	ns.On("work", func(s *socketio.Socket, _ *socketio.Event) {
		started <- struct{}{}
		<-asked
		args, err := s.EmitWithAck(s.Context(), "question")
		if err == nil {
			answers <- string(args.Raw(0))
		}
	})
	ns.OnDisconnect(func(_ *socketio.Socket, why socketio.Reason) { gone <- why })
	addr := serve(t, io)
	p := join(t, addr, "")
	p.say(`42["work"]`)
	<-started
	for range 15 { // more are not read for now
		p.say(`42["other"]`)
	}
	close(asked) // and now they are
	p.want(`420["question"]`)
	p.say(`430["answer"]`)
	if got := <-answers; got != `"answer"` {
		t.Fatal(got)
	}

	q := join(t, addr, "")
	q.say(`42["work"]`)
	q.want(`421["question"]`)
	for range 40 {
		_ = q.Send(`42["other"]`) // fails once the server has closed the connection
	}
	q.want("closed")
	if why := <-gone; why != socketio.Reason(engineio.ReasonSlow) {
		t.Fatal(why)
	}
}

// The server notices that a client has disconnected while nothing is read from it, and ends the context of its handler.
func TestHeldClientGoes(t *testing.T) {
	io := socketio.New(socketio.Options{Engine: fast, MaxPending: 10})
	ended := make(chan struct{})
	started := make(chan struct{}, 100)
	io.Of("/").On("work", func(s *socketio.Socket, _ *socketio.Event) {
		started <- struct{}{}
		<-s.Context().Done()
		select {
		case <-ended:
		default:
			close(ended)
		}
	})
	p := join(t, serve(t, io), "")
	for range 30 {
		p.say(`42["work"]`)
	}
	<-started
	p.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the context has not ended")
	}
}

// Events that a client sends while it is still joining a namespace also stop the server from reading, until the client
// has joined or is refused.
func TestFloodBeforeJoining(t *testing.T) {
	io := socketio.New(socketio.Options{Engine: fast, MaxPending: 10})
	open := make(chan struct{})
	let := sync.OnceFunc(func() { close(open) })
	defer let() // the server waits for its middlewares, also when the test has failed or is skipped
	io.Of("/x").Use(func(*socketio.Socket) error {
		<-open
		return &socketio.Refusal{Message: "no"}
	})
	io.Of("/").On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	p := join(t, serve(t, io), "")
	var all bytes.Buffer
	all.Write(lean.AppendFrame(nil, wsframe.Text, []byte("40/x,")))
	for range 20 {
		all.Write(lean.AppendFrame(nil, wsframe.Text, []byte(`42/x,["early"]`)))
	}
	all.Write(lean.AppendFrame(nil, wsframe.Text, []byte(`42["echo",0]`)))
	if err := p.Raw(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	p.want(`42["echo",0]`) // all was read: what came after the refusal would be for a namespace not joined
	let()
	p.want(`44/x,{"message":"no"}`)
	p.say(`42["echo",1]`)
	p.want(`42["echo",1]`)
}
