package harness

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var demoAPI = regexp.MustCompile(`the API is at http://([^,]+),`)

// Demo runs berth demo, with more arguments, with a data directory that does not exist yet, and waits until it is
// ready. Its account may be that of other servers, so its containers are those of the instances that exist then. It
// ends with the test, which must check what is left.
func Demo(t testing.TB, args ...string) *Server {
	t.Helper()
	s := create(t, Config{Data: filepath.Join(t.TempDir(), "data")})
	s.process = s.spawn(t, append([]string{"demo", "--listen", s.addr, "--data", s.Data}, args...)...)
	t.Cleanup(func() { s.process.kill() })
	Until(t, 90*time.Second, "the demo is up", func() string {
		if strings.Contains(s.Log(), "Ctrl-C ends") {
			return ""
		}
		if s.process.ended() {
			t.Fatalf("the demo has ended:\n%s", s.Log())
		}
		return "it says: " + Tail(s.Log(), 1)
	})
	api := demoAPI.FindStringSubmatch(s.Log())
	if api == nil {
		t.Fatalf("the demo does not tell its address:\n%s", s.Log())
	}
	s.addr = api[1]
	s.See()
	return s
}

// Interrupt ends the process with SIGINT, as Ctrl-C does. It must exit without an error.
func (s *Server) Interrupt(t testing.TB) {
	t.Helper()
	s.process.stop(t, syscall.SIGINT)
}

// Await waits until the process has ended by itself. It must exit without an error.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	if code := s.process.await(t); code != 0 {
		t.Errorf("berth ended with %d:\n%s", code, s.process.tail())
	}
}

// GoOn runs a berth command line that serves the same data directory at the same address, as Run does. The server ends
// like any other.
func (s *Server) GoOn(t testing.TB, args ...string) {
	t.Helper()
	s.process = s.spawn(t, args...)
	t.Cleanup(func() { s.end(t) })
	s.ready(t)
}
