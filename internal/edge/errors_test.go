package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/elb"
)

// The load balancer itself answers errors as in alb.md 5.7.
func TestOwnErrors(t *testing.T) {
	f := newFront(t, nil)
	f.group("empty", nil)
	f.group("down", nil)
	f.group("closes", nil)
	f.group("garbage", nil)
	f.group("huge", nil)
	for i, g := range []string{"empty", "down", "closes", "garbage", "huge"} {
		f.rule(i+1, onPath("/"+g), forward(g))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f.target("down", l.Addr().String())
	reply := func(text string) func(net.Conn) {
		return func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)); io.WriteString(c, text) }
	}
	f.target("closes", f.rawServer(reply("")))
	f.target("garbage", f.rawServer(reply("ICY 200 OK\r\n\r\n")))
	f.target("huge", f.rawServer(reply("HTTP/1.1 200 OK\r\n"+
		strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 40)+"\r\n")))
	f.target("tg", f.say("ok"))
	f.apply()
	get := func(path, more string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n" }
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{"plain", get("/", ""), 200},
		{"no target", get("/empty", ""), 503},
		{"refused", get("/down", ""), 502},
		{"closed without answer", get("/closes", ""), 502},
		{"malformed response", get("/garbage", ""), 502},
		{"response headers above 32K", get("/huge", ""), 502},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		{"31 addresses", get("/", "X-Forwarded-For: "+strings.Repeat("1.1.1.1,", 30)+"1.1.1.1\r\n"), 463},
		{"30 addresses", get("/", "X-Forwarded-For: "+strings.Repeat("1.1.1.1,", 29)+"1.1.1.1\r\n"), 200},
		{"unsupported coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"line above 16K", get("/"+strings.Repeat("x", 17<<10), ""), 414},
		{"header above 16K", get("/", "A: "+strings.Repeat("x", 17<<10)+"\r\n"), 400},
		{"headers above 64K", get("/", strings.Repeat("A: "+strings.Repeat("x", 10<<10)+"\r\n", 7)), 400},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: a.com/evil\r\n\r\n", 400},
		{"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"user in an absolute target", "GET http://u:p@a.com/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"bad length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"folded", get("/", "A: b\r\n c\r\n"), 200}, // alb.md section 6: ambiguous
		{"a length in disguise", get("/", "Content_Length: 3\r\n"), 400},
		{"nonsense", "nonsense\r\n\r\n", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := f.raw(c.request)
			if res.StatusCode != c.want {
				t.Errorf("%d, want %d", res.StatusCode, c.want)
			}
			if body, _ := io.ReadAll(res.Body); c.want != 200 && (res.Header.Get("Server") != "awselb/2.0" ||
				res.Header.Get("Content-Type") != "text/html" ||
				!strings.Contains(string(body), fmt.Sprintf("<h1>%d ", c.want))) {
				t.Errorf("%v %s", res.Header, body)
			}
		})
	}
}

// A request is sent again only when that is safe: over a fresh connection after a dead pooled one,
// and to another target after a refused connection (alb.md Q41, decision 0154).
func TestSafeRetries(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f := newFront(t, nil)
	f.target("tg", l.Addr().String())
	f.target("tg", f.say("up"))
	f.apply()
	for range 4 {
		if res, body := f.get("/", nil); res.StatusCode != 200 || body != "up" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
}

func TestDeadPooledConnection(t *testing.T) {
	f := newFront(t, nil)
	requests := make(chan string, 10)
	f.target("tg", f.rawServer(func(c net.Conn) {
		br := bufio.NewReader(c)
		for n := 0; ; n++ {
			r, err := http.ReadRequest(br)
			if err != nil || r.UserAgent() == "ELB-HealthChecker/2.0" {
				return
			}
			requests <- r.Method
			if n == 1 {
				return // dies with the second request unanswered
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	f.apply()
	do := func(method string) int {
		req, _ := http.NewRequest(method, f.url(), nil)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if a, b := do("GET"), do("GET"); a != 200 || b != 200 || len(requests) != 3 {
		t.Errorf("GET: %d, %d after %d requests", a, b, len(requests))
	}
	if c := do("POST"); c != 502 {
		t.Errorf("a POST that may have been carried out was sent again: %d", c)
	}
}

// If a target with connections in the pool dies, idempotent requests go to another target without an error.
func TestTargetThatDies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, nil)
	f.target("tg", l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for n := 0; ; n++ {
					r, err := http.ReadRequest(br)
					if err != nil || r.UserAgent() == "ELB-HealthChecker/2.0" {
						return
					}
					if n == 1 {
						l.Close()
						return
					}
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndies")
				}
			}()
		}
	}()
	f.target("tg", f.say("lives"))
	f.apply()
	answers := map[string]int{}
	for range 10 {
		res, body := f.get("/", nil)
		if res.StatusCode != 200 {
			t.Errorf("%d", res.StatusCode)
		}
		answers[body]++
	}
	if answers["dies"] != 1 || answers["lives"] != 9 {
		t.Errorf("answers %v", answers)
	}
}

// The same holds for a target that accepts connections and closes them, as the port of a container whose process has
// just ended.
func TestTargetThatOnlyCloses(t *testing.T) {
	f := newFront(t, nil)
	requests := make(chan bool, 100)
	f.target("tg", f.rawServer(func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r.UserAgent() != "ELB-HealthChecker/2.0" {
			requests <- true
		}
	}))
	f.target("tg", f.say("lives"))
	f.apply()
	for range 4 {
		if res, body := f.get("/", nil); res.StatusCode != 200 || body != "lives" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
	if len(requests) != 2 {
		t.Errorf("it was asked %d times", len(requests))
	}
	statuses := map[int]int{}
	for range 4 { // a request that the target may have carried out is not sent again
		res, err := http.Post(f.url(), "text/plain", nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		statuses[res.StatusCode]++
	}
	if statuses[200] != 2 || statuses[502] != 2 {
		t.Errorf("POST: %v", statuses)
	}
}

func TestClientThatLeavesIsNoticed(t *testing.T) { // 460
	arrived, left := make(chan bool), make(chan bool)
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
		left <- true
	}))
	f.apply()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	c.Close()
	<-left
	if e := f.entry(1); e.Status != 460 || e.TargetStatus != 0 {
		t.Errorf("entry %+v", e)
	}
}

// A client that is still sending its request gets the answer.
func TestAnswerToAClientThatIsStillSending(t *testing.T) {
	f := newFront(t, nil)
	f.rule(1, onPath("/no"), elb.Action{
		Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{StatusCode: 403},
	})
	f.apply()
	for range 20 {
		c, err := net.Dial("tcp", f.address())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
		io.WriteString(c, strings.Repeat("x", 200000))
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 403 || !res.Close {
			t.Errorf("%v %v", res, err)
		}
		c.Close()
	}
}
