package engineio_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// Refused requests get the right error code, and the checks are made in the right order (socketio.md 1.1, Errors).
func TestRefusals(t *testing.T) {
	r := start(t, engineio.Options{Allow: func(r *http.Request) error {
		if r.Header.Get("X-Deny") != "" {
			return errors.New("not you")
		}
		return nil
	}})
	sid := r.open()
	for _, c := range []struct {
		method, query string
		status        int
		body          string
	}{
		{"GET", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=pigeon", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", polling + "&sid=nobody", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"POST", polling, 400, `{"code":2,"message":"Bad handshake method"}`},
		{"GET", "EIO=4&transport=websocket", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=3&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=abc&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"OPTIONS", polling, 400, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT", sid, 405, "Method Not Allowed\n"},
	} {
		if status, body, _ := r.do(c.method, c.query, ""); status != c.status || body != c.body {
			t.Errorf("%s %s: %d %s", c.method, c.query, status, body)
		}
	}
	if status, body, _ := r.do("GET", polling, "", "X-Deny", "1"); status != 403 ||
		body != `{"code":4,"message":"not you"}` {
		t.Error(status, body)
	}
}

func TestHandshake(t *testing.T) {
	r := start(t, engineio.Options{
		Cookie: &http.Cookie{Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode},
	})
	_, body, h := r.do("GET", polling, "")
	want := regexp.MustCompile(`^0\{"sid":"([\w-]{20})","upgrades":\["websocket"\],"pingInterval":25000,` +
		`"pingTimeout":20000,"maxPayload":1000000\}$`)
	m := want.FindStringSubmatch(body)
	if m == nil {
		t.Fatal(body)
	}
	if got := h.Get("Set-Cookie"); got != "io="+m[1]+"; Path=/; HttpOnly; SameSite=Lax" {
		t.Error(got)
	}
	if h.Get("Content-Type") != "text/plain; charset=UTF-8" || h.Get("Cache-Control") != "no-store" {
		t.Error(h)
	}
	if _, _, h = r.do("POST", polling+"&sid="+m[1], "4x"); h.Get("Set-Cookie") != "" ||
		h.Get("Content-Type") != "text/html" || h.Get("Cache-Control") != "no-store" {
		t.Error(h)
	}
	if got := r.dial("EIO=4&transport=websocket").next(); !strings.Contains(got, `"upgrades":[]`) {
		t.Error(got)
	}
}

func TestCORS(t *testing.T) {
	r := start(t, engineio.Options{CORS: &engineio.CORS{Origins: []string{"https://a.example"}, Credentials: true}})
	for origin, allowed := range map[string]string{"https://a.example": "https://a.example", "https://b.example": ""} {
		_, _, h := r.do("GET", polling, "", "Origin", origin)
		if h.Get("Access-Control-Allow-Origin") != allowed || h.Get("Vary") != "Origin" ||
			h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %v", origin, h)
		}
	}
	status, _, h := r.do("OPTIONS", polling, "", "Origin", "https://a.example",
		"Access-Control-Request-Headers", "x-one")
	if status != 204 || h.Get("Access-Control-Allow-Methods") != "GET,HEAD,PUT,PATCH,POST,DELETE" ||
		h.Get("Access-Control-Allow-Headers") != "x-one" {
		t.Error(status, h)
	}
	if got := strings.Join(h.Values("Vary"), ", "); got != "Origin, Access-Control-Request-Headers" {
		t.Error(got)
	}
	if _, _, h = r.do("OPTIONS", polling, "", "Origin", "https://a.example"); len(h.Values("Vary")) != 2 {
		t.Error(h)
	}
	if _, _, h = r.do("GET", "", "", "Origin", "https://a.example"); h.Get("Access-Control-Allow-Origin") == "" {
		t.Error("errors have no CORS headers")
	}
}

func TestPollingPayloads(t *testing.T) {
	r := start(t, engineio.Options{MaxPayload: 100})
	q := r.open()
	if status, body, _ := r.do("POST", q, "4hello\x1e4é\x1ebAQL/"); status != 200 || body != "ok" {
		t.Fatal(status, body)
	}
	if _, body, _ := r.do("GET", q, ""); body != "4hello\x1e4é\x1ebAQL/" {
		t.Fatalf("%q", body)
	}
	if status, _, _ := r.do("POST", q, "x", "Content-Type", "application/octet-stream"); status != 400 ||
		r.reason() != engineio.ReasonTransportError {
		t.Fatal(status)
	}
}

