package guard

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

func newGuard(t *testing.T) http.Handler {
	g, err := New(Config{
		Hosts: []string{"berth.example.org", ".lab.example"}, Origins: []string{"http://console.example:8080"},
		PublishedKeys: []string{"test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g.Wrap(http.HandlerFunc(func(
		w http.ResponseWriter, r *http.Request,
	) {
		w.WriteHeader(http.StatusNoContent)
	}))
}

func TestHosts(t *testing.T) {
	h := newGuard(t)
	for host, want := range map[string]int{
		"127.0.0.1:4566": 204, "127.0.0.1": 204, "[::1]:4566": 204, "10.1.2.3:80": 204,
		"localhost:4566": 204, "LOCALHOST": 204, "s3.localhost:4566": 204, "ecs.us-east-1.amazonaws.com": 204,
		"host.docker.internal:4566": 204, "localhost.:4566": 204, "berth.example.org:1": 204,
		"a.lab.example": 204, "123456789012.dkr.ecr.us-east-1.amazonaws.com": 204, "evil.example": 403,
		"localhost.evil.example:4566": 403, "notlocalhost": 403, "amazonaws.com.evil.example": 403,
		"evilamazonaws.com": 403, "lab.example": 403, "127.0.0.1.evil.example": 403, "": 403,
		"127.0.0.1@evil.example": 403,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if want == 403 && !strings.Contains(w.Body.String(), "--allow-host") {
			t.Errorf("Host %q: the answer does not say what to do: %s", host, w.Body)
		}
	}
}

func TestOrigins(t *testing.T) {
	h := newGuard(t)
	for _, c := range []struct {
		origin, site string
		want         int
	}{
		{"", "", 204}, // a program, not a browser
		{"", "none", 204},
		{"", "same-origin", 204},
		{"http://127.0.0.1:4566", "same-origin", 204}, // the server's own pages
		{"http://console.example:8080", "cross-site", 204},
		{"http://evil.example", "cross-site", 403},
		{"http://evil.example", "", 403},
		{"http://127.0.0.1:8000", "same-site", 403}, // another server on the same machine
		{"null", "cross-site", 403},                 // a page in a sandbox, or a file
		{"", "cross-site", 403},                     // an image or a form of another page
		{"", "same-site", 403},
		{"file://127.0.0.1:4566", "", 403},
	} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("origin %q, site %q: %d, want %d", c.origin, c.site, w.Code, c.want)
		}
	}
}

// A page with the server's own origin may send requests only if its host is not resolved by DNS, or over TLS.
func TestOwnPages(t *testing.T) {
	h := newGuard(t)
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"localhost:4566", "http://localhost:4566", 204},
		{"a.localhost:4566", "http://a.localhost:4566", 204},
		{"10.0.0.7:4566", "http://10.0.0.7:4566", 204},
		{"[::1]:4566", "http://[::1]:4566", 204},
		{"berth.example.org:4566", "http://berth.example.org:4566", 403},
		{"berth.example.org", "https://berth.example.org", 204},
		{"x.amazonaws.com:4566", "http://x.amazonaws.com:4566", 403},
		{"x.localhost.localstack.cloud:4566", "http://x.localhost.localstack.cloud:4566", 403},
		{"host.docker.internal:4566", "http://host.docker.internal:4566", 403},
		{"berth.example.org", "http://console.example:8080", 204},
	} {
		r := httptest.NewRequest("POST", "http://"+c.host+"/", nil)
		r.Header.Set("Origin", c.origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s at %s: %d, want %d", c.origin, c.host, w.Code, c.want)
		}
	}
}

