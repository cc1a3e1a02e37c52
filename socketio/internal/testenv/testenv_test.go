package testenv

import (
	"fmt"
	"os"
	"testing"
)

// FreePort never returns a port that the system may give to an outgoing connection at any time.
func TestFreePortIsNotForConnections(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip("not known which ports those are:", err)
	}
	var from, to int
	if _, err := fmt.Sscan(string(text), &from, &to); err != nil {
		t.Fatal(err)
	}
	if from < 32_768 {
		t.Skipf("this system gives away ports from %d", from)
	}
	for range 20 {
		if port := FreePort(t); port >= from && port <= to {
			t.Fatal(port)
		}
	}
}
