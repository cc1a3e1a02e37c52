package edge

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/elb"
)

// everything sends a request that closes its connection, and returns all bytes that arrive until the end.
func (f *front) everything(text string) (string, error) {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Replace(text, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); err != nil {
		f.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// answering returns a front whose target reads a request with its body, passes it to the test, and sends text.
func answering(t *testing.T, text string) (*front, chan *http.Request) {
	f := newFront(t, nil)
	seen := make(chan *http.Request, 16)
	f.target("tg", f.rawServer(func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil || r.UserAgent() == "ELB-HealthChecker/2.0" {
			return
		}
		io.Copy(io.Discard, r.Body)
		seen <- r
		io.WriteString(nc, text)
	}))
	f.apply()
	return f, seen
}

const okClose = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

// Only clients of HTTP/1.1 that said that they wait for 100 Continue get it (alb.md Q11, RFC 9110 10.1.1).
func TestContinue(t *testing.T) {
	for _, c := range []struct {
		version, header, body string
		want                  int
	}{
		{"1.1", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc", 1},
		{"1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 1},
		{"1.1", "Expect: 100-continue\r\n", "", 0},
		{"1.1", "Content-Length: 3\r\n", "abc", 0},
		{"1.0", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc", 0},
		{"1.0", "Expect: 100-continue\r\nConnection: keep-alive\r\nContent-Length: 3\r\n", "abc", 0},
	} {
		f, seen := answering(t, okClose)
		got, err := f.everything("POST / HTTP/" + c.version + "\r\nHost: a\r\n" + c.header + "\r\n" + c.body)
		if n := strings.Count(got, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil || n != c.want ||
			!strings.HasSuffix(got, "ok") {
			t.Errorf("HTTP/%s %q: %d times, %q, %v", c.version, c.header, n, got, err)
		}
		if r := <-seen; r.Header.Get("Expect") != "" {
			t.Errorf("HTTP/%s %q: the target saw Expect", c.version, c.header)
		}
	}
}

// The client gets the length of a body once, and only where it is allowed (RFC 9110 8.6, RFC 9112 6.1 to 6.3),
// whatever the target sends.
func TestLengthsOfResponses(t *testing.T) {
	const twice = "Content-Length: 3\r\nContent-Length: 3\r\n"
	for _, c := range []struct {
		method, head string
		body         string
		want         string // the fields about the body's length, with what follows the head
	}{
		{"GET", "200 OK\r\n" + twice, "abc", "Content-Length: 3|abc"},
		{"GET", "200 OK\r\ncontent-length: 3\r\nX: y\r\nContent-Length: 3\r\n", "abc", "Content-Length: 3|abc"},
		{"HEAD", "200 OK\r\n" + twice, "", "Content-Length: 3|"},
		{"GET", "304 Not Modified\r\n" + twice, "", "Content-Length: 3|"},
		{"HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n" + twice, "", "|"},
		{"GET", "304 Not Modified\r\nTransfer-Encoding: chunked\r\n", "", "|"},
		{"GET", "204 No Content\r\n" + twice, "", "|"},
		{"GET", "204 No Content\r\nTransfer-Encoding: chunked\r\n", "", "|"},
		{"GET", "200 OK\r\nTransfer-Encoding: chunked\r\n" + twice, "3\r\nabc\r\n0\r\n\r\n",
			"Transfer-Encoding: chunked|3\r\nabc\r\n0\r\n\r\n"},
		{"GET", "200 OK\r\nTransfer-Encoding: identity\r\n" + twice, "abc", "Content-Length: 3|abc"},
		{"GET", "200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n", "", "Content-Length: 0|"},
	} {
		f, _ := answering(t, "HTTP/1.1 "+c.head+"\r\n"+c.body)
		got, err := f.everything(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		var fields []string
		for line := range strings.SplitSeq(head, "\r\n") {
			if name, _, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") ||
				strings.EqualFold(name, "Transfer-Encoding") {
				fields = append(fields, line)
			}
		}
		if all := strings.Join(fields, ", ") + "|" + body; err != nil || all != c.want {
			t.Errorf("%s %q: %q, want %q (%v)", c.method, c.head, all, c.want, err)
		}
	}
}

// A response that is not valid HTTP becomes a 502 (alb.md 5.7).
func TestResponsesThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\rX-Split: 1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nSet-Coo\u212aie: a=b\r\nContent-Length: 0\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
	} {
		f, _ := answering(t, text)
		if got, err := f.everything(simpleGet); err != nil || !strings.HasPrefix(got, "HTTP/1.1 502 ") {
			t.Errorf("%q: %.60q %v", text, got, err)
		}
	}
}

// For a client of HTTP/1.0, a response ends with the connection. If a response was cut, the connection is reset, so
// that the client does not take it for a complete one.
func TestCutResponseToHTTP10(t *testing.T) {
	for _, c := range []struct {
		head, body string
		whole      bool
	}{
		{"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", true},
		{"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n", false},
		{"Transfer-Encoding: chunked\r\n", "9\r\nabc", false},
		{"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\nzz\r\n", false},
		{"", "abc", true},
	} {
		f := newFront(t, nil)
		f.target("tg", f.rawServer(func(nc net.Conn) {
			http.ReadRequest(bufio.NewReader(nc))
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+c.head+"\r\n"+c.body)
		}))
		f.apply()
		got, err := f.everything("GET / HTTP/1.0\r\n\r\n")
		if reset := errors.Is(err, syscall.ECONNRESET); reset == c.whole || c.whole && !strings.HasSuffix(got, "abc") {
			t.Errorf("%q %q: %q, %v", c.head, c.body, got, err)
		}
		// never sends its body
		if got, err = f.everything("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n"); errors.Is(err,
			syscall.ECONNRESET) == c.whole {
			t.Errorf("POST %q %q: %q, %v", c.head, c.body, got, err)
		}
	}
}

// Trailers do not contain fields that the edge itself writes for targets, or fields that it removes for clients (RFC
// 9110 6.5.1).
func TestTrailersAreScreened(t *testing.T) {
	const trailer = "X-Sum: 42\r\nX-Forwarded-For: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\n" +
		"X-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n" +
		"X-Amzn-Trace-Id: Root=1-5-b\r\nHost: evil\r\nConnection: X-Sum\r\nExpect: 100-continue\r\n" +
		"Authorization: x\r\nIf-Match: x\r\n" +
		"Set_Cookie: x\r\nCookie: x\r\nRange: x\r\nServer: evil\r\nX-Hop: 1\r\n"
	for _, mode := range []string{"append", "preserve", "remove"} {
		f, seen := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n\r\n"+
			"2\r\nok\r\n0\r\n"+trailer+"\r\n")
		f.config.LoadBalancers[0].Attributes = map[string]string{"routing.http.xff_header_processing.mode": mode}
		f.config.Listeners[0].Attributes = map[string]string{elb.ServerHeaderAttribute: "false"}
		f.apply()
		got, err := f.everything("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" +
			"Connection: X-Hop, close\r\n\r\n3\r\nabc\r\n0\r\n" + trailer + "\r\n")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range (<-seen).Trailer {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := []string{"Server", "X-Sum"}; !slices.Equal(names, want) {
			t.Errorf("%s: the target's trailer has %q, want %q", mode, names, want)
		}
		if _, last, _ := strings.Cut(got, "\r\n0\r\n"); !strings.Contains(last, "X-Sum: 42\r\n") ||
			strings.Contains(last, "Server") || strings.Contains(last, "X-Hop") ||
			strings.Contains(strings.ToLower(last), "cookie") {
			t.Errorf("%s: the client's trailer is %q", mode, last)
		}
	}
}

// Targets never get a field whose name they may confuse with one that the edge writes.
func TestNamesThatLookLikeTheEdgesOwn(t *testing.T) {
	f, seen := answering(t, okClose)
	for _, name := range []string{"X_Forwarded_For", "x-forwarded_proto", "X--Forwarded-Port", "X_Amzn_Trace_Id"} {
		if got, _ := f.everything("GET / HTTP/1.1\r\nHost: a\r\n" + name +
			": spoofed\r\nx_odd: kept\r\n\r\n"); !strings.HasSuffix(got, "ok") {
			t.Fatal(got)
		}
		r := <-seen
		for key, values := range r.Header {
			if slices.Contains(values, "spoofed") {
				t.Errorf("%s arrived as %s", name, key)
			}
		}
		if r.Header.Get("x_odd") != "kept" { // alb.md Q12
			t.Error("x_odd was dropped")
		}
	}
}

// A name beyond ASCII is refused, or dropped where the load balancer drops invalid names (alb.md
// Q12). It never reaches a target.
func TestNamesBeyondASCII(t *testing.T) {
	for _, name := range []string{
		"X-Forwarded-F\u00f6r", "Ho\u017ft", "Coo\u212aie", "\xff", "x\u2010forwarded\u2010for",
	} {
		for drop, want := range map[string]string{"false": "HTTP/1.1 400 ", "true": "HTTP/1.1 200 "} {
			f, seen := answering(t, okClose)
			f.config.LoadBalancers[0].Attributes = map[string]string{
				"routing.http.drop_invalid_header_fields.enabled": drop,
			}
			f.apply()
			got, err := f.everything("GET / HTTP/1.1\r\nHost: a\r\n" + name + ": spoofed\r\n\r\n")
			if err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("drop %s, %q: %.80q %v", drop, name, got, err)
			}
			if drop == "true" {
				for key, values := range (<-seen).Header {
					if slices.Contains(values, "spoofed") {
						t.Errorf("%q arrived as %q", name, key)
					}
				}
			}
			got, _ = f.everything("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"3\r\nabc\r\n0\r\n" + name + ": spoofed\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("%q in the trailer: %.80q", name, got)
			}
		}
	}
}

// Tokens are compared as ASCII. Other letters that fold to ASCII letters are different.
func TestTokensAreASCII(t *testing.T) {
	f, seen := answering(t, okClose)
	got, _ := f.everything("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: web\u017focket\r\n\r\n")
	if r := <-seen; r.Header.Get("Upgrade") != "" || !strings.HasSuffix(got, "ok") {
		t.Errorf("%v %q", r.Header, got)
	}
}

// Request targets that no rule can match are refused (RFC 9112 3.2).
func TestTargetsOfRequests(t *testing.T) {
	for request, want := range map[string]string{
		"CONNECT a:80": "400", "CONNECT /": "400", "GET *": "400", "OPTIONS *": "200", "GET a": "400",
		"GET http://a": "200",
	} {
		f, seen := answering(t, okClose)
		got, err := f.everything(request + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if err != nil || !strings.HasPrefix(got, "HTTP/1.1 "+want) {
			t.Errorf("%s: %.60q %v", request, got, err)
		}
		if want == "200" {
			<-seen
		}
	}
}

// A few empty lines before a request are skipped (RFC 9112 2.2).
func TestEmptyLinesBeforeARequest(t *testing.T) {
	f, _ := answering(t, okClose)
	for lines, want := range map[int]int{1: 200, 16: 200, 17: 400, 100000: 400} {
		if res := f.raw(strings.Repeat("\r\n", lines) + simpleGet); res.StatusCode != want {
			t.Errorf("%d lines: %d", lines, res.StatusCode)
		}
	}
}

// In both directions, the edge replaces control characters in headers, trailers and reason phrases by spaces (RFC 9110
// 5.5, RFC 9112 4). It still classifies such a request as Amazon does (alb.md 6, NonCompliantHeader).
func TestControlCharactersDoNotPass(t *testing.T) {
	for _, c := range []byte("\x01\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f") {
		bad := string(c)
		heads := make(chan string, 1)
		f := newFront(t, nil)
		f.target("tg", f.rawServer(func(nc net.Conn) {
			br := bufio.NewReader(nc)
			var head strings.Builder
			for {
				line, err := br.ReadString('\n')
				if err != nil || strings.HasPrefix(line, "User-Agent: ELB-HealthChecker") {
					return
				}
				head.WriteString(line)
				if strings.HasSuffix(head.String(), "0\r\nX-T: t t\r\n\r\n") {
					break
				}
			}
			heads <- head.String()
			io.WriteString(nc, "HTTP/1.1 103 Early"+bad+"Hints\r\nLink: <a"+bad+"b>\r\n\r\nHTTP/1.1 200 Fi"+
				bad+"[31mne\r\nX-A: a"+bad+"b\r\nX-B: "+bad+"\r\n"+
				"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: t"+bad+"t\r\n\r\n")
		}))
		f.apply()
		got, err := f.everything("POST / HTTP/1.1\r\nHost: a\r\nX-A: a" + bad + "b\r\nX-B: " + bad +
			"\r\nCookie: c" + bad + "\r\n d\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t" + bad + "t\r\n\r\n")
		if err != nil || !strings.Contains(got, "HTTP/1.1 200 Fi [31mne\r\n") ||
			!strings.Contains(got, "X-A: a b\r\n") ||
			!strings.Contains(got, "X-T: t t\r\n") {
			t.Errorf("%q: the client got %q, %v", bad, got, err)
		}
		head := <-heads
		if !strings.Contains(head, "X-A: a b\r\n") || !strings.Contains(head, "Cookie: c  d\r\n") {
			t.Errorf("%q: the target got %q", bad, head)
		}
		for _, message := range []string{got, head} {
			if strings.Contains(message, bad) {
				t.Errorf("%q passed: %q", bad, message)
			}
		}
		// Control characters in fields about the length of the body are refused (alb.md 6, BadContentLength and
		// BadTransferEncoding).
		for _, field := range []string{"Content-Length: " + bad + "3",
			"Transfer-Encoding: " + bad + "chunked", "Transfer-Encoding:\r\n " + bad + "chunked"} {
			if res := f.raw("POST / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\nabc"); res.StatusCode != 400 {
				t.Errorf("%q: %d", field, res.StatusCode)
			}
		}
	}
}
