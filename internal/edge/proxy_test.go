package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

func TestForwardsByPath(t *testing.T) {
	f := newFront(t, nil)
	f.group("api", nil)
	f.rule(1, onPath("/api/*"), forward("api"))
	f.target("tg", f.say("web"))
	f.target("api", f.say("api"))
	f.apply()
	for path, want := range map[string]string{"/": "web", "/api/x": "api"} {
		if res, body := f.get(path, nil); res.StatusCode != 200 || body != want {
			t.Errorf("%s: %d %q, want %s", path, res.StatusCode, body, want)
		}
	}
}

func TestFixedResponseAndRedirect(t *testing.T) { // alb.md A6, A8
	f := newFront(t, nil)
	f.rule(1, onPath("/fixed"), elb.Action{Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{
		StatusCode: 418, ContentType: "text/plain", Body: "short",
	}})
	f.rule(2, onPath("/old/*"), elb.Action{Type: elb.ActionRedirect, Redirect: &elb.Redirect{
		StatusCode: 302, Host: "new.example", Port: "81", Path: "/#{path}",
	}})
	f.apply()
	res, body := f.get("/fixed", nil)
	if res.StatusCode != 418 || body != "short" || res.Header.Get("Content-Type") != "text/plain" ||
		res.Header.Get("Server") != "awselb/2.0" {
		t.Errorf("fixed: %v %q", res, body)
	}
	res, body = f.get("/old/a?b=c", nil)
	if res.StatusCode != 302 || res.Header.Get("Location") != "http://new.example:81/old/a?b=c" {
		t.Errorf("redirect: %v", res)
	}
	// as AWS's
	if res.Header.Get("Content-Type") != "text/html" || !strings.Contains(body, "<h1>302 Found</h1>") ||
		len(page(301)) != 134 {
		t.Errorf("redirect: %v %q", res.Header, body)
	}
	if e := f.entry(2); e.Action != "redirect" || e.RulePriority != 2 || e.RedirectURL == "" {
		t.Errorf("entry %+v", e)
	}
}

