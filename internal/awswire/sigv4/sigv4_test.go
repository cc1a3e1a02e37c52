package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/identity"
)

var (
	// The key and the time of AWS's own examples.
	suiteKey = identity.AccessKey{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		Principal: identity.Root("123456789012")}
	suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	verifier  = &Verifier{Keys: identity.NewKeyRing(suiteKey)}
)

func credentials(k identity.AccessKey) Credentials {
	return Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}
}

func raw(t *testing.T, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Requests with signatures that AWS has published are accepted: those of its test suite, and one of its documentation.
func TestVectors(t *testing.T) {
	const suite = "X-Amz-Date: 20150830T123600Z\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
		"SignedHeaders=host;x-amz-date, Signature="
	for _, c := range []struct{ name, request, payload string }{
		{"get-vanilla", "GET / HTTP/1.1\nHost: example.amazonaws.com\n" + suite +
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ""},
		{"the documentation's ListUsers",
			"GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nHost: iam.amazonaws.com\n" +
				"Content-Type: application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date: 20150830T123600Z\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
				"SignedHeaders=content-type;host;x-amz-date, " +
				"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", ""},
		{"post-vanilla", "POST / HTTP/1.1\nHost: example.amazonaws.com\n" + suite +
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", ""},
		{"get-vanilla-query-order-key-case",
			"GET /?Param2=value2&Param1=value1 HTTP/1.1\nHost: example.amazonaws.com\n" + suite +
				"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", ""},
	} {
		id, err := verifier.Verify(raw(t, c.request), HashPayload([]byte(c.payload)), suiteTime)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if id.AccessKeyID != suiteKey.ID || id.Region != "us-east-1" || id.Principal != suiteKey.Principal {
			t.Errorf("%s: %+v", c.name, id)
		}
	}
}

// signedRequest is a POST of a body with everything that requests to a JSON API have.
func signedRequest(body string) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "S.Op")
	Sign(r, credentials(suiteKey), "eu-central-1", "ecs", HashPayload([]byte(body)), suiteTime)
	return r
}

func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return 0
}

// A signed request that was changed in any way is refused.
func TestChangedRequests(t *testing.T) {
	const body = `{"a":1}`
	if _, err := verifier.Verify(signedRequest(body), HashPayload([]byte(body)), suiteTime); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   Reason
	}{
		{"method", func(r *http.Request) { r.Method = "PUT" }, Mismatch},
		{"path", func(r *http.Request) { r.URL.Path = "/x" }, Mismatch},
		{"query", func(r *http.Request) { r.URL.RawQuery = "x=1" }, Mismatch},
		{"host", func(r *http.Request) { r.Host = "127.0.0.2:4566" }, Mismatch},
		{"target", func(r *http.Request) { r.Header.Set("X-Amz-Target", "S.Other") }, Mismatch},
		{"target taken away", func(r *http.Request) { r.Header.Del("X-Amz-Target") }, Mismatch},
		{"content type", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, Mismatch},
		{"date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") }, Mismatch},
		{"day", func(r *http.Request) { replace(r, "/20150830/", "/20150829/") }, Mismatch},
		{"region", func(r *http.Request) { replace(r, "eu-central-1", "us-east-1") }, Mismatch},
		{"service", func(r *http.Request) { replace(r, "/ecs/", "/ec2/") }, Mismatch},
		{"terminator", func(r *http.Request) { replace(r, "/aws4_request", "/aws5_request") }, Incomplete},
		{"a header no longer signed", func(r *http.Request) { replace(r, "host;", "") }, Mismatch},
		{"target no longer signed", func(r *http.Request) { replace(r, ";x-amz-target", "") }, Mismatch},
		{"key", func(r *http.Request) { replace(r, "AKIDEXAMPLE", "AKIDOTHER") }, UnknownKey},
		{"algorithm", func(r *http.Request) { replace(r, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256") }, Unsupported},
		{"no signature", func(r *http.Request) { replace(r, "Signature=", "Sig=") }, Incomplete},
		{"no credential", func(r *http.Request) { replace(r, "Credential=", "C=") }, Incomplete},
		{"short credential", func(r *http.Request) { replace(r, "/ecs/aws4_request", "") }, Incomplete},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, Incomplete},
		{"garbled date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, Incomplete},
		{"nothing at all", func(r *http.Request) { r.Header.Del("Authorization") }, Missing},
		{"a token nobody made", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, UnknownKey},
		{"unsigned payload",
			func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, Unsupported},
		{"streaming", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
		}, Unsupported},
		{"another payload's hash",
			func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", EmptyPayload) }, Mismatch},
	} {
		r := signedRequest(body)
		c.change(r)
		if _, err := verifier.Verify(r, HashPayload([]byte(body)), suiteTime); reasonOf(err) != c.want {
			t.Errorf("%s: reason %d (%v), want %d", c.name, reasonOf(err), err, c.want)
		}
	}
	if _, err := verifier.Verify(signedRequest(body), HashPayload([]byte(`{"a":2}`)),
		suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("another body: %v", err)
	}
}

func replace(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration
		want Reason
		text string
	}{
		{0, 0, ""}, {Skew, 0, ""}, {-Skew, 0, ""},
		{Skew + time.Second, Expired, "Signature expired: 20150830T123600Z is now earlier than " +
			"20150830T123601Z (20150830T125101Z - 15 min.)"},
		{-Skew - time.Second, NotYetValid, "Signature not yet current: 20150830T123600Z is still later " +
			"than 20150830T123559Z (20150830T122059Z + 15 min.)"},
	} {
		_, err := verifier.Verify(signedRequest(""), EmptyPayload, suiteTime.Add(c.off))
		if reasonOf(err) != c.want || err != nil && err.Error() != c.text {
			t.Errorf("%v off: %v, want %q", c.off, err, c.text)
		}
	}
}

