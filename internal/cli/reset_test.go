package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// Berth names what it could not remove, on standard output and in JSON, and the command fails. The server is still
// stopped.
func TestDownNamesWhatStays(t *testing.T) {
	const left = "instance i-1: some of its directory stays \u001b[2J; remove it with: sudo rm -r /d/i-1"
	for _, args := range [][]string{nil, {"--json"}} {
		_, d, asked := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_berth/reset" {
				json.NewEncoder(w).Encode(map[string][]string{"Left": {left}})
			}
		})
		out, stderr, code := call(append([]string{"down", "--yes", "--data", d.Path}, args...)...)
		if code != 1 || !strings.Contains(stderr, "not everything was removed") ||
			fmt.Sprint(asked.all()) != "[POST /_berth/reset?wait=all&stop=true POST /_berth/stop]" {
			t.Errorf("down %q = %d, %q %q, asked %q", args, code, out, stderr, asked.all())
		}
		if strings.Contains(out, "\x1b") || !strings.Contains(out, "remove it with: sudo rm -r /d/i-1") {
			t.Errorf("down %q prints %q", args, out)
		}
		if args == nil {
			if !strings.HasSuffix(out, "\nStopped it.\n") {
				t.Errorf("down prints %q", out)
			}
			continue
		}
		var done removed
		if err := json.Unmarshal([]byte(out), &done); err != nil || !done.Removed || !done.Stopped ||
			len(done.Left) != 1 {
			t.Errorf("down --json = %q, %v", out, err)
		}
	}
}

// A server may end before its answer has arrived. Then it has stopped, as requested.
func TestDownWhenTheAnswerIsLost(t *testing.T) {
	var s *httptest.Server
	s, d, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_berth/stop" {
			s.Listener.Close()
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		io.WriteString(w, `{}`)
	})
	out, stderr, code := call("down", "--yes", "--data", d.Path)
	if code != 0 || stderr != "" || !strings.HasSuffix(out, "\nStopped it.\n") {
		t.Errorf("down = %d, %q %q", code, out, stderr)
	}
}

// If the answer was lost and the server still runs, the error says both.
func TestDownWhenTheServerRunsOn(t *testing.T) {
	lost := errors.New("the connection was reset")
	synctest.Test(t, func(t *testing.T) {
		to := &client{endpoint: "http://server", http: &http.Client{Transport: roundTrip(
			func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/_berth/stop" {
					return nil, lost
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{}`))}, nil
			})}}
		r := removal{io: streams{out: io.Discard, err: io.Discard}, stop: true}
		done, err := r.run(t.Context(), to)
		if !done.Removed || done.Stopped || !errors.Is(err, lost) ||
			!strings.Contains(err.Error(), "the server at http://server has not stopped") {
			t.Errorf("run = %+v, %v", done, err)
		}
	})
}

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestResetAsksFirst(t *testing.T) {
	_, dir, asked := owned(t)
	for _, tt := range []struct {
		args, in, out string
		code          int
		asked         string
	}{
		{"reset", "", "", 1, "[]"},
		{"reset", "no\n", "", 1, "[]"},
		{"reset", "yes\n", "Removed everything", 0, "[POST /_berth/reset]"},
		{"reset --yes", "", "Removed everything", 0, "[POST /_berth/reset]"},
		{"down --yes", "", "Stopped it.\n", 0, "[POST /_berth/reset?wait=all&stop=true POST /_berth/stop]"},
	} {
		asked.forget()
		var out, stderr bytes.Buffer
		code := Main(append(strings.Fields(tt.args), "--data", dir), strings.NewReader(tt.in), &out, &stderr)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || fmt.Sprint(asked.all()) != tt.asked {
			t.Errorf("%s with %q = %d, %q %q, asked %v", tt.args, tt.in, code, out.String(), stderr.String(),
				asked.all())
		}
	}
}