// A request that is signed with a published key is accepted from programs, at every host name, and never from
// browsers.
func TestPublishedKey(t *testing.T) {
	h := newGuard(t)
	chrome := http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) Chrome/140"}, "Accept-Language": {"en-US,en;q=0.9"},
	}
	browsers := map[string]http.Header{
		"a browser":                         chrome,
		"an address typed by a person":      merge(chrome, "Sec-Fetch-Site", "none"),
		"a page of the same origin":         merge(chrome, "Sec-Fetch-Site", "same-origin"),
		"a page that changes its languages": merge(chrome, "Accept-Language", "*"),
		"a browser without a name":          {"Accept-Language": {"de"}, "User-Agent": {"aws-cli/2"}},
		"a browser without languages":       {"User-Agent": {"Mozilla/5.0"}},
	}
	programs := map[string]http.Header{
		"curl":       {"User-Agent": {"curl/8.14"}, "Accept": {"*/*"}},
		"AWS CLI":    {"User-Agent": {"aws-cli/2.31 md/Botocore"}, "Accept-Encoding": {"identity"}},
		"Go":         {"User-Agent": {"Go-http-client/1.1"}},
		"nothing":    {},
		"Java":       {"User-Agent": {"Java/21"}, "Accept": {"text/html, image/gif, image/jpeg, */*"}},
		"PowerShell": {"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10; en-US) PowerShell/7.4.6"}},
	}
	node := http.Header{"User-Agent": {"node"}, "Accept-Language": {"*"}, "Sec-Fetch-Mode": {"cors"}}
	names := []string{
		"localhost", "a.localhost", "127.0.0.1", "10.1.2.3", "[::1]", "berth.example.org",
		"x.localhost.localstack.cloud", "ec2.us-east-1.amazonaws.com", "host.docker.internal",
	}
	for _, host := range names {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
			for key, readable := range map[string]bool{"test": false, "AKIAPRIVATE": true} {
				for who, header := range browsers {
					if got := send(h, method, host, key, true, header); (got == 204) != readable {
						t.Errorf("%s %s by %s signed in the query by %s: %d", method, host, who, key, got)
					}
				}
				for who, header := range programs {
					for _, inQuery := range []bool{true, false} {
						if got := send(h, method, host, key, inQuery, header); got != 204 {
							t.Errorf("%s %s by %s signed by %s (in the query: %t): %d", method, host,
								who, key, inQuery, got)
						}
					}
				}
			}
		}
	}
	for host, want := range map[string]int{"localhost": 204, "127.0.0.1": 204, "x.amazonaws.com": 403} {
		if got := send(h, "GET", host, "test", true, node); got != want {
			t.Errorf("fetch of Node.js to %s: %d, want %d", host, got, want)
		}
		if got := send(h, "POST", host, "test", false, node); got != 204 {
			t.Errorf("a call by fetch of Node.js to %s: %d", host, got)
		}
		// An attacker's page whose host name now resolves to this server can set every header field except
		// these.
		if got := send(h, "GET", host, "test", false, merge(chrome, "User-Agent", "aws-cli/2")); got != want {
			t.Errorf("a header signed by a page of %s: %d, want %d", host, got, want)
		}
	}
	if got := send(h, "GET", "10.1.2.3", "test", true,
		merge(chrome, "Origin", "http://console.example:8080")); got != 204 {
		t.Errorf("a page that may call: %d", got)
	}
	if got := send(h, "GET", "10.1.2.3", "test", true, merge(chrome, "Origin", "null")); got != 403 {
		t.Errorf("a page in a sandbox: %d", got)
	}
}

func merge(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

// send sends a request whose signature names a key.
func send(h http.Handler, method, host, key string, inQuery bool, header http.Header) int {
	r := httptest.NewRequest(method, "http://"+host+":4566/?Action=CreateKeyPair", nil)
	maps.Copy(r.Header, header.Clone())
	c := sigv4.Credentials{AccessKeyID: key, SecretAccessKey: "x"}
	if inQuery {
		sigv4.Presign(r, c, "us-east-1", "ec2", time.Now(), time.Minute)
	} else {
		sigv4.Sign(r, c, "us-east-1", "ec2", sigv4.EmptyPayload, time.Now())
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestConfigurationMistakes(t *testing.T) {
	for _, h := range []string{"", ".", "*", "http://x", "x:80", "*.x"} {
		if _, err := New(Config{Hosts: []string{h}}); err == nil {
			t.Errorf("host %q was accepted", h)
		}
	}
	for _, o := range []string{"", "x", "x:80", "http://x/", "http://x?a"} {
		if _, err := New(Config{Origins: []string{o}}); err == nil {
			t.Errorf("origin %q was accepted", o)
		}
	}
}
