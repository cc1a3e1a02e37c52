package chaos

import (
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// everything brings up ten containers, a load balancer and Redis.
func everything(t testing.TB, s *harness.Server, binary string) stack {
	t.Helper()
	k := launch(t, s, 2)
	k.Ask(t, "elasticache", "CreateCacheCluster", form{"CacheClusterId": "cache", "Engine": "redis", "CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1"})
	k.register(t, "web", k.Push(t, "web", binary), 3000)
	k.connected(t, 2)
	k.balanced(t, "web", 3000, 10, "/")
	k.See()
	return k
}

// Reset leaves nothing behind, and the server works on as a new one, three times over.
func TestResetLeavesNothing(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	s := harness.Start(t, harness.Config{})
	for range 3 {
		everything(t, s, harness.Program("web"))
		began := time.Now()
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		t.Logf("reset with ten containers took %v", time.Since(began))
		s.Leftovers().None(t)
		s.Empty(t)
	}
}

// BenchmarkReset measures a reset with ten running containers, two agents and Redis beside the second it may take.
func BenchmarkReset(b *testing.B) {
	harness.Need(b, harness.DockerEngine(), harness.OnPath("redis-server"))
	s := harness.Start(b, harness.Config{})
	for b.Loop() {
		b.StopTimer()
		everything(b, s, harness.Program("web"))
		b.StartTimer()
		if err := s.Reset(); err != nil {
			b.Fatal(err)
		}
	}
	ms := float64(b.Elapsed().Milliseconds()) / float64(b.N)
	b.ReportMetric(ms, "ms/reset")
	b.ReportMetric(ms/1000, "of-limit")
}
