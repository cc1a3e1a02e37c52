package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// Each mode treats requests that are not compliant as in alb.md section 6.
func TestDesyncModes(t *testing.T) {
	const acceptable = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
	const ambiguous = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	for _, c := range []struct {
		mode, request string
		status        int
		closes        bool
	}{
		{"defensive", acceptable, 200, false},
		{"defensive", "GET /\r\n\r\n", 200, true}, // alb.md L8: HTTP/0.9, answered like HTTP/1.0
		{"defensive", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 200, true},
		{"defensive", "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 200, true},
		{"defensive", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400, true},
		{"strictest", "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400, true},
		{"strictest", "GET /\r\n\r\n", 400, true},
		{"defensive", ambiguous, 200, true}, // alb.md Q44
		{"strictest", acceptable, 400, true},
		{"strictest", ambiguous, 400, true},
	} {
		f := newFront(t, nil)
		seen := make(chan *http.Request, 1)
		f.target("tg",
			f.server(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); seen <- r }))
		f.config.LoadBalancers[0].Attributes = map[string]string{"routing.http.desync_mitigation_mode": c.mode}
		f.apply()
		res := f.raw(c.request)
		if res.StatusCode != c.status || res.Close != c.closes {
			t.Errorf("%s: %.40q: %d, close %v", c.mode, c.request, res.StatusCode, res.Close)
		}
		if c.request == ambiguous && c.status == 200 {
			if r := <-seen; r.Header.Get("Content-Length") != "" || r.TransferEncoding[0] != "chunked" {
				t.Errorf("the target got two lengths: %v", r.Header)
			}
		}
	}
}

// For any bytes that a client sends, in pieces of any size, the edge neither panics nor hangs: each connection ends.
func FuzzClientBytes(f *testing.F) {
	for _, s := range []string{simpleGet,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + simpleGet,
		upgradeRequest + "\r\nbytes",
		"GET http://x:y/ HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nab"} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 || len(data) > 1<<14 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			front, p := newPipes(t)
			front.idle("5")
			front.target("tg", "10.0.0.1:80")
			p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
					io.Copy(io.Discard, c)
					return
				}
				io.Copy(io.Discard, r.Body)
				ok(c, r)
			})
			front.apply()
			conn, _ := p.connect(t)
			go func() {
				for rest := data; len(rest) > 0; {
					n := min(piece, len(rest))
					if _, err := conn.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			}()
			io.Copy(io.Discard, conn) // ends, at the latest with the idle timeout
		})
	})
}

// Bodies of any content, sent in chunks of any sizes over one connection, come back from a target that echoes them.
func TestEcho(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Query", r.URL.RawQuery)
		if r.Header.Get("X-Flush") != "" {
			w.(http.Flusher).Flush()
		}
		w.Write(body)
	}))
	f.config.LoadBalancers[0].Attributes = map[string]string{"idle_timeout.timeout_seconds": "4000"}
	f.apply()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 9000), 0, 4).Draw(t, "chunks")
		query := rapid.StringMatching(`[a-z=&]{0,20}`).Draw(t, "query")
		flush := rapid.SampledFrom([]string{"", "X-Flush: 1\r\n"}).Draw(t, "flush")
		head := "POST /p?" + query + " HTTP/1.1\r\nHost: a\r\n" + flush
		want := bytes.Join(chunks, nil)
		var text bytes.Buffer
		if rapid.Bool().Draw(t, "chunked") {
			text.WriteString(head + "Transfer-Encoding: chunked\r\n\r\n")
			for _, chunk := range chunks {
				fmt.Fprintf(&text, "%x\r\n%s\r\n", len(chunk), chunk)
			}
			text.WriteString("0\r\n\r\n")
		} else {
			fmt.Fprintf(&text, "%sContent-Length: %d\r\n\r\n%s", head, len(want), want)
		}
		go c.Write(text.Bytes())
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, want) || res.Header.Get("X-Query") != query || res.StatusCode != 200 {
			t.Fatalf("%d, %d of %d bytes, query %q of %q, %v", res.StatusCode, len(got), len(want),
				res.Header.Get("X-Query"), query, err)
		}
	})
}

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	var once bool
	f := newFront(t, nil)
	f.edge.cfg.Record = func(*Entry) {
		if !once {
			once = true
			panic("on purpose")
		}
	}
	f.rule(1, onPath("/"), elb.Action{
		Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{StatusCode: 200, Body: "x"},
	})
	f.apply()
	for range 2 {
		if res := f.raw(strings.Replace(simpleGet, "\r\n\r\n", "\r\nConnection: close\r\n\r\n",
			1)); res.StatusCode != 200 {
			t.Errorf("%d", res.StatusCode)
		}
	}
}
