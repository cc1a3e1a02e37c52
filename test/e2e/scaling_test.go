package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awscli"
	"github.com/berthhq/berth/test/harness"
)

// The load of a chat makes its service grow from one task to three, and the group of its capacity provider from one
// instance to two, since an instance has room for two tasks. When the load leaves, two tasks leave, and then the
// instance of the last one: it is drained, so the task moves to the other instance first. Nobody pushes a metric. No
// request fails, and Socket.IO clients stay connected. The server counts a minute as a second. The AWS CLI only reads.
func TestServiceAndInstancesScaleWithTheLoad(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), awsCLI, nodeJS)
	s := server{harness.Start(t, harness.Config{Edge: edgeAddr, Args: []string{"--scaling-pace", "seconds"}})}
	chat := s.Push(t, "chat")
	s.launch(t, 1)
	s.capacityProvider(t, 2)
	group := s.TargetGroup(t, "chat", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "chat", s.define(t, "chat", container(chat, object{"memoryReservation": 1500, "environment": list{
		object{"name": "PORT", "value": "8080"}, object{"name": "DRAIN_SECONDS", "value": "1"}}}), nil), group, 1)
	s.steady(t, "chat")
	s.tracksCPU(t, 1, 3)
	harness.Until(t, time.Minute, "the chat answers", func() string {
		if err := page(t.Context(), http.DefaultClient, url); err != nil {
			return err.Error()
		}
		return ""
	})

	clients := stay(t, url, 4)
	load := press(t, url)
	s.scaled(t, 3, 2, load.more)
	load.rate.Store(10)
	terminate := form{"AutoScalingGroupName": "asg", "ScalingProcesses.member.1": "Terminate"}
	s.Ask(t, "autoscaling", "SuspendProcesses", terminate)
	s.scaled(t, 1, 2, nil)
	from, to := s.apart(t)
	s.Ask(t, "autoscaling", "SetInstanceProtection", form{"AutoScalingGroupName": "asg", "InstanceIds.member.1": to,
		"ProtectedFromScaleIn": "true"}) // so that the group terminates the instance with the task
	s.Ask(t, "autoscaling", "ResumeProcesses", terminate)
	s.scaled(t, 1, 1, nil)
	if at, _ := s.apart(t); at != to {
		t.Errorf("the last task is on %s, want %s", at, to)
	}
	load.end(t)
	clients.end(t)
	s.tellsHowItScaled(t, from)
}

// capacityProvider lets the cluster launch up to most instances in the group, and at least one.
func (s server) capacityProvider(t *testing.T, most int) {
	t.Helper()
	s.Ask(t, "autoscaling", "UpdateAutoScalingGroup", form{"AutoScalingGroupName": "asg", "MinSize": "1",
		"MaxSize": fmt.Sprint(most)})
	groups := s.Ask(t, "autoscaling", "DescribeAutoScalingGroups", form{})
	s.Call(t, "ecs", "CreateCapacityProvider", object{"name": "machines", "autoScalingGroupProvider": object{
		"autoScalingGroupArn": groups.First("AutoScalingGroupARN"),
		"managedScaling":      object{"status": "ENABLED", "instanceWarmupPeriod": 1}}}, nil)
	s.Call(t, "ecs", "PutClusterCapacityProviders", object{"cluster": cluster,
		"capacityProviders":               list{"machines"},
		"defaultCapacityProviderStrategy": list{object{"capacityProvider": "machines", "weight": 1}}}, nil)
}

const scaledResource = "service/" + cluster + "/chat"