// A body over the limit ends the session at once, with or without a Content-Length header, and whatever the client does
// afterwards.
func TestTooLargePayload(t *testing.T) {
	r := start(t, engineio.Options{MaxPayload: 100})
	body := "4" + strings.Repeat("x", 100)
	for _, unknown := range []bool{false, true} {
		q := r.open()
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/engine.io/?"+q, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if unknown {
			req.ContentLength = -1
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if why := r.reason(); res.StatusCode != 413 || why != engineio.ReasonTransportClose {
			t.Error(res.StatusCode, why)
		}
		if status, text, _ := r.do("GET", q, ""); status != 400 {
			t.Error(status, text)
		}
	}
}

// Invalid bodies end the session, and have no other effect.
func TestBadPayloads(t *testing.T) {
	r := start(t, engineio.Options{})
	for _, body := range []string{"", "abc", "b***", "4a\x1e", "4\xff\xfe", "\x1e", "9"} {
		q := r.open()
		if status, _, _ := r.do("POST", q, body); status != 400 {
			t.Errorf("%q: %d", body, status)
		}
		if why := r.reason(); why != engineio.ReasonParseError {
			t.Errorf("%q: %s", body, why)
		}
		if status, text, _ := r.do("GET", q, ""); status != 400 {
			t.Errorf("after %q: %d %s", body, status, text)
		}
	}
}

// A large answer is compressed if the client accepts that.
func TestPollingCompression(t *testing.T) {
	r := start(t, engineio.Options{})
	q := r.open()
	text := "4" + strings.Repeat("x", 5000)
	r.do("POST", q, text)
	// Because the test sets the header, net/http does not decompress the answer.
	_, body, h := r.do("GET", q, "", "Accept-Encoding", "gzip")
	if h.Get("Content-Encoding") != "gzip" || len(body) > 500 {
		t.Fatal(len(body), h)
	}
	r.do("POST", q, text)
	if _, body, h := r.do("GET", q, "", "Accept-Encoding",
		"deflate, gzip;q=0"); h.Get("Content-Encoding") != "" || body != text {
		t.Fatal(len(body), h)
	}
}

// The packet that ends a session is sent in a payload of its own. The official client would ignore other packets in the
// same payload, as TestLastEventsArrive of package socketio shows.
func TestServerClosesPolling(t *testing.T) {
	r := start(t, engineio.Options{})
	q := r.open()
	s := r.session()
	s.Send(engineio.Seal(append(engineio.NewBuffer(4), "last"...)))
	s.Close()
	if why := r.reason(); why != engineio.ReasonForcedClose {
		t.Fatal(why)
	}
	if _, body, _ := r.do("GET", q, ""); body != "4last" {
		t.Fatalf("%q", body)
	}
	// What the client sends in between is ignored, and is not an error.
	if status, body, _ := r.do("POST", q, "4too late"); status != 200 || body != "ok" {
		t.Fatal(status, body)
	}
	if _, body, _ := r.do("GET", q, ""); body != "1" {
		t.Fatalf("%q", body)
	}
	if status, _, _ := r.do("GET", q, ""); status != 400 {
		t.Fatal(status)
	}
}

func TestUpgradeKeepsWhatPollingDidNotTake(t *testing.T) {
	r := start(t, engineio.Options{})
	q := r.open()
	w := r.dial(strings.Replace(q, "polling", "websocket", 1))
	if err := w.Send("2probe"); err != nil {
		t.Fatal(err)
	}
	w.want("3probe")
	r.session().Send(engineio.Seal(append(engineio.NewBuffer(5), "early"...)))
	if err := w.Send("5"); err != nil {
		t.Fatal(err)
	}
	w.want("4early")
	if err := w.Send("4echo"); err != nil {
		t.Fatal(err)
	}
	w.want("4echo")
	if status, body, _ := r.do("GET", q, ""); status != 400 || body != `{"code":3,"message":"Bad request"}` {
		t.Fatal(status, body)
	}
}

// A candidate that sends anything else is closed, and the session continues.
func TestBadCandidates(t *testing.T) {
	r := start(t, engineio.Options{})
	q := r.open()
	for _, say := range []string{"4hello", "5", "2", "2prob"} {
		w := r.dial(strings.Replace(q, "polling", "websocket", 1))
		if err := w.Send(say); err != nil {
			t.Fatal(err)
		}
		w.want("closed")
	}
	if status, _, _ := r.do("POST", q, "4x"); status != 200 {
		t.Fatal(status)
	}
}

