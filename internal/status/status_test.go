package status

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/why"
)

func TestReportTellsWhatRunsAndWhatWaits(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const prefix = "arn:aws:ecs:us-east-1:123456789012:"
	lb := elb.LoadBalancerARN("us-east-1", "123456789012", "web", "0000000000000001")
	listener := elb.ListenerARN(lb, "0000000000000002")
	group := elb.TargetGroupARN("us-east-1", "123456789012", "tg", "0000000000000003")
	now := time.Unix(1000, 0)
	err = store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: prefix + "cluster/c", ClusterName: "c", Status: ecs.ClusterActive})
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: "arn:aws:ecs:eu-west-2:123456789012:cluster/other",
			ClusterName: "other", Status: ecs.ClusterActive})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: prefix +
			"container-instance/c/i", ClusterARN: prefix + "cluster/c", EC2InstanceID: "i-1",
			Status: ecs.InstanceActive, Address: "127.0.1.2", Registered: ecs.Resources{CPU: 1024, Memory: 512}})
		tx.Services.Put(&ecs.Service{ServiceARN: prefix + "service/c/s", ServiceName: "s",
			ClusterARN: prefix + "cluster/c", Status: ecs.ServiceActive, DesiredCount: 2})
		tx.ServiceProgress.Put(&ecs.ServiceProgress{ServiceARN: prefix + "service/c/s",
			Deployments: []ecs.Deployment{{ID: "d", Status: ecs.DeploymentPrimary,
				Revision:     ecs.ServiceRevision{TaskDefinition: prefix + "task-definition/f:1"},
				RolloutState: ecs.RolloutInProgress}}})
		tx.ServiceEvents.Put(&ecs.Event{ServiceARN: prefix + "service/c/s", Sequence: 9, Message: "older"})
		tx.ServiceEvents.Put(&ecs.Event{ServiceARN: prefix + "service/c/s", Sequence: 10, Message: "newer"})
		for id, status := range map[string]ecs.TaskStatus{"1": ecs.Running, "2": ecs.Pending, "3": ecs.Stopped} {
			task := &ecs.Task{TaskARN: prefix + "task/c/" + id, ClusterARN: prefix + "cluster/c",
				ServiceARN: prefix + "service/c/s", TaskDefinitionARN: prefix + "task-definition/f:1",
				ContainerInstanceARN: prefix + "container-instance/c/i", LastStatus: status,
				DesiredStatus: ecs.Running, Need: ecs.Resources{CPU: 256, Memory: 128}}
			if status == ecs.Running {
				task.Containers = []ecs.Container{
					{Name: "a", NetworkBindings: []ecs.NetworkBinding{{HostPort: 32768, ContainerPort: 80}},
						HealthStatus: ecs.Unhealthy},
				}
			}
			tx.Tasks.Put(task)
		}
		for id, code := range map[string]string{"5": ecs.TaskFailedToStart, "6": ecs.EssentialContainerExited,
			"7": ecs.UserInitiated, "8": ecs.TaskFailedToStart} {
			n, _ := strconv.Atoi(id)
			tx.Tasks.Put(&ecs.Task{TaskARN: prefix + "task/c/" + id, ClusterARN: prefix + "cluster/c",
				ServiceARN: prefix + "service/c/s", LastStatus: ecs.Stopped,
				StartedBy:  cmp.Or(map[string]string{"8": "another"}[id], "d"),
				Containers: []ecs.Container{{Name: "a", ExitCode: new(3)}}, StopCode: code,
				StoppedReason: "reason " + id, StoppedAt: now.Add(time.Duration(n) * time.Second)})
		}
		tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: prefix + "task-definition/h:1",
			NetworkMode: ecs.NetworkHost,
			ContainerDefinitions: []ecs.ContainerDefinition{
				{Name: "a", PortMappings: []ecs.PortMapping{{ContainerPort: 8080}}},
			}})
		tx.Tasks.Put(&ecs.Task{TaskARN: prefix + "task/c/4", ClusterARN: prefix + "cluster/c",
			TaskDefinitionARN:    prefix + "task-definition/h:1",
			ContainerInstanceARN: prefix + "container-instance/c/i", LastStatus: ecs.Running,
			DesiredStatus: ecs.Running})
		tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: lb, Name: "web", DNSName: "web-1.example"})
		tx.Listeners.Put(&elb.Listener{ARN: listener, LoadBalancerARN: lb, Protocol: "HTTP", Port: 80})
		for i, address := range []string{"127.0.0.1:8080", "127.1.0.1:8080"} { // two more on the same port
			later := elb.LoadBalancerARN("us-east-1", "123456789012", fmt.Sprint("zz", i), "0000000000000009")
			of := elb.ListenerARN(later, "0000000000000009")
			tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: later, Name: fmt.Sprint("ZZ", i), Created: now})
			tx.Listeners.Put(&elb.Listener{ARN: of, LoadBalancerARN: later, Protocol: "HTTP", Port: 80})
			tx.BoundListeners.Put(&elb.BoundListener{ListenerARN: of, Bound: elb.Bound{Address: address}})
		}
		tx.Rules.Put(&elb.Rule{ARN: elb.RuleARN(listener, "0000000000000004"), ListenerARN: listener,
			Actions: []elb.Action{{Type: elb.ActionForward, Forward: &elb.Forward{
				TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}},
			}}}})
		target := &elb.Target{TargetGroupARN: group, ID: "i-1", Port: 32768,
			Address: netip.MustParseAddr("127.0.1.2").String(), Registered: now}
		tx.Targets.Put(target)
		tx.TargetHealth.Put(&elb.TargetHealth{
			Verdict: elb.Verdict{Key: target.Key(), Registered: now, State: elb.Healthy},
		})
		tx.BoundListeners.Put(&elb.BoundListener{
			ListenerARN: listener, Bound: elb.Bound{Address: "127.0.0.1:8080", Reason: "port 80 is in use"},
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := Of(&store.View().Tables, "123456789012", "us-east-1", now)
	want := Report{
		Region: "us-east-1",
		Clusters: []Cluster{{
			Name: "c",
			Instances: []Instance{{ID: "i", EC2InstanceID: "i-1", Address: "127.0.1.2", Status: "ACTIVE",
				Running: 2, Pending: 1, FreeCPU: 512, CPU: 1024, FreeMemory: 256, Memory: 512,
				Notice: "the agent is not connected"}},
			Services: []Service{{Name: "s", Status: "ACTIVE", TaskDefinition: "f:1",
				Rollout: "IN_PROGRESS", Desired: 2, Running: 1, Pending: 1, LastEvent: "newer",
				LastFailure: "reason 6 (a: exit code 3)", Tasks: []Task{
					{ID: "1", Definition: "f:1", Status: "RUNNING", Instance: "i-1", Address: "127.0.1.2:32768",
						Notice: "The health check of container a fails"},
					{ID: "2", Definition: "f:1", Status: "PENDING", Instance: "i-1",
						Notice: "On its container instance i-1 the agent is not connected"},
				}}},
			Tasks: []Task{{ID: "4", Definition: "h:1", Status: "RUNNING", Instance: "i-1", Address: "127.0.1.2:8080"}},
		}},
		LoadBalancers: []LoadBalancer{{Name: "web", DNSName: "web-1.example", Listeners: []Listener{
			{Port: 80, URL: "http://127.0.0.1:8080", Notice: "port 80 is in use", Targets: map[string]int{"healthy": 1},
				Rules: []Rule{{Groups: []Group{{"tg", 1, map[string]int{"healthy": 1}}}}}},
		}}, {Name: "ZZ0", Listeners: []Listener{
			{Port: 80, URL: "http://zz0.localhost:8080", Targets: map[string]int{}},
		}}, {Name: "ZZ1", Listeners: []Listener{{Port: 80, URL: "http://127.1.0.1:8080", Targets: map[string]int{},
			Notice: "send the header Host: zz1.localhost; " +
				"without it, requests to this address reach load balancer web"}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Of =\n%+v\nwant\n%+v", got, want)
	}
}

// An agent that ends again and again is reported until its instance has been registered.
// An instance that is drained before its termination says what it waits for.
func TestInstanceThatIsDrained(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const region, account, prefix = "us-east-1", "123456789012", "arn:aws:ecs:us-east-1:123456789012:"
	err = store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: prefix + "cluster/c", ClusterName: "c", Status: ecs.ClusterActive})
		a := &fleet.Activity{ID: "a", Region: region, Account: account, Group: "g", StatusMessage: "2 tasks are left."}
		tx.Activities.Put(a)
		for id, connected := range map[string]bool{"i-1": true, "i-2": false} {
			tx.Instances.Put(&fleet.Instance{ID: id, Region: region, Account: account, Scaling: fleet.Membership{
				TerminatedBy: a.Key(), Actions: []fleet.LifecycleAction{{Hook: fleet.DrainingHook}}}})
			tx.ContainerInstances.Put(&ecs.ContainerInstance{
				ContainerInstanceARN: prefix + "container-instance/c/" + id,
				ClusterARN:           prefix + "cluster/c", EC2InstanceID: id, Status: ecs.InstanceDraining,
				AgentConnected: connected})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := Of(&store.View().Tables, account, region, time.Unix(1000, 0)).Clusters[0].Instances
	if got[0].Notice != "2 tasks are left" || got[1].Notice != "the agent is not connected" {
		t.Errorf("the notices are %q and %q", got[0].Notice, got[1].Notice)
	}
}

func TestAgentFailure(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put := func(restarts int, registered bool, joins string) Report {
		t.Helper()
		err := store.Update(t.Context(), func(tx *state.Tx) error {
			for _, name := range []string{"other", "shop"} {
				tx.Clusters.Put(&ecs.Cluster{ClusterARN: ecs.ARN("us-east-1", "123456789012", ecs.TypeCluster, name),
					ClusterName: name, Status: ecs.ClusterActive})
			}
			tx.Instances.Put(&fleet.Instance{
				ID: "i-1", Region: "us-east-1", Account: "123456789012", State: fleet.Running,
				Machine: fleet.MachineStatus{
					Phase: fleet.PhaseRestarting, Reason: "the agent exited with code 1", Restarts: restarts,
					Cluster: joins,
				},
			})
			if registered {
				tx.ContainerInstances.Put(&ecs.ContainerInstance{
					ContainerInstanceARN: ecs.ARN("us-east-1", "123456789012", ecs.TypeContainerInstance, "c/1"),
					EC2InstanceID:        "i-1",
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return Of(&store.View().Tables, "123456789012", "us-east-1", time.Unix(1000, 0))
	}
	const failure = "instance i-1: the agent exited with code 1"
	for _, tt := range []struct {
		restarts         int
		registered       bool
		joins            string
		all, shop, other string // the failures of the region and of two clusters
	}{
		{1, false, "shop", "", "", ""},
		{3, false, "shop", failure, failure, ""},
		{3, false, "", failure, failure, failure}, // nobody knows which
		{4, true, "shop", "", "", ""},
	} {
		r := put(tt.restarts, tt.registered, tt.joins)
		if r.AgentFailure != tt.all || r.Clusters[1].AgentFailure != tt.shop || r.Clusters[0].AgentFailure != tt.other {
			t.Errorf("%d restarts, registered %t, joins %q: %q, clusters %+v", tt.restarts, tt.registered, tt.joins,
				r.AgentFailure, r.Clusters)
		}
	}
}

// A service says why its policies change nothing, but not that it is idle.
func TestScalingOfServices(t *testing.T) {
	const region, account = "us-east-1", "123456789012"
	now := time.Unix(1000, 0)
	policy := &appscaling.Policy{ID: "p", Region: region, Account: account, ResourceID: "service/c/s", Name: "cpu",
		Type: appscaling.TargetTracking, Tracking: &appscaling.Tracking{HighID: "h", LowID: "l",
			Tracking: scaling.Tracking{Target: 60}, Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}}
	for _, c := range []struct {
		reason  scaling.Reason
		desired int
		told    bool
	}{{scaling.AlreadyAtMax, 4, true}, {scaling.AlreadyAtMin, 2, false}, {scaling.AlreadyAtDesired, 3, false}} {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		svc := &ecs.Service{ServiceARN: ecs.ARN(region, account, ecs.TypeService, "c/s"), ServiceName: "s",
			CreatedAt: now, ClusterARN: ecs.ARN(region, account, ecs.TypeCluster, "c"), Status: ecs.ServiceActive,
			DesiredCount: c.desired}
		err = store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: svc.ClusterARN, ClusterName: "c", Status: ecs.ClusterActive})
			tx.Services.Put(svc)
			tx.ScalableTargets.Put(&appscaling.Target{ID: "t", Region: region, Account: account,
				ResourceID: "service/c/s", Bounds: scaling.Bounds{Min: 2, Max: 4}})
			tx.PutScalingPolicy(policy, now)
			for _, arn := range policy.AlarmARNs() {
				tx.AlarmStatus.Put(&alarm.Status{ARN: arn, Value: scaling.InAlarm, TransitionedAt: now})
			}
			tx.ScalingProgress.Put(&appscaling.Progress{Region: region, Account: account, ResourceID: "service/c/s",
				Service: now, Held: c.reason, HeldSince: now})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := why.Scaling(&store.View().Tables, svc, now); text == "" {
			t.Errorf("%s is not explained", c.reason)
		}
		got := Of(&store.View().Tables, account, region, now).Clusters[0].Services[0].Scaling
		if (got != "") != c.told {
			t.Errorf("%s: %q, want it told: %v", c.reason, got, c.told)
		}
	}
}
