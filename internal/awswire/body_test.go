package awswire

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A request with a Content-Length over the limit of its service is refused before its body is read.
func TestBodiesAreLimitedBeforeTheyAreRead(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		name string
		r    *http.Request
		size int64
		want int
	}{
		{"too large for the service", ecsRequest("CreateCluster", "{}"), DefaultMaxBody + 1,
			http.StatusRequestEntityTooLarge},
		{"unsigned", httptest.NewRequest("POST", "/", nil), smallBody + 1, http.StatusRequestEntityTooLarge},
	} {
		c.r.ContentLength = c.size
		c.r.Body = unread{t}
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, c.r)
		if w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, http.ErrBodyReadAfterClose
}
func (u unread) Close() error { return nil }

// Large bodies whose signatures are not verified yet have a limit on their total size, and one for each
// source. Small bodies are not limited.
func TestMemoryOfUnverifiedBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		take := func(source string, size int64) (func(), bool) {
			release, err := m.take(context.Background(), source, size)
			return release, err == nil
		}
		first, granted := take("192.0.2.1", maxUnverifiedBySource)
		if !granted {
			t.Fatal("the first body is refused")
		}
		if _, granted := take("192.0.2.1", smallBody+1); granted {
			t.Error("one source gets more than its share")
		}
		if _, granted := take("192.0.2.1", smallBody); !granted {
			t.Error("a small body is refused")
		}
		second, _ := take("127.0.0.1", maxUnverified-maxUnverifiedBySource)
		began := time.Now()
		if _, granted := take("127.0.0.1", smallBody+1); granted || time.Since(began) != memoryTime {
			t.Errorf("beyond the bound: granted %t after %v", granted, time.Since(began))
		}
		time.AfterFunc(time.Second, second)
		if _, granted := take("127.0.0.1", smallBody+1); !granted {
			t.Error("memory that was released is not available")
		}
		first()
		first() // a second call must do nothing
		if len(m.sources) != 0 {
			t.Errorf("a source without bodies is still stored: %v", m.sources)
		}
	})
}

func TestBodyThatDoesNotArrive(t *testing.T) {
	r := ecsRequest("CreateCluster", "{}")
	r.ContentLength = 1000
	w := httptest.NewRecorder()
	newTestDesk(t).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "could not be read to its end") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
