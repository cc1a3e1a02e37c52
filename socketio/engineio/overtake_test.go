package engineio

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A request that was sent after the change to a WebSocket may be read before it, on its own connection. It is
// refused all the same, as the official suite wants it (socketio.md 1.1, Upgrade).
func TestPollThatOvertakesTheUpgrade(t *testing.T) {
	srv := New(Options{}, nil)
	defer srv.Close()
	s := sessionOn(srv, &taker{})
	w := s.ws
	s.ws, s.probe, s.probing = nil, w, true
	w.timer = time.NewTimer(time.Hour)
	s.poll = make(chan []*Message, 1)
	pending := s.poll
	if !s.switchTo(w) {
		t.Fatal("not upgraded")
	}
	answer := httptest.NewRecorder()
	s.answer(answer, httptest.NewRequest(http.MethodGet, "/engine.io/", nil), <-pending)
	if answer.Code != 400 || answer.Body.String() != `{"code":3,"message":"Bad request"}` {
		t.Fatal(answer.Code, answer.Body)
	}
}
