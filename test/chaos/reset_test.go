package chaos

import (
	"strings"
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

// BenchmarkReset measures a reset with ten running containers, two agents and Redis, beside what docker itself takes to remove ten such
// containers on this machine, and beside a second.
func BenchmarkReset(b *testing.B) {
	harness.Need(b, harness.DockerEngine(), harness.OnPath("redis-server"))
	s := harness.Start(b, harness.Config{})
	var reset, docker time.Duration
	for b.Loop() {
		k := everything(b, s, harness.Program("web"))
		remove := k.tenMore(b)
		began := time.Now()
		remove()
		docker += time.Since(began)
		began = time.Now()
		if err := s.Reset(); err != nil {
			b.Fatal(err)
		}
		reset += time.Since(began)
	}
	ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(b.N) }
	b.ReportMetric(ms(reset), "ms/reset")
	b.ReportMetric(ms(docker), "ms/docker-rm")
	b.ReportMetric(ms(reset)/ms(docker), "reset/docker-rm")
	b.ReportMetric(ms(reset)/1000, "reset/second")
}

// tenMore runs ten containers like the service's, without Berth, and returns what removes them with one docker command.
func (k stack) tenMore(b *testing.B) (remove func()) {
	b.Helper()
	_, like := anyOf(k.containers(b))
	image, err := k.Docker("inspect", "--format", "{{.Image}}", like)
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"rm", "--force"}
	for range 10 {
		id, err := k.Docker("run", "--detach", "--publish", "127.0.0.1::3000", strings.TrimSpace(string(image)))
		if err != nil {
			b.Fatal(err)
		}
		args = append(args, strings.TrimSpace(string(id)))
	}
	return func() {
		if out, err := k.Docker(args...); err != nil {
			b.Fatalf("docker rm: %v: %s", err, out)
		}
	}
}

// A reset in the middle of everything's start leaves nothing behind either: not what was about to be started, and nothing later.
func TestResetWhileStarting(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	r := dice(t)
	s := harness.Start(t, harness.Config{})
	for round := range 8 {
		k := launch(t, s, 3)
		k.Ask(t, "elasticache", "CreateCacheCluster", form{"CacheClusterId": "cache", "Engine": "redis", "CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1"})
		k.register(t, "web", k.Push(t, "web", harness.Program("web")), 3000)
		k.Call(t, "ecs", "CreateService", object{"cluster": cluster, "serviceName": service, "taskDefinition": "web", "desiredCount": 6}, nil)
		k.See()
		moment(r, time.Second)
		k.See()
		if err := s.Reset(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s.Leftovers().None(t)
		s.Empty(t)
	}
	// The server's end, when everything is looked for again, is also the end of what a controller may have had in hand.
}
