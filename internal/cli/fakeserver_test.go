package cli

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/internal/config"
)

// requests are the requests that a fake server has received, except those for its health.
type requests struct {
	mu   sync.Mutex
	list []string // methods and URLs
}

// add records a request. A command that stops a server asks for its health until nothing answers. The number of these
// requests varies, so they are not recorded.
func (q *requests) add(r *http.Request) {
	if r.URL.Path == "/_berth/health" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, r.Method+" "+strings.TrimSuffix(r.URL.String(), "?"))
}

func (q *requests) all() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.list
}

func (q *requests) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = nil
}

// fake starts a server and makes a data directory that names it. When it is asked to stop, it answers first, as
// berth's own server does.
func fake(t *testing.T, answer http.HandlerFunc) (s *httptest.Server, d *config.Dir, asked *requests) {
	t.Helper()
	d, err := config.Open(t.TempDir(), defaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(requests)
	var stopping sync.WaitGroup
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.add(r)
		answer(w, r)
		if r.URL.Path == "/_berth/stop" {
			stopping.Go(func() {
				// It waits for the request that stops it.
				if err := s.Config.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
	}))
	t.Cleanup(func() {
		s.Close()
		stopping.Wait()
	})
	if err := d.Remember(config.Address{
		Listen: strings.TrimPrefix(s.URL, "http://"), Region: "us-east-1",
	}); err != nil {
		t.Fatal(err)
	}
	return s, d, asked
}

// owned is a server that knows one key, and records the requests with it.
func owned(t *testing.T) (s *httptest.Server, dir string, asked *requests) {
	t.Helper()
	var d *config.Dir
	s, d, asked = fake(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+d.AccessKey.ID+"/") {
			http.Error(w, "The security token included in the request is invalid.", http.StatusForbidden)
			return
		}
		io.WriteString(w, `{"Region":"us-east-1"}`)
	})
	return s, d.Path, asked
}
