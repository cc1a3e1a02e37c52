package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// A load client makes the containers of a service burn CPU. The service is scaled out to its maximum, and when the load
// leaves, in to its minimum. Nobody pushes a metric. The tag berth:pace of the scalable target counts a minute as a
// second, so that the story is short; the server has the pace of AWS. The AWS CLI only reads.
func TestServiceScalesWithItsLoad(t *testing.T) {
	harness.Need(t, awsCLI)
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "chat", s.define(t, "chat", container(probe, nil), nil), group, 1)
	s.steady(t, "chat")
	const resource = "service/" + cluster + "/chat"
	target := object{"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": "ecs:service:DesiredCount"}
	with := func(more object) object {
		for name, value := range target {
			more[name] = value
		}
		return more
	}
	s.Call(t, "application-autoscaling", "RegisterScalableTarget", with(object{"MinCapacity": 1, "MaxCapacity": 2,
		"Tags": object{"berth:pace": "seconds"}}), nil)
	// A container has reserved 64 units; at 20 % of that one request of a millisecond in ten is enough.
	s.Call(t, "application-autoscaling", "PutScalingPolicy", with(object{"PolicyName": "cpu",
		"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": object{"TargetValue": 20,
			"PredefinedMetricSpecification": object{"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}}), nil)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		burn(ctx, url+"/burn")
	}()
	s.scaled(t, 2)
	stop()
	<-ended
	s.scaled(t, 1)
	sh := newShell(t, s)
	told := sh.run(t, "aws application-autoscaling describe-scaling-activities --service-namespace ecs --resource-id "+
		resource+" --query 'ScalingActivities[].[StatusCode,Description,Cause]' --output text\n"+
		"aws ecs describe-services --cluster "+cluster+" --services chat --query 'services[0].desiredCount'\n"+
		"aws cloudwatch describe-alarms --alarm-name-prefix TargetTracking-"+resource+
		" --query 'MetricAlarms[].[Threshold,Period,EvaluationPeriods]' --output text")
	for _, want := range []string{
		"Successful\tSetting desired count to 2.\tmonitor alarm TargetTracking-" + resource + "-AlarmHigh-",
		"Setting desired count to 1.\tmonitor alarm TargetTracking-" + resource + "-AlarmLow-",
		"\n1\n", "20.0\t60\t3\n18.0\t60\t15\n", // the settings are those of AWS
	} {
		if !strings.Contains(told, want) {
			t.Errorf("the CLI does not read %q:\n%s", want, told)
		}
	}
}

// scaled waits until that many tasks of the service are desired and run.
func (s server) scaled(t *testing.T, count int) {
	t.Helper()
	began := time.Now()
	harness.Until(t, 5*time.Minute, fmt.Sprintf("%d tasks are desired and run", count), func() string {
		v := s.service(t, "chat")
		if v.DesiredCount == count && v.RunningCount == count {
			return ""
		}
		return fmt.Sprintf("%d are desired, and %d run; alarms are %v", v.DesiredCount, v.RunningCount,
			s.Ask(t, "monitoring", "DescribeAlarms", form{}).All("StateReason"))
	})
	t.Logf("%d tasks after %v", count, time.Since(began).Round(time.Second/10))
}

// burn sends requests that each cost a few milliseconds of CPU until ctx ends, one after another.
func burn(ctx context.Context, url string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}
}
