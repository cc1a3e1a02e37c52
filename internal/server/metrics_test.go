package server

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

func pageOf(m *meters) string {
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest("GET", "/_berth/metrics", nil))
	return page.Body.String()
}

const (
	loadBalancer = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/50dc6c495c0c9188"
	targetGroup  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/943f017f100becff"
)

// counted has the counts of a redirect, and of a response 502 of a target after 20 ms.
func counted() []route.SubjectCounts {
	of, group := route.SubjectCounts{Clients: 3}, route.SubjectCounts{}
	of.LoadBalancerARN = loadBalancer
	of.Counts[route.GrouplessStatus+2], of.Counts[route.ReceivedBytes] = 1, 1000
	group.LoadBalancerARN, group.TargetGroupARN = loadBalancer, targetGroup
	group.Counts[route.Answered+4], group.Counts[route.Responses] = 1, 1
	group.Counts[route.ResponseNanoseconds], group.Counts[route.ResponsesWithin+2] = 20e6, 1
	return []route.SubjectCounts{of, group}
}

// docs/metrics.md describes every metric of the page, and no others.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, nil)
	s.meters.call(awswire.Outcome{Call: awswire.Call{Service: "ecs", Action: "RunTask"}})
	err = s.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: loadBalancer})
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: targetGroup})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.publisher.Attach("another").Report(route.Report{Counts: counted()})
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

// The page has what a Prometheus server needs: types, buckets with the label le, and labels with CloudWatch's names of
// load balancers and target groups.
func TestMetricsPage(t *testing.T) {
	m := newMeters(counted)
	m.call(awswire.Outcome{Call: awswire.Call{Service: "ecs", Action: "RunTask"},
		Code: "ClusterNotFoundException", Took: 3 * time.Millisecond})
	page := pageOf(m)
	for _, line := range []string{
		`# TYPE berth_api_calls_total counter`,
		`berth_api_calls_total{action="RunTask",code="ClusterNotFoundException",service="ecs"} 1`,
		`berth_api_call_seconds_bucket{service="ecs",le="0.002"} 0`,
		`berth_api_call_seconds_bucket{service="ecs",le="0.004"} 1`,
		`berth_load_balancer_requests_total{load_balancer="app/lb/50dc6c495c0c9188",status="5xx",` +
			`target_group="targetgroup/web/943f017f100becff"} 1`,
		`berth_load_balancer_requests_total{load_balancer="app/lb/50dc6c495c0c9188",status="3xx",target_group=""} 1`,
		`berth_target_response_seconds_count{load_balancer="app/lb/50dc6c495c0c9188",` +
			`target_group="targetgroup/web/943f017f100becff"} 1`,
		`berth_target_response_seconds_bucket{load_balancer="app/lb/50dc6c495c0c9188",` +
			`target_group="targetgroup/web/943f017f100becff",le="0.01"} 0`,
		`berth_target_response_seconds_bucket{load_balancer="app/lb/50dc6c495c0c9188",` +
			`target_group="targetgroup/web/943f017f100becff",le="0.025"} 1`,
		`berth_target_response_seconds_sum{load_balancer="app/lb/50dc6c495c0c9188",` +
			`target_group="targetgroup/web/943f017f100becff"} 0.02`,
		`berth_load_balancer_bytes_total{direction="received",load_balancer="app/lb/50dc6c495c0c9188"} 1000`,
		`berth_load_balancer_connections{load_balancer="app/lb/50dc6c495c0c9188",side="client"} 3`,
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
