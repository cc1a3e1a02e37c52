package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/status"
)

const elbVersion = "2015-12-01"

// balancer creates the load balancer, the target group with the article's health check and sticky sessions, and
// a listener on port 80.
func (d *demo) balancer(ctx context.Context) error {
	var net struct {
		Subnets []string `xml:"subnetSet>item>subnetId"`
		VPCs    []string `xml:"subnetSet>item>vpcId"`
	}
	err := d.api.query(ctx, "ec2", "2016-11-15", "DescribeSubnets", url.Values{
		"Filter.1.Name": {"availability-zone"}, "Filter.1.Value.1": {d.cfg.Region + "a"},
		"Filter.1.Value.2": {d.cfg.Region + "b"},
	}, &net)
	if err != nil {
		return err
	}
	if len(net.Subnets) < 2 {
		return fmt.Errorf("DescribeSubnets answered %d subnets, want 2", len(net.Subnets))
	}
	d.subnets = strings.Join(net.Subnets, ",")
	var lb struct {
		ARN string `xml:"CreateLoadBalancerResult>LoadBalancers>member>LoadBalancerArn"`
		DNS string `xml:"CreateLoadBalancerResult>LoadBalancers>member>DNSName"`
	}
	err = d.elb(ctx, "CreateLoadBalancer", url.Values{
		"Name": {Balancer}, "Subnets.member.1": {net.Subnets[0]}, "Subnets.member.2": {net.Subnets[1]},
	}, &lb)
	if err != nil {
		return err
	}
	targetType := "instance"
	if d.cfg.Network == "awsvpc" {
		targetType = "ip"
	}
	var tg struct {
		ARN string `xml:"CreateTargetGroupResult>TargetGroups>member>TargetGroupArn"`
	}
	err = d.elb(ctx, "CreateTargetGroup", url.Values{
		"Name": {"socket-tg"}, "Protocol": {"HTTP"}, "Port": {fmt.Sprint(port)},
		"VpcId": {net.VPCs[0]}, "TargetType": {targetType}, "HealthCheckPath": {"/socket.io/socket.io.js"},
		"HealthCheckIntervalSeconds": {"5"}, "HealthCheckTimeoutSeconds": {"2"},
		"HealthyThresholdCount": {"2"},
	}, &tg)
	if err != nil {
		return err
	}
	d.targetGroup, d.dns = tg.ARN, lb.DNS
	err = d.elb(ctx, "ModifyTargetGroupAttributes", url.Values{
		"TargetGroupArn": {tg.ARN}, "Attributes.member.1.Key": {"stickiness.enabled"},
		"Attributes.member.1.Value": {"true"}, "Attributes.member.2.Key": {"stickiness.type"},
		"Attributes.member.2.Value": {"lb_cookie"}, "Attributes.member.3.Key": {
			"deregistration_delay.timeout_seconds",
		}, "Attributes.member.3.Value": {fmt.Sprint(d.size.deregistrationDelay)},
	}, nil)
	if err != nil {
		return err
	}
	err = d.elb(ctx, "CreateListener", url.Values{
		"LoadBalancerArn": {lb.ARN}, "Protocol": {"HTTP"}, "Port": {"80"},
		"DefaultActions.member.1.Type": {"forward"}, "DefaultActions.member.1.TargetGroupArn": {tg.ARN},
	}, nil)
	if err != nil {
		return err
	}
	d.story.done("load balancer %s: port 80, sticky sessions, health checks", Balancer)
	return nil
}

func (d *demo) elb(ctx context.Context, action string, in url.Values, out any) error {
	return d.api.query(ctx, "elasticloadbalancing", elbVersion, action, in, out)
}

// role creates the role that tasks assume, unless an earlier demo has, and returns its ARN.
func (d *demo) role(ctx context.Context) (string, error) {
	const name = "socket"
	err := d.api.query(ctx, "iam", "2010-05-08", "CreateRole", url.Values{
		"RoleName": {name},
		"AssumeRolePolicyDocument": {`{"Statement":[{"Effect":"Allow",` +
			`"Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`},
	}, nil)
	if fault, ok := errors.AsType[*apiError](err); err != nil && (!ok || fault.Code != "EntityAlreadyExists") {
		return "", err
	}
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", d.cfg.Account, name), nil
}

