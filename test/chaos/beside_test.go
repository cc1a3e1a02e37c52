package chaos

import (
	"net/url"
	"testing"

	"github.com/berthhq/berth/test/harness"
)

// Two servers run on one machine, like two jobs in CI, each with everything. They use the same ports on addresses of
// their own, and whatever happens to one of them, the other loses no request.
func TestTwoServersSideBySide(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	one := harness.Start(t, harness.Config{Edge: harness.OwnEdge})
	other := harness.Start(t, harness.Config{Edge: harness.OwnEdge})
	hosts := map[string]bool{}
	var urls []string
	for _, s := range []*harness.Server{one, other} {
		at := fixedPorts(t, s)
		urls = append(urls, at)
		u, err := url.Parse(at)
		if err != nil || hosts[u.Hostname()] || u.Port() != "" && u.Port() != "80" {
			t.Errorf("a load balancer is at %s (%v); others have %v", at, err, hosts)
		}
		hosts[u.Hostname()] = true
	}
	v := harness.Visit(urls[1], 8)
	for range 2 {
		one.Kill(t)
		one.Run(t)
		one.See()
		if err := one.Reset(); err != nil {
			t.Fatal(err)
		}
		one.Leftovers().Gone(t)
		fixedPorts(t, one)
	}
	end(t, v, nil)
	if n := len(stack{other}.mains(t)); n != 2 {
		t.Errorf("the other server has %d containers, want 2", n)
	}
}

// fixedPorts creates a cache, and a service of two tasks behind a load balancer. The tasks publish the same port, each
// on its own instance.
func fixedPorts(t *testing.T, s *harness.Server) (url string) {
	t.Helper()
	k := launch(t, s, 2)
	k.Ask(t, "elasticache", "CreateCacheCluster", form{
		"CacheClusterId": "cache", "Engine": "redis", "CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1",
	})
	k.Call(t, "ecs", "RegisterTaskDefinition", object{"family": "web", "containerDefinitions": list{object{
		"name": "main", "image": k.Push(t, "web"), "cpu": 32, "memory": 64, "essential": true,
		"portMappings": list{object{"containerPort": 3000, "hostPort": 18321}},
	}}}, nil)
	k.Connected(t, cluster, 2)
	url = k.balanced(t, "web", 3000, 2, "/")
	k.See()
	return url
}
