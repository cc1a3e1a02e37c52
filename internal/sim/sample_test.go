package sim

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

var made = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// sample returns a stack with a cluster of instances of two vCPUs and services behind one load balancer, each of which
// tracks 60 per cent of CPU.
func sample(services, instances int) *blueprint.Stack {
	s := &blueprint.Stack{Format: blueprint.Format, Region: region, Account: account}
	cluster := ecs.ARN(region, account, ecs.TypeCluster, "prod")
	s.Clusters = []*ecs.Cluster{{ClusterARN: cluster, ClusterName: "prod", Status: ecs.ClusterActive}}
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\necho ECS_CLUSTER=prod >> /etc/ecs/ecs.config\n"))
	s.LaunchConfigurations = []*fleet.LaunchConfiguration{{Name: "lc", Region: region, Account: account,
		Data: fleet.LaunchData{InstanceType: "t3.medium", ImageID: fleet.Images(region)[0].ID, UserData: script}}}
	s.Groups = []*fleet.AutoScalingGroup{{Name: "asg", ID: "1", Region: region, Account: account, CreatedAt: made,
		Min: 1, Max: 2 * instances, Desired: instances, Zones: []string{region + "a", region + "b"},
		Launch: fleet.LaunchSource{Configuration: "lc"}, HealthCheckType: "EC2", Cooldown: 300,
		Policies: []string{fleet.PolicyDefault}}}
	lb := "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	listener := "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/50dc6c495c0c9188/0467ef3c8400ae65"
	s.LoadBalancers = []*elb.LoadBalancer{{ARN: lb, Name: "web"}}
	s.Listeners = []*elb.Listener{{ARN: listener, LoadBalancerARN: lb, Port: 80, Protocol: elb.HTTP}}
	for i := range services {
		addService(s, cluster, listener, fmt.Sprintf("web%02d", i))
	}
	return s
}

// fixed returns a sample in which nothing scales.
func fixed(services, instances int) *blueprint.Stack {
	s := sample(services, instances)
	s.ScalableTargets, s.ScalingPolicies = nil, nil
	return s
}

func addService(s *blueprint.Stack, cluster, listener, name string) {
	group := "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/" + name + "/73e2d6bc24d8a067"
	s.TargetGroups = append(s.TargetGroups, &elb.TargetGroup{ARN: group, Name: name, Protocol: elb.HTTP, Port: 80,
		TargetType: elb.TargetInstance})
	s.Rules = append(s.Rules, &elb.Rule{ARN: listener + "/" + name, ListenerARN: listener, Priority: len(s.Rules) + 1,
		Actions: []elb.Action{{Type: "forward", Forward: &elb.Forward{
			TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}}}}}})
	d := &ecs.TaskDefinition{Family: name, Revision: 1, Status: ecs.TaskDefinitionActive,
		NetworkMode: ecs.NetworkBridge, TaskDefinitionARN: ecs.ARN(region, account, ecs.TypeTaskDefinition, name+":1"),
		ContainerDefinitions: []ecs.ContainerDefinition{{
			Name: "app", Image: name, CPU: 256, Memory: 384, Essential: true,
			PortMappings: []ecs.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}}}}
	s.TaskDefinitions = append(s.TaskDefinitions, d)
	v := &ecs.Service{ServiceARN: ecs.ARN(region, account, ecs.TypeService, "prod/"+name), ServiceName: name,
		ClusterARN: cluster, Status: ecs.ServiceActive, DesiredCount: 2, LaunchType: "EC2",
		SchedulingStrategy:      ecs.Replica,
		DeploymentConfiguration: ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200}}
	s.Services = append(s.Services, v)
	s.Revisions = append(s.Revisions, &ecs.ServiceRevision{ServiceARN: v.ServiceARN, ClusterARN: cluster,
		TaskDefinition: d.TaskDefinitionARN, LaunchType: "EC2",
		LoadBalancers: []ecs.LoadBalancer{{TargetGroupARN: group, ContainerName: "app", ContainerPort: 80}}})
	id := "service/prod/" + name
	s.ScalableTargets = append(s.ScalableTargets, &appscaling.Target{ID: name, Region: region, Account: account,
		ResourceID: id, Bounds: scaling.Bounds{Min: 2, Max: 20}, CreatedAt: made})
	s.ScalingPolicies = append(s.ScalingPolicies, &appscaling.Policy{ID: name, Region: region, Account: account,
		ResourceID: id, Name: "cpu", Type: appscaling.TargetTracking, CreatedAt: made,
		Tracking: &appscaling.Tracking{Tracking: scaling.Tracking{Target: 60},
			Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}, HighID: "h" + name, LowID: "l" + name}})
}

// day is a wave for each service of a sample, with its peaks spread over the day.
func day(services int, noise float64) (all []Load) {
	for i := range services {
		all = append(all, Load{Service: fmt.Sprintf("web%02d", i), Noise: noise, Cost: UsualCost(),
			Curve: Wave{Low: 20, High: 150, Period: 24 * time.Hour, Peak: time.Duration(i%24) * time.Hour}})
	}
	return all
}

func simulate(t testing.TB, s *blueprint.Stack, loads []Load, change func(*Options)) *Report {
	t.Helper()
	o := Usual()
	if change != nil {
		change(&o)
	}
	r, err := Run(t.Context(), s, loads, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