// taskDefinition registers the article's task definition, with its placeholders filled in.
func (d *demo) taskDefinition(ctx context.Context) error {
	hostPort := port
	if d.cfg.Network == "bridge" {
		hostPort = 0 // a dynamic port, so that an instance can run several
	}
	role, err := d.role(ctx)
	if err != nil {
		return err
	}
	var out struct {
		TaskDefinition struct {
			ARN string `json:"taskDefinitionArn"`
		} `json:"taskDefinition"`
	}
	err = d.ecs(ctx, "RegisterTaskDefinition", map[string]any{
		"family": Family,
		"containerDefinitions": []any{map[string]any{
			"name": container, "image": d.imageName(), "cpu": d.size.cpu, "memoryReservation": d.size.memory,
			"portMappings": []any{map[string]any{"containerPort": port, "hostPort": hostPort, "protocol": "tcp"}},
			"essential":    true,
			"environment":  []any{map[string]any{"name": "REDIS_ENDPOINT", "value": d.redisEndpoint}},
			"mountPoints":  []any{}, "volumesFrom": []any{}, "dockerLabels": map[string]any{},
			"logConfiguration": map[string]any{"logDriver": "awslogs", "options": map[string]any{
				"awslogs-group": logGroup, "awslogs-region": d.cfg.Region, "awslogs-stream-prefix": Family,
			}},
		}},
		"taskRoleArn": role, "executionRoleArn": role, "networkMode": d.cfg.Network,
		"requiresCompatibilities": []string{"EC2"},
	}, &out)
	if err != nil {
		return err
	}
	d.taskDefinitionARN = out.TaskDefinition.ARN
	d.story.done("task definition %s registered",
		d.taskDefinitionARN[strings.LastIndexByte(d.taskDefinitionARN, '/')+1:])
	return nil
}

// service creates the service and waits until it is steady.
func (d *demo) service(ctx context.Context) error {
	in := map[string]any{
		"cluster": Cluster, "serviceName": Service, "taskDefinition": d.taskDefinitionARN, "desiredCount": d.cfg.Tasks,
		"loadBalancers": []any{
			map[string]any{"targetGroupArn": d.targetGroup, "containerName": container, "containerPort": port},
		},
		// The article's "AZ balanced spread".
		"placementStrategy": []any{
			map[string]any{"type": "spread", "field": "attribute:ecs.availability-zone"},
			map[string]any{"type": "spread", "field": "instanceId"},
		},
	}
	if d.cfg.Network == "awsvpc" {
		in["networkConfiguration"] = map[string]any{
			"awsvpcConfiguration": map[string]any{"subnets": strings.Split(d.subnets, ",")},
		}
	}
	if err := d.ecs(ctx, "CreateService", in, nil); err != nil {
		return err
	}
	err := d.story.until(ctx, func() (string, error) {
		s, err := d.describeService(ctx)
		if err != nil || len(s.Deployments) == 1 && s.Deployments[0].RolloutState == "COMPLETED" {
			return "", err
		}
		why := ""
		if len(s.Events) > 0 {
			why = ": " + s.Events[0].Message
		}
		return fmt.Sprintf("%d of %d tasks run%s", s.RunningCount, s.DesiredCount, why), nil
	})
	if err != nil {
		return err
	}
	d.story.done("service %s: %d tasks run, spread over the zones", Service, d.cfg.Tasks)
	return nil
}

type serviceAnswer struct {
	RunningCount, DesiredCount int
	Deployments                []struct{ RolloutState string }
	Events                     []struct{ Message string }
}

func (d *demo) describeService(ctx context.Context) (serviceAnswer, error) {
	var out struct{ Services []serviceAnswer }
	if err := d.ecs(ctx, "DescribeServices",
		map[string]any{"cluster": Cluster, "services": []string{Service}}, &out); err != nil {
		return serviceAnswer{}, err
	}
	if len(out.Services) != 1 {
		return serviceAnswer{}, fmt.Errorf("DescribeServices answered %d services", len(out.Services))
	}
	return out.Services[0], nil
}

// answers waits until the load balancer serves the chat's page, at the address where its port is bound.
func (d *demo) answers(ctx context.Context) error {
	return d.story.until(ctx, func() (string, error) {
		at, err := d.boundListener(ctx)
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return "", err
		}
		resp, err := d.api.http.Do(req)
		if err != nil {
			return "the load balancer does not answer yet: " + err.Error(), nil
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("the load balancer answers %s", resp.Status), nil
		}
		d.url = at
		d.story.done("the chat answers at %s", at)
		return "", nil
	})
}

// boundListener asks the server's status at which address the load balancer's port is bound.
func (d *demo) boundListener(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.Endpoint+"/_berth/status", nil)
	if err != nil {
		return "", err
	}
	sigv4.Sign(req, d.cfg.Credentials, d.cfg.Region, "berth", sigv4.EmptyPayload, time.Now())
	resp, err := d.api.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var report status.Report
	if err := json.NewDecoder(resp.Body).Decode(&report); err != nil {
		return "", err
	}
	for _, lb := range report.LoadBalancers {
		if lb.Name == Balancer && len(lb.Listeners) > 0 {
			return lb.Listeners[0].URL, nil
		}
	}
	return "", fmt.Errorf("the load balancer %s has no listener", Balancer)
}
