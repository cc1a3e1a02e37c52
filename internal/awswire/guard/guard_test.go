package guard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newGuard(t *testing.T) http.Handler {
	g, err := New([]string{"berth.example.org", ".lab.example"}, []string{"http://console.example:8080"})
	if err != nil {
		t.Fatal(err)
	}
	return g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
}

func TestHosts(t *testing.T) {
	h := newGuard(t)
	for host, want := range map[string]int{
		"127.0.0.1:4566": 204, "127.0.0.1": 204, "[::1]:4566": 204, "10.1.2.3:80": 204, "localhost:4566": 204, "LOCALHOST": 204,
		"s3.localhost:4566": 204, "ecs.us-east-1.amazonaws.com": 204, "host.docker.internal:4566": 204, "localhost.:4566": 204,
		"berth.example.org:1": 204, "a.lab.example": 204, "123456789012.dkr.ecr.us-east-1.amazonaws.com": 204,
		"evil.example": 403, "localhost.evil.example:4566": 403, "notlocalhost": 403, "amazonaws.com.evil.example": 403,
		"evilamazonaws.com": 403, "lab.example": 403, "127.0.0.1.evil.example": 403, "": 403, "127.0.0.1@evil.example": 403,
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
		{"", "", 204}, // programs
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

func TestConfigurationMistakes(t *testing.T) {
	for _, h := range []string{"", ".", "*", "http://x", "x:80", "*.x"} {
		if _, err := New([]string{h}, nil); err == nil {
			t.Errorf("host %q was taken", h)
		}
	}
	for _, o := range []string{"", "x", "x:80", "http://x/", "http://x?a"} {
		if _, err := New(nil, []string{o}); err == nil {
			t.Errorf("origin %q was taken", o)
		}
	}
}