func TestPresigned(t *testing.T) {
	presign := func(valid time.Duration) *http.Request {
		r := httptest.NewRequest("GET", "http://127.0.0.1:4566/a%20b/c?x=1+2&Action=Y", nil)
		Presign(r, credentials(suiteKey), "us-east-1", "sts", suiteTime, valid)
		return r
	}
	for _, c := range []struct {
		name  string
		valid time.Duration
		off   time.Duration
		want  Reason
	}{
		{"at once", time.Minute, 0, 0},
		{"at its end", time.Minute, time.Minute, 0},
		{"after its end", time.Minute, time.Minute + time.Second, Expired},
		{"a clock a little behind", time.Minute, -PresignSkew, 0},
		{"a clock far behind", time.Minute, -PresignSkew - time.Second, NotYetValid},
		{"too long", MaxPresign + time.Second, 0, Incomplete},
	} {
		if id, err := verifier.Verify(presign(c.valid), EmptyPayload, suiteTime.Add(c.off)); reasonOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		} else if err == nil && id.Service != "sts" {
			t.Errorf("%s: %+v", c.name, id)
		}
	}
	r := presign(time.Hour)
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Action=Y", "Action=Z", 1)
	if _, err := verifier.Verify(r, EmptyPayload, suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("changed query: %v", err)
	}
	r = presign(time.Hour)
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=3600", "X-Amz-Expires=360000", 1)
	if _, err := verifier.Verify(r, EmptyPayload, suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("lengthened: %v", err)
	}
}