// The head that reaches a target (alb.md 5.1).
func TestRequestHeaders(t *testing.T) {
	seen := make(chan *http.Request, 1)
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) { seen <- r }))
	f.apply()
	f.raw("GET http://WWW.Example.com:80/p?q=1 HTTP/1.1\r\nHost: other\r\nX-Forwarded-For: 192.0.2.1\r\n" +
		"X-Forwarded-Proto: https\r\n" +
		"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nx_odd: kept\r\n" +
		"X-Amzn-Trace-Id: Self=1-0-a;Root=1-5-b;C=d\r\n\r\n")
	r := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80", // alb.md Q1
		"X-Hop": "", "Keep-Alive": "", "Te": "", "X_odd": "kept", // alb.md Q9, Q12
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// alb.md Q6; the port is kept only because this listener is displaced in tests
	if r.Host != "www.example.com" || r.URL.String() != "/p?q=1" {
		if r.Host != "www.example.com:80" {
			t.Errorf("Host %q, URL %q", r.Host, r.URL)
		}
	}
	// alb.md Q4
	if got := r.Header.Get("X-Amzn-Trace-Id"); !regexp.MustCompile(
		`^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-5-b;C=d$`).MatchString(got) {
		t.Errorf("trace %q", got)
	}
	f.raw("GET / HTTP/1.0\r\n\r\n")
	if r = <-seen; r.Host != "web-1.us-east-1.elb.amazonaws.com" { // alb.md Q7
		t.Errorf("Host of HTTP/1.0 %q", r.Host)
	}
	if got := r.Header.Get("X-Amzn-Trace-Id"); !regexp.MustCompile(
		`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(got) {
		t.Errorf("fresh trace %q", got)
	}
}

func TestForwardedModes(t *testing.T) { // alb.md Q2, Q12, Q6
	seen := make(chan *http.Request, 1)
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) { seen <- r }))
	for _, c := range []struct{ key, value, want string }{
		{"routing.http.xff_header_processing.mode", "preserve", "192.0.2.1"},
		{"routing.http.xff_header_processing.mode", "remove", ""},
		{"routing.http.xff_client_port.enabled", "true", "192.0.2.1, 127.0.0.1:"},
		{"routing.http.drop_invalid_header_fields.enabled", "true", "192.0.2.1, 127.0.0.1"},
		{"routing.http.preserve_host_header.enabled", "true", "192.0.2.1, 127.0.0.1"},
	} {
		f.config.LoadBalancers = []elb.LoadBalancer{f.config.LoadBalancers[0]}
		f.config.LoadBalancers[0].Attributes = map[string]string{c.key: c.value}
		f.apply()
		f.raw("GET / HTTP/1.1\r\nHost: UPPER.example\r\nX-Forwarded-For: 192.0.2.1\r\nx_odd: 1\r\n\r\n")
		r := <-seen
		if got := r.Header.Get("X-Forwarded-For"); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s=%s: X-Forwarded-For %q", c.key, c.value, got)
		}
		if dropped := r.Header.Get("X_odd") == ""; dropped != strings.Contains(c.key, "drop_invalid") {
			t.Errorf("%s: x_odd dropped: %v", c.key, dropped)
		}
		if kept := r.Host == "UPPER.example"; kept != strings.Contains(c.key, "preserve_host") {
			t.Errorf("%s: Host %q", c.key, r.Host)
		}
	}
}

func TestKeepsConnectionsAlive(t *testing.T) {
	conns := make(chan string, 10)
	f := newFront(t, nil)
	f.target("tg", f.server(func(
		w http.ResponseWriter, r *http.Request,
	) {
		conns <- r.RemoteAddr
		io.WriteString(w, r.URL.Path)
	}))
	f.apply()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	// Requests that a client pipelines are sent to the target one after the other (alb.md L8, Q40).
	io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"+
		"Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"/1", "/2", "/3"} {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != want || res.Close != (want == "/3") {
			t.Errorf("%s: %q close=%v", want, body, res.Close)
		}
	}
	if _, err := br.ReadByte(); err != io.EOF { // alb.md Q9
		t.Errorf("after Connection: close: %v", err)
	}
	if a, b, c := <-conns, <-conns, <-conns; a != b || b != c {
		t.Errorf("target connections %s %s %s", a, b, c)
	}
}

// Bodies are streamed in both directions: each part arrives before the next is sent (alb.md Q50).
func TestStreamsBothWays(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		br := bufio.NewReader(r.Body)
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, strings.ToUpper(line))
			w.(http.Flusher).Flush()
		}
	}))
	f.apply()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
	br := bufio.NewReader(c)
	if line, _ := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" { // alb.md Q11
		t.Errorf("first line %q", line)
	}
	br.ReadString('\n')
	var echo *bufio.Reader
	for i := range 3 {
		io.WriteString(c, "6\r\nline"+fmt.Sprint(i)+"\n\r\n")
		if echo == nil {
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			echo = bufio.NewReader(res.Body)
		}
		if line, err := echo.ReadString('\n'); line != "LINE"+fmt.Sprint(i)+"\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
	io.WriteString(c, "0\r\n\r\n")
	if rest, err := io.ReadAll(echo); err != nil || len(rest) > 0 {
		t.Errorf("rest %q %v", rest, err)
	}
}

func TestLargeBodiesArriveWhole(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body)
	}))
	f.apply()
	for _, size := range []int{0, 1, 3000, 5000, 1 << 20} {
		sent := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		res, err := http.Post(f.url(), "x/y", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

func TestResponseFraming(t *testing.T) {
	for _, c := range []struct{ name, request, response, want string }{
		{"until close is chunked", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nabc", "abc"},
		{"HTTP/1.0 client", "GET / HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc"},
		{"interim", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
		{"no content", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, nil)
			f.target("tg", f.rawServer(func(nc net.Conn) {
				http.ReadRequest(bufio.NewReader(nc))
				io.WriteString(nc, c.response)
			}))
			f.apply()
			res := f.raw(c.request)
			if body, err := io.ReadAll(res.Body); string(body) != c.want || err != nil || res.StatusCode/100 != 2 {
				t.Errorf("%d %q %v", res.StatusCode, body, err)
			}
		})
	}
}

func TestTrailersPass(t *testing.T) { // alb.md Q52
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "42")
	}))
	f.apply()
	if res, _ := f.get("/", nil); res.Trailer.Get("X-Sum") != "42" {
		t.Errorf("trailer %v", res.Trailer)
	}
}

func TestResponseHeaderAttributes(t *testing.T) { // alb.md TL11
	f := newFront(t, nil)
	f.config.Listeners[0].Attributes = map[string]string{elb.ServerHeaderAttribute: "false",
		elb.ResponseHeaderAttribute + "x_frame_options.header_value": "DENY"}
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "x")
		w.Header().Set("X-Frame-Options", "ALLOW")
	}))
	f.rule(1, onPath("/none"), elb.Action{
		Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{StatusCode: 500},
	})
	f.apply()
	for _, path := range []string{"/", "/none"} {
		res, _ := f.get(path, nil)
		if res.Header.Get("Server") != "" || len(res.Header.Values("X-Frame-Options")) != 1 ||
			res.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
}

func TestPortThatMayNotBeBound(t *testing.T) {
	var lines bytes.Buffer // written by the loop of the edge, which has ended when it is read
	f := newFront(t, func(c *Config) {
		c.Listen, c.Logger = nil, slog.New(slog.NewTextHandler(&lines, nil))
	})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if port+displacement > 65535 {
		t.Skipf("port %d leaves no room above", port)
	}
	f.config.Listeners[0].Port = port
	f.rule(1, onPath("/r"), elb.Action{Type: elb.ActionRedirect, Redirect: &elb.Redirect{StatusCode: 301, Path: "/x"}})
	f.apply()
	f.mu.Lock()
	b := f.bound["listener"]
	f.mu.Unlock()
	want := fmt.Sprintf("127.0.0.1:%d", port+displacement)
	if b.Address != want || !strings.Contains(b.Reason, "address already in use") {
		t.Fatalf("bound %+v, want %s", b, want)
	}
	res, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", "http://"+want+"/r", nil)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Header.Get("Location") != "http://"+want+"/x" {
		t.Errorf("Location %s", res.Header.Get("Location"))
	}
	f.config.Listeners = nil // a listener that is gone is served no more
	f.apply()
	if c, err := net.DialTimeout("tcp", want, time.Second); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	f.config.Listeners = []elb.Listener{{ARN: "other", LoadBalancerARN: "web", Protocol: elb.HTTP, Port: freePort(t)}}
	f.apply()
	f.end()
	line := regexp.MustCompile(`msg=listening.*`).FindAllString(lines.String(), -1)
	if len(line) != 2 || !strings.Contains(line[0], "already in use") || strings.Contains(line[1], "reason") {
		t.Errorf("the reason belongs to the listener that is served elsewhere: %q", line)
	}
}

// freePort returns a port of the loopback that is free at the moment.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
