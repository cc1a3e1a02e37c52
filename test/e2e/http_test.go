package e2e

import (
	"io"
	"net/http"
	"testing"
	"time"
)

type answer struct {
	status int
	body   string
	header http.Header
}

// visitor is a client without cookies that opens a connection for each request.
var visitor = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// fetch requests a page once.
func fetch(url string) (answer, error) {
	resp, err := visitor.Get(url)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Header}, err
}

// get is fetch, and fails the test if there is no answer.
func get(t *testing.T, url string) answer {
	t.Helper()
	a, err := fetch(url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