func TestTemporaryCredentials(t *testing.T) {
	minter, err := identity.NewMinter(bytes.Repeat([]byte{3}, identity.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	c, err := minter.Mint("arn:aws:iam::123456789012:role/app", "task", suiteTime.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	v := &Verifier{Keys: identity.NewKeyRing(suiteKey), Minter: minter}
	sign := func(secret string) *http.Request {
		r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", nil)
		Sign(r, Credentials{c.AccessKeyID, secret, c.SessionToken}, "us-east-1", "ecs", EmptyPayload, suiteTime)
		return r
	}
	id, err := v.Verify(sign(c.SecretAccessKey), EmptyPayload, suiteTime)
	if err != nil || id.Principal.ARN != "arn:aws:sts::123456789012:assumed-role/app/task" {
		t.Errorf("%+v %v", id, err)
	}
	if _, err := v.Verify(sign("x"), EmptyPayload, suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := v.Verify(sign(c.SecretAccessKey), EmptyPayload,
		suiteTime.Add(2*time.Minute)); reasonOf(err) != ExpiredToken {
		t.Errorf("expired: %v", err)
	}
	if _, err := verifier.Verify(sign(c.SecretAccessKey), EmptyPayload, suiteTime); reasonOf(err) != UnknownKey {
		t.Errorf("a verifier without a minter: %v", err)
	}
	r := sign(c.SecretAccessKey)
	r.Header.Del("X-Amz-Security-Token") // a temporary key must be refused without its token
	if _, err := v.Verify(r, EmptyPayload, suiteTime); reasonOf(err) != UnknownKey {
		t.Errorf("no token: %v", err)
	}
}

// The agent writes '+' for a space in the query, and signs '%20' (ecs-agent.md 4.1).
func TestWebsocketHandshake(t *testing.T) {
	const query = "agentHash=a8b3e7d3&agentVersion=1.105.1&clusterArn=agt" +
		"&containerInstanceArn=arn%3Aaws%3Aecs%3Aus-east-1%3A123456789012%3Acontainer-instance%2Fagt%2F0123" +
		"&dockerVersion=DockerVersion%3A+20.10.24%2Bdfsg1&protocolVersion=2&sendCredentials=true&seqNum=1"
	agent := httptest.NewRequest("GET", "http://127.0.0.1:18080/acs/ws?"+strings.ReplaceAll(query, "+", "%20"), nil)
	Sign(agent, credentials(suiteKey), "us-east-1", "ecs", EmptyPayload, suiteTime)
	wire := raw(t, "GET /acs/ws?"+query+" HTTP/1.1\nHost: 127.0.0.1:18080\nUser-Agent: Go-http-client/1.1\n"+
		"Connection: Upgrade\nUpgrade: websocket\n"+
		"Sec-Websocket-Key: gPqyqe09m/TEBibIrQepgg==\nSec-Websocket-Version: 13\n"+
		"X-Amz-Date: 20150830T123600Z\nAuthorization: "+agent.Header.Get("Authorization"))
	if id, err := verifier.Verify(wire, EmptyPayload, suiteTime); err != nil || id.Service != "ecs" {
		t.Errorf("%+v %v", id, err)
	}
}

// Every frame of the telemetry socket has a signature of the connection's URL and the frame's JSON (ecs-agent.md 9).
func TestTelemetryFrame(t *testing.T) {
	u, _ := url.Parse("http://127.0.0.1:18080/tcs/ws?cluster=agt&dockerVersion=20.10.24%2Bdfsg1")
	handshake := &http.Request{Method: "GET", URL: u, Host: "127.0.0.1:18080"}
	payload := []byte(`{"type":"PublishMetricsRequest","message":{}}`)
	header := SignFrame(handshake, credentials(suiteKey), "us-east-1", "ecs", payload, suiteTime)
	if header.Get("Host") == "" || header.Get("X-Amz-Date") == "" {
		t.Errorf("header lines: %v", header)
	}
	if _, err := verifier.VerifyFrame(handshake, header, payload, suiteTime); err != nil {
		t.Error(err)
	}
	if _, err := verifier.VerifyFrame(handshake, header, append(payload, ' '), suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("another payload: %v", err)
	}
	other := &http.Request{
		Method: "GET", URL: &url.URL{Path: "/tcs/ws", RawQuery: "cluster=other"}, Host: "127.0.0.1:18080",
	}
	if _, err := verifier.VerifyFrame(other, header, payload, suiteTime); reasonOf(err) != Mismatch {
		t.Errorf("a frame of another connection: %v", err)
	}
}

func TestReadScope(t *testing.T) {
	if s, ok := ReadScope(signedRequest("")); !ok || s != (Scope{"AKIDEXAMPLE", "20150830", "eu-central-1", "ecs"}) {
		t.Errorf("%+v %v", s, ok)
	}
	if _, ok := ReadScope(httptest.NewRequest("GET", "/", nil)); ok {
		t.Error("an unsigned request has a scope")
	}
}

// The verifier panics for no header and no query. It accepts none of these random ones.
func FuzzVerify(f *testing.F) {
	good := signedRequest("")
	f.Add(good.Header.Get("Authorization"), "20150830T123600Z", "", "")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,SignedHeaders=;;,Signature=x",
		"Sun, 30 Aug 2015 12:36:00 GMT", "t", "X-Amz-Algorithm=AWS4-HMAC-SHA256")
	f.Add("", "", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE/20150830/r/s/aws4_request"+
		"&X-Amz-Signature=0&X-Amz-SignedHeaders=host&X-Amz-Date=20150830T123600Z&X-Amz-Expires=%zz&a=%")
	f.Fuzz(func(t *testing.T, auth, date, token, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: query}, Host: "h", Header: http.Header{}}
		for k, v := range map[string]string{"Authorization": auth, "X-Amz-Date": date, "X-Amz-Security-Token": token} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if _, err := verifier.Verify(r, EmptyPayload, suiteTime); err == nil {
			t.Errorf("accepted: %v %q", r.Header, query)
		} else if reasonOf(err) == 0 {
			t.Errorf("an error without a reason: %v", err)
		}
	})
}

// The agent also signs Content-Length, which Go's server may remove from the headers (ecs-agent.md 3).
func TestSignedContentLength(t *testing.T) {
	const body = `{"cluster":"agt"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if _, err := verifier.Verify(r, HashPayload(text), suiteTime); err != nil {
			t.Error(err)
		}
		r.Header.Del("Content-Length")
		if _, err := verifier.Verify(r, HashPayload(text), suiteTime); err != nil {
			t.Errorf("without the header: %v", err)
		}
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Date", suiteTime.Format(timeFormat))
	r.Header.Set("Amz-Sdk-Request", "attempt=1;  max=3")
	s := newSigned(credentials(suiteKey), "us-east-1", "ecs", suiteTime)
	s.headers = []string{"amz-sdk-request", "content-length", "host", "x-amz-date"}
	sig := signature(suiteKey.Secret, s.Scope, s.stringToSign(s.canonicalRequest(r, HashPayload([]byte(body)))))
	r.Header.Set("Authorization", algorithm+" Credential=AKIDEXAMPLE/"+s.Scope.String()+", SignedHeaders="+
		strings.Join(s.headers, ";")+", Signature="+sig)
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}

// A region is part of ARNs, so a region with a colon in its name could form the ARN of another account.
func TestRegionHasTheFormOfOne(t *testing.T) {
	for region, want := range map[string]Reason{
		"eu-west-3": 0, "x:y": Mismatch, "us-east-1:999999999999:cluster": Mismatch, "\x1b[2J": Mismatch,
	} {
		r, _ := http.NewRequest("POST", "http://127.0.0.1/", nil)
		Sign(r, credentials(suiteKey), region, "ecs", EmptyPayload, suiteTime)
		if _, err := verifier.Verify(r, EmptyPayload, suiteTime); reasonOf(err) != want {
			t.Errorf("%q: %v, want %v", region, err, want)
		}
	}
}

// isFolded accepts exactly the values that folding does not change.
func TestFoldedValues(t *testing.T) {
	folded := rapid.StringOf(rapid.SampledFrom([]rune("ab  \t\n\u00a0\u2003é")))
	rapid.Check(t, func(t *rapid.T) {
		v := folded.Draw(t, "value")
		if want := strings.Join(strings.Fields(v), " "); isFolded(v) && v != want {
			t.Fatalf("%q counts as folded, but folding changes it to %q", v, want)
		}
	})
	if !isFolded("") || !isFolded("a b") || isFolded("a  b") || isFolded(" a") || isFolded("a ") {
		t.Error("values with single spaces do not count as folded, or others do")
	}
}
