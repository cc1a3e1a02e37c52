package server

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/edge"
)

// What a Prometheus server needs: types, buckets by le, and labels as CloudWatch names load balancers and target groups.
func TestMetricsPage(t *testing.T) {
	m := newMeters()
	m.call(awswire.Outcome{Call: awswire.Call{Service: "ecs", Action: "RunTask"}, Code: "ClusterNotFoundException", Took: 3 * time.Millisecond})
	m.request(&edge.Entry{
		LoadBalancerARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188",
		TargetGroupARN:  "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/943f017f100becff",
		Status:          502, Target1st: 20 * time.Millisecond,
	})
	m.request(&edge.Entry{LoadBalancerARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188", Status: 301, Target1st: -1})
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest("GET", "/_berth/metrics", nil))
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
		if !strings.Contains(page.Body.String(), line+"\n") {
			t.Errorf("the page has no line %s", line)
		}
	}
	if n := strings.Count(page.Body.String(), "berth_target_response_seconds_count"); n != 1 {
		t.Errorf("%d target groups answered, want 1: a redirect has no target", n)
	}
}
