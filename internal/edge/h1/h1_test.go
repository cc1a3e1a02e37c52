package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func readRequest(text string) (Request, *bufio.Reader, error) {
	var r Request
	br := bufio.NewReaderSize(strings.NewReader(text), 64)
	err := ReadRequest(br, &r)
	return r, br, err
}

func TestReadRequest(t *testing.T) {
	r, br, err := readRequest("\r\nPOST /a?b=c HTTP/1.1\r\nhost: x\r\nX-A:  1 \r\nx-a: 2\r\n" +
		"Content-Length: 3\r\n\r\nabcrest")
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.Target != "/a?b=c" || r.Minor != 1 || r.Body != (Framing{Length, 3}) ||
		r.Class != Compliant {
		t.Errorf("%+v", r)
	}
	if len(r.Header) != 4 || r.Header[1] != (Field{"X-A", "1"}) || Get(r.Header, "HOST") != "x" {
		t.Errorf("%v", r.Header)
	}
	body, err := io.ReadAll(NewBody(br, r.Body))
	if rest, _ := io.ReadAll(br); string(body) != "abc" || err != nil || string(rest) != "rest" {
		t.Errorf("body %q %v, rest %q", body, err, rest)
	}
}

// Requests get the class and reason of alb.md section 6. A request that is Severe, or that can be read in several
// ways, is refused.
func TestDesync(t *testing.T) {
	for _, c := range []struct {
		text, reason string
		class        Class
		status       int // 0: it is read
	}{
		{"GET / HTTP/1.1\nHost: a\n\n", "NonCrLfLineTermination", Acceptable, 0},
		{"GET /a b HTTP/1.1\r\n\r\n", "SpaceInUri", Acceptable, 0},
		{"GET / HTTP/1.5\r\n\r\n", "NonCompliantVersion", Acceptable, 0},
		{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "GetHeadZeroContentLength", Acceptable, 0},
		{"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", "NonCompliantHeader", Acceptable, 0},
		{"GET /\x01 HTTP/1.1\r\n\r\n", "AmbiguousUri", Ambiguous, 0},
		{"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "UndefinedContentLengthSemantics", Ambiguous, 0},
		{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "UndefinedTransferEncodingSemantics", Ambiguous, 0},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "UndefinedTransferEncodingSemantics", Ambiguous, 0},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "DuplicateContentLength", Ambiguous, 0},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "BothTeClPresent", Ambiguous, 0},
		{"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\n\x01Content-Length: 1\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nTran\u017ffer-Encoding: chunked\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nTransfer-Encod\u0131ng: chunked\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nContent--Length: 1\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nContent\u2010Length: 1\r\n\r\n", "SuspiciousHeader", Ambiguous, 400},
		{"GET / HTTP/1.1\r\nX_Custom-Name-One: 1\r\nX--Custom-Name: 1\r\n\r\n", "", Compliant, 0},
		{"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", "MultilineHeader", Ambiguous, 0},
		{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "MultilineHeader", Ambiguous, 400}, // of no field: RFC 9112 2.2
		{"GET / HTTP/1.1\r\nA: b\r\n c\x00\r\n\r\n", "BadHeader", Severe, 400},
		{"GET / HTTP/1.1\r\n: b\r\n\r\n", "EmptyHeader", Ambiguous, 0},
		{"GET / HTTP/1.1\r\n:authority: b\r\n\r\n", "EmptyHeader", Ambiguous, 0},
		{"GET / HTTP/1.1\r\n \t\r\n\r\n", "EmptyHeader", Ambiguous, 0},
		{"GET / HTTP/1.1\r\n: b\x00\r\n\r\n", "BadHeader", Severe, 400},
		{"GET / HTTP/1.1\r\nnothing\r\n\r\n", "MissingHeaderColon", Ambiguous, 0},
		{"GET / HTTP/1.1\r\nno thing\r\n\r\n", "MissingHeaderColon", Ambiguous, 400},
		{"POST / HTTP/1.1\r\nTransfer-Encoding\r\n\r\n", "BadTransferEncoding", Severe, 400},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\n 0\r\n\r\n", "BadContentLength", Severe, 400},
		{"GET  HTTP/1.1\r\n\r\n", "MissingUri", Ambiguous, 400},
		{"GET HTTP/1.1\r\n\r\n", "MissingUri", Ambiguous, 400},
		{"GET \r\n\r\n", "MissingUri", Ambiguous, 400},
		{"GET  /  HTTP/1.1\r\n\r\n", "NonCompliantVersion", Acceptable, 0},
		{"GET /\r\n\r\n", "NonCompliantVersion", Acceptable, 0},
		{"POST / HTTP/0.9\r\n\r\n", "NonCompliantVersion", Acceptable, 0},
		{"POST / HTTP/0.9\r\nContent-Length: 1\r\n\r\n", "UndefinedContentLengthSemantics", Ambiguous, 0},
		{"POST /\r\n\r\n", "BadVersion", Severe, 400}, // HTTP/0.9 knows GET alone
		{"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", "BadHeader", Severe, 400},
		{"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "BadHeader", Severe, 400},
		{"GET /\x00 HTTP/1.1\r\n\r\n", "BadUri", Severe, 400},
		{"G(T / HTTP/1.1\r\n\r\n", "BadMethod", Severe, 400},
		{"GET / HTTQ/1.1\r\n\r\n", "BadVersion", Severe, 400},
		{"GET / HTTP/3.0\r\n\r\n", "BadVersion", Severe, 505},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "MultipleContentLength", Severe, 400},
		{"POST / HTTP/1.1\r\nContent-Length: 1000,1000\r\n\r\n", "BadContentLength", Severe, 400},
		{"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "BadContentLength", Severe, 400},
		{"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "BadContentLength", Severe, 400},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "BadTransferEncoding", Severe, 501},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chun ked\r\n\r\n", "BadTransferEncoding", Severe, 400},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
			"MultipleTransferEncodingChunked", Severe, 400},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
			"MultipleTransferEncodingChunked", Severe, 400},
	} {
		r, _, err := readRequest(c.text)
		if c.status == 0 {
			if err != nil || r.Class != c.class || r.Reason != c.reason {
				t.Errorf("%q: %v %s %v, want %s", c.text, r.Class, r.Reason, err, c.reason)
			}
			continue
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != c.status || e.Reason != c.reason || e.Class != c.class {
			t.Errorf("%q: %+v, want %d %s", c.text, err, c.status, c.reason)
		}
	}
}

