package harness

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// Launch makes a cluster and an Auto Scaling group "asg" of that many container instances over two
// zones. It does not wait for them.
func (s *Server) Launch(t testing.TB, cluster string, instances int) {
	t.Helper()
	s.Call(t, "ecs", "CreateCluster", Object{"clusterName": cluster}, nil)
	images := s.Ask(t, "ec2", "DescribeImages",
		Form{"Owner.1": "amazon", "Filter.1.Name": "name", "Filter.1.Value.1": "*ecs*x86_64*"})
	s.Ask(t, "autoscaling", "CreateLaunchConfiguration", Form{
		"LaunchConfigurationName": "lc", "ImageId": images.First("imageId"), "InstanceType": "t3.medium",
		"UserData": base64.StdEncoding.EncodeToString(
			[]byte("#!/bin/bash\necho ECS_CLUSTER=" + cluster + " >> /etc/ecs/ecs.config\n")),
	})
	size := fmt.Sprint(instances)
	s.Ask(t, "autoscaling", "CreateAutoScalingGroup", Form{
		"AutoScalingGroupName": "asg", "LaunchConfigurationName": "lc", "MinSize": "0",
		"MaxSize": size, "DesiredCapacity": size, "AvailabilityZones.member.1": s.Region + "a",
		"AvailabilityZones.member.2": s.Region + "b",
	})
}

// Connected waits until the agents of that many container instances of a cluster are connected, and calls See.
func (s *Server) Connected(t testing.TB, cluster string, want int) {
	t.Helper()
	Until(t, 30*time.Second, fmt.Sprintf("%d agents are connected", want), func() string {
		var out struct{ ContainerInstanceArns []string }
		if err := s.JSON("ecs", "ListContainerInstances",
			Object{"cluster": cluster, "filter": "agentConnected == true"}, &out); err != nil {
			return err.Error()
		}
		if n := len(out.ContainerInstanceArns); n != want {
			return fmt.Sprintf("%d are", n)
		}
		return ""
	})
	s.See()
}

// TargetGroup makes a target group of instances, with the quickest health checks that AWS allows, and with attributes.
// It returns the ARN.
func (s *Server) TargetGroup(t testing.TB, name, healthPath string, attributes Form) string {
	t.Helper()
	vpc := s.Ask(t, "ec2", "DescribeVpcs", Form{}).First("vpcId")
	arn := s.Ask(t, "elasticloadbalancing", "CreateTargetGroup", Form{
		"Name": name, "Protocol": "HTTP", "Port": "80", "VpcId": vpc, "TargetType": "instance",
		"HealthCheckPath": healthPath, "HealthCheckIntervalSeconds": "5", "HealthCheckTimeoutSeconds": "2",
		"HealthyThresholdCount": "2", "UnhealthyThresholdCount": "2",
	}).First("TargetGroupArn")
	in := Form{"TargetGroupArn": arn, "Attributes.member.1.Key": "deregistration_delay.timeout_seconds",
		"Attributes.member.1.Value": "2"}
	for i, k := range slices.Sorted(maps.Keys(attributes)) {
		in[fmt.Sprintf("Attributes.member.%d.Key", i+2)], in[fmt.Sprintf("Attributes.member.%d.Value", i+2)] = k,
			attributes[k]
	}
	s.Ask(t, "elasticloadbalancing", "ModifyTargetGroupAttributes", in)
	return arn
}

// Balance makes a load balancer "lb" with a listener on port 80 that forwards to a target group, and waits until it
// accepts connections.
func (s *Server) Balance(t testing.TB, targetGroup string) (listener, url string) {
	t.Helper()
	subnets := s.Ask(t, "ec2", "DescribeSubnets", Form{}).All("subnetId")
	lb := s.Ask(t, "elasticloadbalancing", "CreateLoadBalancer",
		Form{"Name": "lb", "Subnets.member.1": subnets[0], "Subnets.member.2": subnets[1]})
	listener = s.Ask(t, "elasticloadbalancing", "CreateListener", Form{
		"LoadBalancerArn": lb.First("LoadBalancerArn"), "Protocol": "HTTP", "Port": "80",
		"DefaultActions.member.1.Type": "forward", "DefaultActions.member.1.TargetGroupArn": targetGroup,
	}).First("ListenerArn")
	Until(t, 10*time.Second, "the listener is served", func() string {
		for _, lb := range s.Status(t).LoadBalancers {
			if lb.Name == "lb" && len(lb.Listeners) > 0 && lb.Listeners[0].URL != "" {
				url = lb.Listeners[0].URL
				return ""
			}
		}
		return "status shows no URL"
	})
	return listener, url
}