// tracksCPU makes the service keep 40 % of the CPU that its tasks reserve.
func (s server) tracksCPU(t *testing.T, least, most int) {
	t.Helper()
	target := func(more object) object {
		more["ServiceNamespace"], more["ResourceId"] = "ecs", scaledResource
		more["ScalableDimension"] = "ecs:service:DesiredCount"
		return more
	}
	s.Call(t, "application-autoscaling", "RegisterScalableTarget",
		target(object{"MinCapacity": least, "MaxCapacity": most}), nil)
	s.Call(t, "application-autoscaling", "PutScalingPolicy", target(object{"PolicyName": "cpu",
		"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": object{"TargetValue": 40,
			"PredefinedMetricSpecification": object{"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}}), nil)
}

// members returns the instances of the group by id, with their states.
func (s server) members(t *testing.T) (ids, states []string) {
	t.Helper()
	d := s.Ask(t, "autoscaling", "DescribeAutoScalingInstances", form{})
	return d.All("InstanceId"), d.All("LifecycleState")
}

// scaled waits until that many tasks of the service are desired and run, on a group of that many instances. It calls
// again, if it is not nil, about once a second.
func (s server) scaled(t *testing.T, tasks, instances int, again func(service)) {
	t.Helper()
	began, called := time.Now(), time.Time{}
	harness.Until(t, 5*time.Minute, fmt.Sprintf("%d tasks run on %d instances", tasks, instances), func() string {
		v := s.service(t, "chat")
		ids, states := s.members(t)
		if v.DesiredCount == tasks && v.RunningCount == tasks && len(ids) == instances {
			return ""
		}
		if again != nil && time.Since(called) > time.Second {
			again(v)
			called = time.Now()
		}
		return fmt.Sprintf("%d are desired, and %d run; instances are %v; alarms are %v", v.DesiredCount,
			v.RunningCount, states, s.Ask(t, "monitoring", "DescribeAlarms", form{}).All("StateReason"))
	})
	s.See()
	t.Logf("%d tasks on %d instances after %v", tasks, instances, time.Since(began).Round(time.Second/10))
}

// apart returns the EC2 instance of the only task, and the other instance of the group, if there is one.
func (s server) apart(t *testing.T) (with, without string) {
	t.Helper()
	tasks := s.tasks(t)
	if len(tasks) != 1 {
		t.Fatalf("there are %d tasks", len(tasks))
	}
	var out struct {
		ContainerInstances []struct{ Ec2InstanceID string }
	}
	s.Call(t, "ecs", "DescribeContainerInstances", object{"cluster": cluster,
		"containerInstances": list{tasks[0].ContainerInstanceArn}}, &out)
	with = out.ContainerInstances[0].Ec2InstanceID
	ids, _ := s.members(t)
	for _, id := range ids {
		if id != with {
			without = id
		}
	}
	return with, without
}

// tellsHowItScaled checks what the AWS CLI reads afterwards. drained is the instance that was terminated.
func (s server) tellsHowItScaled(t *testing.T, drained string) {
	t.Helper()
	told := newShell(t, s, awscli.Plain()).run(t, "aws application-autoscaling describe-scaling-activities "+
		"--service-namespace ecs --resource-id "+scaledResource+
		" --query 'ScalingActivities[].[StatusCode,Description,Cause]' --output text\n"+
		"aws cloudwatch describe-alarms --alarm-name-prefix TargetTracking-"+scaledResource+
		" --query 'MetricAlarms[].[Threshold,Period,EvaluationPeriods]' --output text\n"+
		"aws autoscaling describe-scaling-activities --auto-scaling-group-name asg "+
		"--query 'Activities[].[StatusCode,Description,Cause]' --output text")
	for _, want := range []string{
		"Successful\tSetting desired count to 3.\tmonitor alarm TargetTracking-" + scaledResource + "-AlarmHigh-",
		"Setting desired count to 1.\tmonitor alarm TargetTracking-" + scaledResource + "-AlarmLow-",
		"40.0\t60\t3\n36.0\t60\t15\n", // the settings are those of AWS
		"Successful\tTerminating EC2 instance: " + drained + "\t", "a monitor alarm TargetTracking-asg-AlarmLow-",
		"a monitor alarm TargetTracking-asg-AlarmHigh-",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("the CLI does not read %q:\n%s", want, told)
		}
	}
}

// pressure is clients that load the page of the chat again and again, on new connections so that every task gets some.
type pressure struct {
	rate             atomic.Int64 // pages a second
	answered, failed atomic.Int64
	failure          atomic.Pointer[string] // the first one
	stop             context.CancelFunc
	running          sync.WaitGroup
}

// press starts a load.
func press(t *testing.T, url string) *pressure {
	ctx, stop := context.WithCancel(t.Context())
	l := &pressure{stop: stop}
	l.rate.Store(100)
	pages := make(chan struct{}, 100)
	l.running.Go(func() {
		defer close(pages)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second / time.Duration(l.rate.Load())):
				select {
				case pages <- struct{}{}:
				default: // what the clients do not manage is not made up for
				}
			}
		}
	})
	for range 8 {
		l.running.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for range pages {
				if err := page(ctx, client, url); err == nil {
					l.answered.Add(1)
				} else if ctx.Err() == nil {
					text := err.Error()
					l.failure.CompareAndSwap(nil, &text)
					l.failed.Add(1)
				}
			}
		})
	}
	return l
}

// more raises the load while the service has not grown.
func (l *pressure) more(v service) {
	if rate := l.rate.Load(); v.RunningCount < 3 && rate < 3000 {
		l.rate.Store(rate * 3 / 2)
	}
}

func page(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the load balancer answers %s", resp.Status)
	}
	return nil
}

// end ends the load. Every page must have been answered.
func (l *pressure) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.running.Wait()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d of %d pages failed; the first one: %s", n, n+l.answered.Load(), *l.failure.Load())
	}
	t.Logf("%d pages were answered", l.answered.Load())
}

// stayers are Socket.IO clients in a process of Node.js.
type stayers struct {
	node *nodeProcess
	n    int
}

func stay(t *testing.T, url string, n int) stayers {
	return stayers{startNode(t, "js/stay.mjs", url, fmt.Sprint(n)), n}
}

// end ends the clients. All must be connected and answered, on another server than at first since that was drained.
func (c stayers) end(t *testing.T) {
	t.Helper()
	var all []struct {
		Connects, Answered int
		Servers, Ended     []string
		Connected          bool
		Last               string
	}
	c.node.end(t, &all)
	if len(all) != c.n {
		t.Fatalf("there are %d clients, want %d", len(all), c.n)
	}
	for _, one := range all {
		if !one.Connected || one.Last != "" || one.Answered == 0 || one.Connects != len(one.Ended)+1 ||
			one.Connects < 2 || slices.Contains(one.Ended, "io server disconnect") {
			t.Errorf("a client: %+v", one)
		}
	}
	t.Logf("the first client: %+v", all[0])
}