func TestLimits(t *testing.T) { // alb.md Q20, Q23
	for _, c := range []struct {
		text   string
		status int
	}{
		{"GET /" + strings.Repeat("a", MaxLine) + " HTTP/1.1\r\n\r\n", 414},
		{"GET / HTTP/1.1\r\nA: " + strings.Repeat("a", MaxLine) + "\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" + strings.Repeat("A: "+strings.Repeat("a", 8000)+"\r\n", 9) + "\r\n", 400},
	} {
		if _, _, err := readRequest(c.text); err == nil || err.(*Error).Status != c.status {
			t.Errorf("%.30q…: %v, want %d", c.text, err, c.status)
		}
	}
	// Of a response only the whole is limited.
	for size, ok := range map[int]bool{MaxResponseHead - 100: true, MaxResponseHead: false} {
		var r Response
		err := ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 204 No Content\r\nA: "+
			strings.Repeat("a", size)+"\r\n\r\n")), "GET", &r)
		if (err == nil) != ok {
			t.Errorf("a field of %d bytes: %v", size, err)
		}
	}
	for _, text := range []string{"", "GET / HTTP/1.1\r\nHost"} {
		if _, _, err := readRequest(text); err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReadResponse(t *testing.T) {
	for _, c := range []struct {
		method, text string
		body         Framing
		reusable     bool
	}{
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing{Length, 5}, true},
		{"GET", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", Framing{Kind: Chunked}, true},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
			Framing{Kind: Chunked}, false},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", Framing{Length, 5}, false},
		{"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Framing{Length, 5}, false},
		{"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", Framing{Length, 5}, true},
		{"GET", "HTTP/1.1 200 OK\r\n\r\n", Framing{Kind: UntilClose}, false},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing{}, true},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Framing{}, true},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", Framing{}, true},
	} {
		var r Response
		err := ReadResponse(bufio.NewReader(strings.NewReader(c.text)), c.method, &r)
		if err != nil || r.Body != c.body || r.Reusable != c.reusable {
			t.Errorf("%s %q: %+v %v", c.method, c.text, r, err)
		}
	}
	for _, text := range []string{"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 15000) + "\r\nB: " + strings.Repeat("b", 15000) +
			"\r\nC: " + strings.Repeat("c", 5000) + "\r\n\r\n"} {
		var r Response
		if err := ReadResponse(bufio.NewReader(strings.NewReader(text)), "GET", &r); err == nil {
			t.Errorf("%.40q was read: %+v", text, r)
		}
	}
}

