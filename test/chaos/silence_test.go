package chaos

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// silent is how many connections announce a body and then send nothing.
const silent = 2000

// Callers that announce a body and then send nothing, on each kind of path of the server, cannot use up descriptors or
// memory. The health check and signed calls are answered meanwhile, and the server frees what these callers used
// although they stay connected.
func TestAnnouncedBodiesThatNeverCome(t *testing.T) {
	s := harness.Start(t, harness.Config{})
	s.Call(t, "ecs", "CreateCluster", object{"clusterName": "before"}, nil)
	descriptors := func() int {
		all, err := filepath.Glob(filepath.Join("/proc", fmt.Sprint(s.PID()), "fd", "*"))
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		return len(all)
	}
	const api = "Host: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n" +
		"X-Amz-Target: AmazonEC2ContainerServiceV20141113.CreateCluster\r\n"
	for _, c := range []struct{ name, head string }{
		{"health", "GET /_berth/health HTTP/1.1\r\nHost: localhost\r\n"},
		{"metrics", "GET /_berth/metrics HTTP/1.1\r\nHost: localhost\r\n"},
		{"status", "GET /_berth/status HTTP/1.1\r\nHost: localhost\r\n"},
		{"API", "POST / HTTP/1.1\r\n" + api},
		{"API by GET", "GET /?Action=DescribeRegions HTTP/1.1\r\nHost: localhost\r\n"},
		{"registry", "POST /v2/some/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, memory := descriptors(), resident(t, s.PID())
			// Later floods use the memory of earlier ones, because Go's runtime returns memory to the machine only
			// after minutes. How much a flood finds free depends on when garbage was last collected, so the memory may
			// grow a few times; with memory that is kept for each caller, it would grow every time.
			const floods = 6
			seen := []float64{memory}
			for len(seen) <= floods {
				highest := slices.Max(seen)
				seen = append(seen, flood(t, s, c.head))
				if len(seen) > 2 && seen[len(seen)-1] <= highest+50 {
					break
				}
				harness.Until(t, time.Minute, "descriptors come back while the callers hold on", func() string {
					if now := descriptors(); now > before+20 {
						return fmt.Sprintf("%d descriptors, %d before", now, before)
					}
					return ""
				})
			}
			t.Logf("MiB before and after each flood of %d silent callers: %.0f", silent, seen)
			if len(seen) > floods || seen[1] > memory+300 {
				t.Errorf("MiB before and after each flood of %d silent callers: %.0f", silent, seen)
			}
		})
	}
	s.Call(t, "ecs", "CreateCluster", object{"clusterName": "after"}, nil)
}

// flood opens connections that send a head, announce a body and then stay open until the test ends. It returns the
// server's memory with all of them, in MiB.
func flood(t *testing.T, s *harness.Server, head string) float64 {
	t.Helper()
	for i := range silent {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		t.Cleanup(func() { conn.Close() })
		// Half of them send one byte of the body. It may be refused already.
		_, _ = io.WriteString(conn, head+"Content-Length: 1000000\r\n\r\n"+"x"[:i%2])
		if i%500 != 499 {
			continue
		}
		if why := s.Unhealthy(); why != "" {
			t.Errorf("after %d silent callers the health check says %s", i+1, why)
		}
		s.Call(t, "ecs", "DescribeClusters", object{"clusters": []string{"before"}}, nil)
	}
	return resident(t, s.PID())
}
