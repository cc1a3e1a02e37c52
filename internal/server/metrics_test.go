package server

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/edge"
)

// all is a world with every load balancer; others is one without some.
type all struct{}

func (all) HasLoadBalancer(string) bool { return true }
func (all) HasTargetGroup(string) bool  { return true }

type others map[string]bool

func (o others) HasLoadBalancer(arn string) bool { return !o[arn] }
func (o others) HasTargetGroup(arn string) bool  { return !o[arn] }

func pageOf(m *meters) string {
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest("GET", "/_berth/metrics", nil))
	return page.Body.String()
}

// A deleted load balancer or target group leaves nothing on the page, and a request that ends later brings nothing back.
func TestMetricsForgetWhatIsDeleted(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	gone := others{}
	m := newMeters(func() balancers { return gone })
	count := func(lb, group string) {
		e := &edge.Entry{LoadBalancerARN: arn + "loadbalancer/app/" + lb, Status: 200, Target1st: -1}
		if group != "" {
			e.TargetGroupARN, e.Target1st = arn+"targetgroup/"+group, time.Millisecond
		}
		m.request(e)
	}
	each := func() { count("a/1", ""); count("a/1", "x/1"); count("b/2", "y/2"); count("b/2", "x/1") }
	each()
	if page := pageOf(m); strings.Count(page, `load_balancer="app/a/1",status`) != 2 || strings.Count(page, `_count{load_balancer="app/b/2"`) != 2 {
		t.Fatal(page)
	}
	gone[arn+"loadbalancer/app/a/1"], gone[arn+"targetgroup/y/2"] = true, true
	for range 2 {
		page := pageOf(m)
		if strings.Contains(page, "app/a/1") || strings.Contains(page, "targetgroup/y/2") {
			t.Error("the page still has what was deleted")
		}
		if !strings.Contains(page, `berth_load_balancer_requests_total{load_balancer="app/b/2",status="2xx",target_group="targetgroup/x/1"}`) {
			t.Error("the page lost what is still there")
		}
		each()
	}
	n := 0
	m.seen.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d series are remembered, want 1", n)
	}
}

// docs/metrics.md describes every metric of the page, and none that is not there.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, nil)
	s.meters.balancers = func() balancers { return all{} }
	s.meters.call(awswire.Outcome{Call: awswire.Call{Service: "ecs", Action: "RunTask"}})
	s.meters.request(&edge.Entry{LoadBalancerARN: "a:loadbalancer/app/lb/1", TargetGroupARN: "a:targetgroup/web/1", Status: 200})
	page := pageOf(s.meters)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	for _, row := range regexp.MustCompile(`(?m)^# TYPE ([a-z_]+) `).FindAllStringSubmatch(page, -1) {
		if !documented[row[1]] {
			t.Errorf("%s is not in docs/metrics.md", row[1])
		}
		delete(documented, row[1])
	}
	for name := range documented {
		t.Errorf("docs/metrics.md describes %s, which is not on the page", name)
	}
}

// What a Prometheus server needs: types, buckets by le, and labels as CloudWatch names load balancers and target groups.
func TestMetricsPage(t *testing.T) {
	m := newMeters(func() balancers { return all{} })
	m.call(awswire.Outcome{Call: awswire.Call{Service: "ecs", Action: "RunTask"}, Code: "ClusterNotFoundException", Took: 3 * time.Millisecond})
	m.request(&edge.Entry{
		LoadBalancerARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188",
		TargetGroupARN:  "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/943f017f100becff",
		Status:          502, Target1st: 20 * time.Millisecond,
	})
	m.request(&edge.Entry{LoadBalancerARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188", Status: 301, Target1st: -1})
	page := pageOf(m)
	for _, line := range []string{
		`# TYPE berth_api_calls_total counter`,
		`berth_api_calls_total{action="RunTask",code="ClusterNotFoundException",service="ecs"} 1`,
		`berth_api_call_seconds_bucket{service="ecs",le="0.002"} 0`,
		`berth_api_call_seconds_bucket{service="ecs",le="0.004"} 1`,
		`berth_load_balancer_requests_total{load_balancer="app/lb/50dc6c495c0c9188",status="5xx",target_group="targetgroup/web/943f017f100becff"} 1`,
		`berth_load_balancer_requests_total{load_balancer="app/lb/50dc6c495c0c9188",status="3xx",target_group=""} 1`,
		`berth_target_response_seconds_count{load_balancer="app/lb/50dc6c495c0c9188",target_group="targetgroup/web/943f017f100becff"} 1`,
		`# TYPE go_goroutines gauge`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("the page has no line %s", line)
		}
	}
	if n := strings.Count(page, "berth_target_response_seconds_count"); n != 1 {
		t.Errorf("%d target groups answered, want 1: a redirect has no target", n)
	}
}
