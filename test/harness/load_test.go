package harness

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// trip notes when requests are made, and fails them.
type trip chan time.Time

func (t trip) RoundTrip(*http.Request) (*http.Response, error) {
	t <- time.Now()
	return nil, errors.New("there is no server")
}

// Clients take turns: of eight, one makes a request every 1.25 ms.
func TestClientsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		requests := make(trip, 100)
		l := visit("http://server.test/", 8, func(int) http.RoundTripper { return requests })
		var got, want []time.Duration
		for i := range time.Duration(20) {
			got = append(got, (<-requests).Sub(began))
			want = append(want, every+i*every/8)
		}
		l.Stop()
		if !slices.Equal(got, want) {
			t.Errorf("the requests are at %v, want %v", got, want)
		}
	})
}

// A load that is stopped at once does not wait for the turns of its clients.
func TestStopBeforeTheFirstTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := visit("http://server.test/", 8, func(int) http.RoundTripper { return make(trip, 100) })
		synctest.Wait()
		answers, failures := l.Stop()
		if after := time.Since(began); after != 0 || len(answers) != 0 || len(failures) != 0 {
			t.Errorf("it ends after %v with %v and %v", after, answers, failures)
		}
	})
}