func TestChunkedBody(t *testing.T) {
	for _, c := range []struct {
		text, want, trailer string
		ok                  bool
	}{
		{"3\r\nabc\r\n0\r\n\r\n", "abc", "", true},
		{"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\nHost: no\r\n\r\n", "abc0123456789", "1", true},
		{"3\r\nabcd\r\n0\r\n\r\n", "abc", "", false},
		{"3\r\nabc\r\n", "abc", "", false},
		{"-1\r\n", "", "", false},
		{"0x3\r\nabc\r\n0\r\n\r\n", "", "", false},
		{"\r\n", "", "", false},
		{"ffffffffffffffff\r\n", "", "", false},
	} {
		b := NewBody(bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.text))), Framing{Kind: Chunked})
		got, err := io.ReadAll(b)
		if string(got) != c.want || (err == nil) != c.ok || Get(b.Trailer, "X-T") != c.trailer ||
			Get(b.Trailer, "Host") != "" {
			t.Errorf("%q: %q %v %v", c.text, got, err, b.Trailer)
		}
	}
}

// In whatever pieces the bytes arrive, the same message is read, and the bytes after it are not.
func TestArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 0, 5).Draw(t, "chunks")
		var text, want bytes.Buffer
		text.WriteString("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, c := range chunks {
			want.Write(c)
			text.WriteString(strings.ToUpper(hex(len(c))) + "\r\n")
			text.Write(c)
			text.WriteString("\r\n")
		}
		text.WriteString("0\r\n\r\nNEXT")
		size := rapid.IntRange(16, 200).Draw(t, "buffer")
		br := bufio.NewReaderSize(iotest.HalfReader(&text), size)
		var r Request
		if err := ReadRequest(br, &r); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(NewBody(br, r.Body))
		rest, _ := io.ReadAll(br)
		if err != nil || !bytes.Equal(got, want.Bytes()) || string(rest) != "NEXT" {
			t.Fatalf("body %d of %d bytes, %v, rest %q", len(got), want.Len(), err, rest)
		}
	})
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	if n < 16 {
		return digits[n : n+1]
	}
	return hex(n/16) + digits[n%16:n%16+1]
}

// Go's own server reads every request that we read in the same way, and refuses none that we call compliant.
func FuzzReadRequest(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\x0b\r\nA: \x01b\x7f\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: \x0c\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, br, err := readRequest(text)
		if err != nil {
			return
		}
		b := NewBody(br, r.Body)
		body, err := io.ReadAll(b)
		noControl(t, r.Header, b.Trailer)
		if err != nil || r.Class != Compliant {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimLeft(text, "\r\n"))))
		if err != nil {
			return // Go is stricter about hosts and URLs than a load balancer has to be
		}
		got, err := io.ReadAll(theirs.Body)
		if err == nil && !bytes.Equal(got, body) {
			t.Errorf("we read the body %q, Go %q", body, got)
		}
	})
}

