package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const upgradeRequest = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n" +
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// echoUpgrade answers upgrades and echoes what it gets, after a greeting.
func echoUpgrade(c net.Conn) {
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" {
		io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
	io.Copy(c, br)
}

// dialUpgrade opens a WebSocket. It returns the connection, a reader with the bytes that were read ahead, and the
// response 101.
func (f *front) dialUpgrade(more string) (net.Conn, *bufio.Reader, *http.Response) {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	io.WriteString(c, upgradeRequest+more+"\r\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return c, br, res
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func TestWebSocketRelay(t *testing.T) {
	f := newFront(t, nil)
	f.config.TargetGroups[0].Attributes = map[string]string{"stickiness.enabled": "true"}
	key := f.target("tg", f.rawServer(echoUpgrade))
	f.apply()
	c, br, res := f.dialUpgrade("")
	// alb.md K30
	if res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" || cookieNamed(res, "AWSALB").Value == "" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	expect(t, br, "hello") // bytes that came with the 101
	big := strings.Repeat("0123456789", 20_000)
	go io.WriteString(c, big)
	expect(t, br, big)
	if busy := f.upstream(key).busy.Load(); busy != 1 { // alb.md B2
		t.Errorf("the WebSocket counts as %d", busy)
	}
	c.(*net.TCPConn).CloseWrite() // one side closes; the other still gets what was sent before
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q %v", rest, err)
	}
	// alb.md W2
	if e := f.entry(1); e.Type != "ws" || e.Status != 101 || e.TargetStatus != 101 ||
		e.Sent < int64(len(big)) || e.Received < int64(len(big)) {
		t.Errorf("entry %+v", e)
	}
}

func TestWebSocketKeepsToItsCookie(t *testing.T) { // alb.md K31
	f := newFront(t, nil)
	f.config.TargetGroups[0].Attributes = map[string]string{"stickiness.enabled": "true"}
	for _, name := range []string{"a", "b", "c"} {
		f.target("tg", f.rawServer(func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c,
				"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+name)
			io.Copy(io.Discard, c)
		}))
	}
	f.apply()
	_, br, res := f.dialUpgrade("")
	first, _ := br.ReadByte()
	for range 4 {
		_, br, _ := f.dialUpgrade("Cookie: AWSALB=" + cookieNamed(res, "AWSALB").Value + "\r\n")
		if b, _ := br.ReadByte(); b != first {
			t.Fatalf("went to %c, not %c", b, first)
		}
	}
}

func TestRefusedUpgradeIsAnOrdinaryResponse(t *testing.T) { // alb.md P13, Traefik #4864
	f := newFront(t, nil)
	key := f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 404) }))
	f.apply()
	for range 3 {
		if _, _, res := f.dialUpgrade(""); res.StatusCode != 404 {
			t.Errorf("%d", res.StatusCode)
		}
	}
	f.entry(3)
	if busy := f.upstream(key).busy.Load(); busy != 0 {
		t.Errorf("%d requests are still counted", busy)
	}
}

// A WebSocket of a draining target continues until the delay is over, and is then closed. The edge reports when the
// target has no connections any more (D5).
func TestWebSocketWhileDraining(t *testing.T) {
	f := newFront(t, nil)
	key := f.target("tg", f.rawServer(echoUpgrade))
	f.apply()
	c, br, _ := f.dialUpgrade("")
	expect(t, br, "hello")
	f.drain(key, time.Hour)
	f.apply()
	io.WriteString(c, "still here")
	expect(t, br, "still here")
	if f.reported(key).Drained {
		t.Error("reported as drained with a WebSocket open")
	}
	if res, _ := f.get("/", nil); res.StatusCode != 503 {
		t.Errorf("a new request: %d", res.StatusCode)
	}
	f.drain(key, 0)
	f.apply()
	if rest, err := io.ReadAll(br); err == nil && len(rest) > 0 {
		t.Errorf("read %q after the delay", rest)
	}
	f.entry(2)
	f.apply()
	if !f.reported(key).Drained {
		t.Error("not reported as drained")
	}
}

func TestSlowReaderStopsTheWriter(t *testing.T) { // alb.md P13, Envoy #17281: nothing piles up in between
	f := newFront(t, nil)
	wrote := make(chan int, 1)
	f.target("tg", f.rawServer(func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil || r.Header.Get("Upgrade") == "" { // a health check
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ := c.Write(make([]byte, 256<<20))
		wrote <- n
	}))
	f.apply()
	f.dialUpgrade("")
	if n := <-wrote; n > 64<<20 {
		t.Errorf("the target could write %d bytes although the client reads nothing", n)
	}
}
