package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/image"
	"github.com/berthhq/berth/test/harness"
)

// The article's Node.js application and the Go one run behind one target group and share one Redis. Clients of both
// can talk to each other over every transport; with polling they need the load balancer's sticky cookie (alb.md IO6).
func TestGoAndNodeChatTogether(t *testing.T) {
	harness.Need(t, redis, nodeJS, chatNode)
	s := start(t)
	s.launch(t, 2)
	environment := list{object{"name": "REDIS_ENDPOINT", "value": s.redis(t)}}
	group := s.TargetGroup(t, "chat", "/", form{"stickiness.enabled": "true", "stickiness.type": "lb_cookie"})
	_, url := s.Balance(t, group)
	for name, image := range map[string]string{"go": s.Push(t, "chat"), "node": s.pushChatNode(t)} {
		s.Call(t, "ecs", "CreateService", object{
			"cluster": cluster, "serviceName": name, "desiredCount": 1,
			"taskDefinition": s.define(t, name, container(image, object{
				"memoryReservation": 128, "environment": environment,
				"portMappings": list{object{"containerPort": 3000}},
			}), nil),
			"loadBalancers": list{object{"targetGroupArn": group, "containerName": "app", "containerPort": 3000}},
		}, nil)
	}
	s.steady(t, "go")
	s.steady(t, "node")
	harness.Until(t, 30*time.Second, "both targets are healthy", func() string {
		states := s.Ask(t, "elasticloadbalancing", "DescribeTargetHealth", form{"TargetGroupArn": group}).All("State")
		healthy := slices.DeleteFunc(states, func(state string) bool { return state != "healthy" })
		if len(healthy) == 2 {
			return ""
		}
		return fmt.Sprintf("%d are", len(healthy))
	})

	type talk struct {
		Node       string `json:"node heard"`
		Go         string `json:"go heard"`
		Online     []string
		Transports []string
	}
	var got map[string]talk
	out := runNode(t, "js/talk.mjs", url)
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for mode, transport := range map[string]string{
		"websocket": "websocket", "polling": "polling", "upgrade": "websocket",
	} {
		want := talk{Node: "go", Go: "node", Online: []string{"go", "node"}, Transports: []string{transport, transport}}
		if !reflect.DeepEqual(got[mode], want) {
			t.Errorf("%s: %+v, want %+v", mode, got[mode], want)
		}
	}
}

// redis makes a cache cluster and returns its redis:// address.
func (s server) redis(t *testing.T) string {
	t.Helper()
	s.Ask(t, "elasticache", "CreateCacheCluster", form{
		"CacheClusterId": "redis", "Engine": "redis", "CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1",
	})
	var d harness.Document
	harness.Until(t, 20*time.Second, "Redis is available", func() string {
		d = s.Ask(t, "elasticache", "DescribeCacheClusters",
			form{"CacheClusterId": "redis", "ShowCacheNodeInfo": "true"})
		if status := d.First("CacheClusterStatus"); status != "available" {
			return "it is " + status
		}
		return ""
	})
	return "redis://" + d.First("Address") + ":" + d.All("Port")[0]
}

// pushChatNode makes an image of examples/chat-node with this machine's Node.js.
func (s server) pushChatNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := image.Node(node)
	if err != nil {
		t.Fatal(err)
	}
	app, err := image.Tree("../../examples/chat-node", "/app")
	if err != nil {
		t.Fatal(err)
	}
	return s.PushImage(t, "chat-node", image.Config{
		Entrypoint: []string{node, "/app/server.js"}, WorkingDir: "/app",
	}, image.Base(), runtime, app)
}
