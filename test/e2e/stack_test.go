package e2e

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/image"
)

const cluster = "e2e"

// push makes an image of a binary of bin and pushes it to the server's registry. It returns the name for task definitions.
func (s *server) push(t *testing.T, binary string) string {
	t.Helper()
	files, err := image.Binary(filepath.Join(bin, binary), "/"+binary)
	if err != nil {
		t.Fatal(err)
	}
	return s.pushImage(t, binary, image.Config{Entrypoint: []string{"/" + binary}}, image.Base(), files)
}

func (s *server) pushImage(t *testing.T, name string, cfg image.Config, layers ...[]image.File) string {
	t.Helper()
	img, err := image.Build(cfg, layers...)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if err := image.Push(t.Context(), fmt.Sprintf("%s/%s:latest", s.addr, name), img, image.Auth{}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/%s:latest", s.account, s.region, name)
}

// launch makes the cluster and a group of that many container instances over two zones, and waits until they have registered.
func (s *server) launch(t *testing.T, instances int) {
	t.Helper()
	s.call(t, "ecs", "CreateCluster", object{"clusterName": cluster}, nil)
	script := "#!/bin/bash\necho ECS_CLUSTER=" + cluster + " >> /etc/ecs/ecs.config\n"
	s.ask(t, "autoscaling", "CreateLaunchConfiguration", form{
		"LaunchConfigurationName": "lc", "InstanceType": "t3.medium", "UserData": base64.StdEncoding.EncodeToString([]byte(script)),
		"ImageId": s.ask(t, "ec2", "DescribeImages", form{"Filter.1.Name": "name", "Filter.1.Value.1": "*ecs*x86_64*"}).first("imageId"),
	})
	size := fmt.Sprint(instances)
	s.ask(t, "autoscaling", "CreateAutoScalingGroup", form{
		"AutoScalingGroupName": "asg", "LaunchConfigurationName": "lc", "MinSize": "0", "MaxSize": size, "DesiredCapacity": size,
		"AvailabilityZones.member.1": s.region + "a", "AvailabilityZones.member.2": s.region + "b",
	})
	until(t, 30*time.Second, "container instances register", func() string {
		var out struct {
			ARNs []string `json:"containerInstanceArns"`
		}
		s.call(t, "ecs", "ListContainerInstances", object{"cluster": cluster, "filter": "agentConnected == true"}, &out)
		if len(out.ARNs) == instances {
			return ""
		}
		return fmt.Sprintf("%d of %d are connected", len(out.ARNs), instances)
	})
	s.see()
}

// balancer is a load balancer with a listener on port 80 that forwards to one target group unless rules say otherwise.
type balancer struct{ arn, listener, url string }

func (s *server) balance(t *testing.T, targetGroup string) balancer {
	t.Helper()
	d := s.ask(t, "ec2", "DescribeSubnets", form{})
	subnets := d.all("subnetId")
	lb := s.ask(t, "elasticloadbalancing", "CreateLoadBalancer", form{"Name": "lb", "Subnets.member.1": subnets[0], "Subnets.member.2": subnets[1]})
	l := s.ask(t, "elasticloadbalancing", "CreateListener", form{
		"LoadBalancerArn": lb.first("LoadBalancerArn"), "Protocol": "HTTP", "Port": "80",
		"DefaultActions.member.1.Type": "forward", "DefaultActions.member.1.TargetGroupArn": targetGroup,
	})
	b := balancer{arn: lb.first("LoadBalancerArn"), listener: l.first("ListenerArn")}
	until(t, 10*time.Second, "the listener is served", func() string {
		for _, lb := range s.status(t).LoadBalancers {
			if lb.Name == "lb" && len(lb.Listeners) > 0 && lb.Listeners[0].URL != "" {
				b.url = lb.Listeners[0].URL
				return ""
			}
		}
		return "status shows no URL"
	})
	return b
}

// targetGroup makes one of instances, with checks of "/" as quick as AWS allows and attributes of one's own.
func (s *server) targetGroup(t *testing.T, name string, attributes form) string {
	t.Helper()
	vpc := s.ask(t, "ec2", "DescribeVpcs", form{}).first("vpcId")
	arn := s.ask(t, "elasticloadbalancing", "CreateTargetGroup", form{
		"Name": name, "Protocol": "HTTP", "Port": "80", "VpcId": vpc, "TargetType": "instance",
		"HealthCheckIntervalSeconds": "5", "HealthCheckTimeoutSeconds": "2", "HealthyThresholdCount": "2", "UnhealthyThresholdCount": "2",
	}).first("TargetGroupArn")
	in := form{"TargetGroupArn": arn, "Attributes.member.1.Key": "deregistration_delay.timeout_seconds", "Attributes.member.1.Value": "2"}
	for i, k := range slices.Sorted(maps.Keys(attributes)) {
		in[fmt.Sprintf("Attributes.member.%d.Key", i+2)], in[fmt.Sprintf("Attributes.member.%d.Value", i+2)] = k, attributes[k]
	}
	s.ask(t, "elasticloadbalancing", "ModifyTargetGroupAttributes", in)
	return arn
}

// container is a container definition called "app" of an image that listens on port 8080, with changes.
func container(image string, changes object) object {
	c := object{
		"name": "app", "image": image, "essential": true, "cpu": 64, "memoryReservation": 32,
		"portMappings": list{object{"containerPort": 8080}},
	}
	maps.Copy(c, changes)
	return c
}

// define registers a task definition of one container and returns FAMILY:REVISION.
func (s *server) define(t *testing.T, family string, containerDefinition, changes object) string {
	t.Helper()
	in := object{"family": family, "containerDefinitions": list{containerDefinition}}
	maps.Copy(in, changes)
	var out struct {
		TaskDefinition struct{ TaskDefinitionArn string }
	}
	s.call(t, "ecs", "RegisterTaskDefinition", in, &out)
	return out.TaskDefinition.TaskDefinitionArn[strings.LastIndexByte(out.TaskDefinition.TaskDefinitionArn, '/')+1:]
}

// serve creates a service behind a target group, none when that is "".
func (s *server) serve(t *testing.T, name, taskDefinition, targetGroup string, desired int) {
	t.Helper()
	in := object{
		"cluster": cluster, "serviceName": name, "taskDefinition": taskDefinition, "desiredCount": desired,
		"placementStrategy": list{object{"type": "spread", "field": "attribute:ecs.availability-zone"}},
	}
	if targetGroup != "" {
		in["loadBalancers"] = list{object{"targetGroupArn": targetGroup, "containerName": "app", "containerPort": 8080}}
	}
	s.call(t, "ecs", "CreateService", in, nil)
}

// service is what DescribeServices tells.
type service struct {
	RunningCount, DesiredCount int
	Deployments                []struct{ RolloutState, TaskDefinition string }
	Events                     []struct{ Message string }
}

func (s *server) service(t *testing.T, name string) service {
	t.Helper()
	var out struct{ Services []service }
	s.call(t, "ecs", "DescribeServices", object{"cluster": cluster, "services": list{name}}, &out)
	if len(out.Services) != 1 {
		t.Fatalf("DescribeServices answers %d services for %s", len(out.Services), name)
	}
	return out.Services[0]
}

// told returns why a message of that text is not among the events, or "".
func (v service) told(text string) (reason string) {
	for _, e := range v.Events {
		if strings.Contains(e.Message, text) {
			return ""
		}
		reason += "\n  " + e.Message
	}
	return "no event says " + text + ":" + reason
}

// steady waits until a service's only deployment is complete.
func (s *server) steady(t *testing.T, name string) {
	t.Helper()
	until(t, 60*time.Second, "service "+name+" is steady", func() string {
		v := s.service(t, name)
		if len(v.Deployments) == 1 && v.Deployments[0].RolloutState == "COMPLETED" && v.RunningCount == v.DesiredCount {
			return ""
		}
		return fmt.Sprintf("%d of %d run, deployments %v, events %v", v.RunningCount, v.DesiredCount, v.Deployments, v.Events)
	})
}

// task is what DescribeTasks tells.
type task struct {
	TaskArn, LastStatus, StoppedReason, AvailabilityZone, ContainerInstanceArn string

	Containers []struct {
		RuntimeID       string
		NetworkBindings []struct {
			BindIP   string
			HostPort int
		}
		NetworkInterfaces []struct{ PrivateIpv4Address string }
	}
}

// tasks describes tasks; with no names, all those that are to run.
func (s *server) tasks(t *testing.T, arns ...string) []task {
	t.Helper()
	if len(arns) == 0 {
		var out struct{ TaskArns []string }
		s.call(t, "ecs", "ListTasks", object{"cluster": cluster}, &out)
		arns = out.TaskArns
	}
	if len(arns) == 0 {
		return nil
	}
	var out struct{ Tasks []task }
	s.call(t, "ecs", "DescribeTasks", object{"cluster": cluster, "tasks": arns}, &out)
	return out.Tasks
}
