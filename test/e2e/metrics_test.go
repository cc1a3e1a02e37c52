package e2e

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// Berth itself measures the CPU that a container uses and the requests that a load balancer serves. CloudWatch has
// both.
func TestMeasuredMetrics(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "burn", s.define(t, "burn", container(probe, object{"environment": list{
		object{"name": "BURN", "value": "1"},
	}}), nil), group, 1)
	s.steady(t, "burn")
	const requests = 20
	for range requests {
		if a := get(t, url); a.status != http.StatusOK {
			t.Fatalf("the load balancer answers %d %q", a.status, a.body)
		}
	}
	balancer := s.Ask(t, "elasticloadbalancing", "DescribeLoadBalancers", form{}).First("LoadBalancerArn")
	_, balancer, _ = strings.Cut(balancer, "loadbalancer/")
	_, group, _ = strings.Cut(group, "targetgroup/")
	instance := s.Ask(t, "ec2", "DescribeInstances", form{}).First("instanceId")
	service := "ClusterName=" + cluster + " ServiceName=burn"
	for _, c := range []struct {
		metric, statistic, dimensions string
		atLeast, atMost               float64
	}{
		{"AWS/ECS CPUUtilization", "Average", service, 5, 1e6}, // 64 units are reserved, a core has 1024
		{"AWS/ECS CPUUtilization", "SampleCount", service, 1, 1},
		{"AWS/ECS MemoryUtilization", "Average", service, 0, 1e6},
		{"AWS/ECS CPUUtilization", "Average", "ClusterName=" + cluster, 0.01, 110},
		// 64 of 2048 units, less in the minute in which the task was placed.
		{"AWS/ECS CPUReservation", "Average", "ClusterName=" + cluster, 0.01, 3.125},
		{"AWS/EC2 CPUUtilization", "Average", "InstanceId=" + instance, 0.01, 110},
		{"AWS/EC2 CPUUtilization", "Average", "AutoScalingGroupName=asg", 0.01, 110},
		{"AWS/ApplicationELB RequestCount", "Sum", "LoadBalancer=" + balancer, requests, requests},
		{"AWS/ApplicationELB HTTPCode_Target_2XX_Count", "Sum", "LoadBalancer=" + balancer +
			" TargetGroup=targetgroup/" + group, requests, requests},
		{"AWS/ApplicationELB HealthyHostCount", "Maximum", "LoadBalancer=" + balancer +
			" TargetGroup=targetgroup/" + group, 1, 1},
	} {
		harness.Until(t, 5*time.Minute, c.metric+" of "+c.dimensions, func() string {
			points := s.points(t, c.metric, c.statistic, c.dimensions)
			var value float64
			for _, v := range points {
				if c.statistic == "Sum" {
					value += v
				} else {
					value = max(value, v)
				}
			}
			if len(points) == 0 || value < c.atLeast || value > c.atMost {
				return fmt.Sprintf("%s of the points is %v, want %v to %v", c.statistic, points, c.atLeast, c.atMost)
			}
			return ""
		})
	}
	// The page for Prometheus has the same number of requests.
	resp, err := s.Client.Get(s.URL() + "/_berth/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^berth_load_balancer_requests_total\{.*status="2xx",.*\} (\d+)$`)
	if m := line.FindSubmatch(page); m == nil || string(m[1]) != strconv.Itoa(requests) {
		t.Errorf("the page of metrics does not have %d requests: %s", requests, page)
	}
}

func hourAgo() string { return time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) }

func inAMinute() string { return time.Now().Add(time.Minute).UTC().Format(time.RFC3339) }

// points returns the values of a statistic of the last hour, by the minute. metric is a namespace and a name.
func (s server) points(t *testing.T, metric, statistic, dimensions string) (values []float64) {
	t.Helper()
	namespace, name, _ := strings.Cut(metric, " ")
	in := form{"Namespace": namespace, "MetricName": name, "Period": "60", "Statistics.member.1": statistic,
		"StartTime": hourAgo(), "EndTime": inAMinute()}
	for i, d := range strings.Fields(dimensions) {
		key := fmt.Sprintf("Dimensions.member.%d.", i+1)
		in[key+"Name"], in[key+"Value"], _ = strings.Cut(d, "=")
	}
	for _, text := range s.Ask(t, "monitoring", "GetMetricStatistics", in).All(statistic) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	return values
}