func TestHeartbeat(t *testing.T) {
	r := start(t, engineio.Options{PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond})
	r.open() // this client never polls again, so it never answers pings
	if why := r.reason(); why != engineio.ReasonPingTimeout {
		t.Fatal(why)
	}
}

// A client that does not read is disconnected when its buffer is full, and does not affect other clients.
func TestSlowClient(t *testing.T) {
	r := start(t, engineio.Options{MaxBuffer: 1 << 20})
	w := r.dial("EIO=4&transport=websocket")
	w.next()
	slow := r.session()
	w.Pause()
	m := engineio.Seal(append(engineio.NewBuffer(1<<16), strings.Repeat("x", 1<<16)...))
	for range 10_000 { // more than the kernel takes
		slow.Send(m)
		select {
		case why := <-r.ended:
			if why != engineio.ReasonSlow {
				t.Fatal(why)
			}
			w.Resume()
			return
		default:
		}
	}
	if why := r.reason(); why != engineio.ReasonSlow {
		t.Fatal(why)
	}
	w.Resume()
}

// Clients can read compressed broadcasts, and the server can read compressed messages.
func TestDeflate(t *testing.T) {
	r := start(t, engineio.Options{PerMessageDeflate: true})
	w := r.dialDeflate()
	w.next()
	text := "4" + strings.Repeat("all work and no play ", 200)
	if err := w.WriteDeflated(text); err != nil {
		t.Fatal(err)
	}
	f := <-w.frames
	if string(f.Data) != text || !f.Compressed {
		t.Fatal(len(f.Data), f.Compressed)
	}
	if err := w.Send("4short"); err != nil {
		t.Fatal(err)
	}
	if f = <-w.frames; string(f.Data) != "4short" || f.Compressed {
		t.Fatal(f)
	}
	if err := w.WriteDeflated("4" + strings.Repeat("x", 1_100_000)); err != nil { // small on the wire
		t.Fatal(err)
	}
	if f = <-w.frames; f.Op != wsframe.Close || int(f.Data[0])<<8|int(f.Data[1]) != 1009 {
		t.Fatal(f)
	}
}

// Drain refuses new clients and closes the sessions of the others in a way after which they reconnect. It returns when
// the last client has received the packet that closes its session.
func TestDrain(t *testing.T) {
	r := start(t, engineio.Options{})
	w := r.dial("EIO=4&transport=websocket")
	w.next()
	q := r.open()
	r.session().Send(engineio.Seal(append(engineio.NewBuffer(4), "last"...)))
	drained := make(chan error, 1)
	go func() { drained <- r.srv.Drain(t.Context(), time.Millisecond) }()
	w.want("closed")
	for range 2 {
		if why := r.reason(); why != engineio.ReasonShutdown {
			t.Fatal(why)
		}
	}
	if status, _, h := r.do("GET", polling, ""); status != 503 || h.Get("Retry-After") == "" {
		t.Fatal(status)
	}
	for _, want := range []string{"4last", "1"} {
		select {
		case err := <-drained:
			t.Fatal("Drain does not wait for the client that polls", err)
		default:
		}
		if _, body, _ := r.do("GET", q, ""); body != want {
			t.Fatalf("%q", body)
		}
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
}

func TestMaxSessions(t *testing.T) {
	r := start(t, engineio.Options{MaxSessions: 1})
	q := r.open()
	if status, _, h := r.do("GET", polling, ""); status != 503 || h.Get("Retry-After") == "" {
		t.Fatal(status)
	}
	r.do("POST", q, "1")
	r.do("GET", q, "")
	r.reason()
	for status, _, _ := r.do("GET", polling, ""); status != 200; status, _, _ = r.do("GET", polling, "") {
		if status != 503 {
			t.Fatal(status)
		}
	}
}

// Messages that are sent between Cork and Uncork are written together. Without Uncork they are written soon anyway.
func TestCork(t *testing.T) {
	r := start(t, engineio.Options{})
	w := r.dial("EIO=4&transport=websocket")
	w.next()
	s := r.session()
	s.Cork()
	s.Send(engineio.Seal(append(engineio.NewBuffer(1), 'a')))
	s.Send(engineio.Seal(append(engineio.NewBuffer(1), 'b')))
	s.Uncork()
	w.want("4a")
	w.want("4b")
	s.Cork()
	s.Send(engineio.Seal(append(engineio.NewBuffer(1), 'c')))
	w.want("4c")
}
