package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// latestDeployment returns the newest service deployment of service web, as the history has it.
func (s server) latestDeployment(t *testing.T) (arn, status string) {
	t.Helper()
	var out struct {
		ServiceDeployments []struct{ ServiceDeploymentArn, Status string }
	}
	s.Call(t, "ecs", "ListServiceDeployments", object{"cluster": cluster, "service": "web"}, &out)
	if len(out.ServiceDeployments) == 0 {
		t.Fatal("the history is empty")
	}
	return out.ServiceDeployments[0].ServiceDeploymentArn, out.ServiceDeployments[0].Status
}

// becomes waits until the newest service deployment has a status.
func (s server) becomes(t *testing.T, want string) {
	t.Helper()
	harness.Until(t, 2*time.Minute, "the deployment is "+want, func() string {
		if _, status := s.latestDeployment(t); status != want {
			return "it is " + status
		}
		return ""
	})
}

// A deployment in progress is rolled back when a user asks for it, and when an alarm goes off. No request fails
// meanwhile (ecs.md 3.5.3, 3.6).
func TestRollbacksLoseNoRequest(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", answering(probe, "old"), nil), group, 2)
	s.steady(t, "web")
	s.becomes(t, "SUCCESSFUL")
	load := harness.Visit(url, 4)
	next := s.define(t, "web", answering(probe, "new"), nil)
	// alone waits until the tasks of the new revision are the only ones, and the deployment is not completed yet.
	alone := func() {
		t.Helper()
		harness.Until(t, time.Minute, "the new tasks are alone", func() string {
			v := s.service(t, "web")
			if len(v.Deployments) == 2 && v.Deployments[0].RunningCount == 2 && v.Deployments[1].RunningCount == 0 {
				return ""
			}
			return fmt.Sprint(v.Deployments)
		})
	}
	serves := func(want string) {
		t.Helper()
		for range 8 {
			if a := get(t, url); a.status != http.StatusOK || a.body != want {
				t.Errorf("%q answers (%d), want %q", a.body, a.status, want)
			}
		}
	}

	s.Ask(t, "monitoring", "PutMetricAlarm", form{
		"AlarmName": "errors", "Namespace": "shop", "MetricName": "errors", "Statistic": "Sum", "Period": "60",
		"EvaluationPeriods": "1", "Threshold": "1", "ComparisonOperator": "GreaterThanThreshold",
	})
	s.Call(t, "ecs", "UpdateService", object{
		"cluster": cluster, "service": "web", "taskDefinition": next,
		"deploymentConfiguration": object{"alarms": object{
			"alarmNames": list{"errors"}, "enable": true, "rollback": true,
		}},
	}, nil)
	alone()
	s.becomes(t, "IN_PROGRESS") // the alarm watches it
	arn, _ := s.latestDeployment(t)
	s.Call(t, "ecs", "StopServiceDeployment", object{"serviceDeploymentArn": arn}, nil)
	s.becomes(t, "ROLLBACK_SUCCESSFUL")
	serves("old")

	s.Call(t, "ecs", "UpdateService", object{"cluster": cluster, "service": "web", "taskDefinition": next}, nil)
	alone()
	s.Ask(t, "monitoring", "SetAlarmState", form{
		"AlarmName": "errors", "StateValue": "ALARM", "StateReason": "a test",
	})
	s.becomes(t, "ROLLBACK_SUCCESSFUL")
	serves("old")

	answers := load.LosesNothing(t)
	if answers["new"] == 0 {
		t.Error("the load has not seen the revision that was rolled back")
	}
}