func FuzzReadResponse(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "GET")
	f.Add("HTTP/1.0 204 No\r\n\r\n", "HEAD")
	f.Add("HTTP/1.1 200 \x1b[1m\r\nA: b\x0bc\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: \x01\r\n\r\n", "GET")
	f.Fuzz(func(t *testing.T, text, method string) {
		var r Response
		br := bufio.NewReader(strings.NewReader(text))
		if err := ReadResponse(br, method, &r); err != nil {
			return
		}
		if r.Status < 100 || r.Status > 999 || r.Size > MaxResponseHead {
			t.Errorf("%+v", r)
		}
		b := NewBody(br, r.Body)
		io.Copy(io.Discard, b)
		noControl(t, r.Header, b.Trailer, []Field{{"", r.Reason}})
	})
}

// noControl fails the test if something that is passed on has a control character.
func noControl(t *testing.T, all ...[]Field) {
	for _, f := range slices.Concat(all...) {
		for _, c := range []byte(f.Name + f.Value) {
			if isControl(c) {
				t.Errorf("%q has the control character %q", f, c)
			}
		}
	}
}

// A head may consist of continuation lines of one field. The cost of reading it is proportional to its size.
func TestManyLinesOfOneField(t *testing.T) {
	const lines = 12_000
	head := "GET / HTTP/1.1\r\nA: b\r\n" + strings.Repeat(" a\r\n", lines) + "\r\n"
	var r Request
	allocs := testing.AllocsPerRun(1, func() {
		if err := ReadRequest(bufio.NewReader(strings.NewReader(head)), &r); err != nil {
			t.Fatal(err)
		}
	})
	if got := Get(r.Header, "A"); got != "b"+strings.Repeat(" a", lines) || allocs > 100 {
		t.Errorf("a value of %d bytes in %v allocations", len(got), allocs)
	}
}

func BenchmarkReadRequest(b *testing.B) {
	text := "GET /socket.io/?EIO=4&transport=polling&t=abc&sid=xyz HTTP/1.1\r\nHost: chat.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: */*\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Referer: http://chat.example.com/\r\nCookie: AWSALB=" +
		strings.Repeat("x", 71) + "; AWSALBCORS=" + strings.Repeat("x", 71) + "\r\nConnection: keep-alive\r\n\r\n"
	b.ReportAllocs()
	src := strings.NewReader(text)
	br := bufio.NewReaderSize(src, 4096)
	var r Request
	for b.Loop() {
		src.Reset(text)
		br.Reset(src)
		if err := ReadRequest(br, &r); err != nil {
			b.Fatal(err)
		}
	}
}

// An ambiguous request that is accepted is changed so that all targets read it in the same way.
func TestAmbiguousHeadersAreMadePlain(t *testing.T) {
	r, _, err := readRequest("GET  /a  HTTP/1.1\r\nA: b\r\n c: d\r\n\te\r\n: x\r\n \t\r\nTE\r\n" +
		"Transfer-Encoding:\r\n chunked\r\n\r\n")
	want := []Field{{"A", "b c: d e"}, {"TE", ""}, {"Transfer-Encoding", "chunked"}}
	if err != nil || r.Target != "/a" || !slices.Equal(r.Header, want) || r.Body.Kind != Chunked {
		t.Errorf("%q %q %v %v", r.Target, r.Header, r.Body, err)
	}
	for _, field := range []string{"A: b\r\n c\r\n", "nothing\r\n", ": b\r\n", " \r\n"} { // responses are not corrected
		var r Response
		if err := ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n"+field+"\r\n")),
			"GET", &r); err == nil {
			t.Errorf("%q was read: %v", field, r.Header)
		}
	}
}
