package engineio_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
)

// left records when its session ended.
type left struct{ ended *[]time.Time }

func (left) Message([]byte, bool) error { return nil }

func (l left) Closed(engineio.Reason) { *l.ended = append(*l.ended, time.Now()) }

// Drain closes sessions evenly over the time: a tenth of them in each tenth of the time.
func TestDrainIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, over = 20_000, 10 * time.Second
		var ended []time.Time
		srv := engineio.New(engineio.Options{},
			func(*engineio.Session, *http.Request) engineio.Receiver { return left{&ended} })
		defer srv.Close()
		handshake := func() int {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=polling", nil))
			return w.Code
		}
		for range sessions {
			if code := handshake(); code != http.StatusOK {
				t.Fatal(code)
			}
		}
		start := time.Now()
		if err := srv.Drain(t.Context(), over); err != nil {
			t.Fatal(err)
		}
		var tenths [10]int
		for _, at := range ended {
			tenths[at.Sub(start)*10/over]++
		}
		for i, n := range tenths {
			if n != sessions/10 {
				t.Errorf("%d sessions ended in tenth %d, want %d", n, i, sessions/10)
			}
		}
		if code := handshake(); code != http.StatusServiceUnavailable {
			t.Error(code)
		}
	})
}

// A session that is being accepted while the server drains is closed once it has been accepted.
func TestDrainWhileASessionIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []time.Time
		start := time.Now()
		srv := engineio.New(engineio.Options{}, func(*engineio.Session, *http.Request) engineio.Receiver {
			time.Sleep(time.Second)
			return left{&ended}
		})
		defer srv.Close()
		answered := make(chan int)
		go func() {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=polling", nil))
			answered <- w.Code
		}()
		synctest.Wait()
		drained := make(chan error)
		go func() { drained <- srv.Drain(t.Context(), 0) }()
		if code := <-answered; code != http.StatusOK {
			t.Error(code)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if len(ended) != 1 || ended[0].Sub(start) != time.Second {
			t.Errorf("the session has ended at %v", ended)
		}
	})
}
