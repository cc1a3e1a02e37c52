package engineio

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The server may read a request before the packet that ends the upgrade, although the client has sent it later, because
// they are on different connections. The request is refused, as the official test suite requires (socketio.md 1.1,
// Upgrade).
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
