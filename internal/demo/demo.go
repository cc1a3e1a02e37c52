// Package demo brings up the system of the article with Amazon's own APIs, as a person with the AWS CLI would:
// an image in the registry, Redis, a cluster of two container instances that an Auto Scaling group launches, a
// load balancer with sticky sessions, and a service of Socket.IO servers in two zones. While it waits, it
// prints for what and why.
//
// It uses only the API and no other package of the server: any client can do what it does.
package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/image"
)

// Names of what the demo creates. Those of the cluster and the family are the article's.
const (
	Cluster    = "socket-ecs-cluster"
	Family     = "Socket"
	Service    = "socket-service"
	Group      = "socket-asg"
	Balancer   = "socket-alb"
	repository = "socket"
	redis      = "socket-redis"
	logGroup   = "production-service-Socket"
	container  = "socket-container-service"
	port       = 3000
)

// userData is the article's.
const userData = `#!/bin/bash
echo ECS_CLUSTER=` + Cluster + ` >> /etc/ecs/ecs.config;echo ECS_BACKEND_HOST= >> /etc/ecs/ecs.config;
`

// Config is where the API is and what to run.
type Config struct {
	Endpoint    string // of the API: http://127.0.0.1:4566
	Region      string
	Account     string
	Credentials sigv4.Credentials
	Chat        string // path of the chat server, a static binary
	Network     string // bridge (dynamic host ports) or awsvpc (an address per task)
	Tasks       int
	Scaling     bool // show how load scales the service and its instances, instead of the article's stack
	Out         io.Writer
}

// Result is where the stack answers.
type Result struct {
	URL string // of the load balancer on this machine
}

// Up creates the stack and returns when the chat answers through the load balancer. On an error, what was
// created stays.
func Up(ctx context.Context, cfg Config) (Result, error) {
	d := &demo{cfg: cfg, size: sizeOfArticle, story: newStory(cfg.Out), api: &client{
		endpoint: cfg.Endpoint, region: cfg.Region, credentials: cfg.Credentials,
		http: &http.Client{Timeout: 30 * time.Second},
	}}
	steps := []func(context.Context) error{
		d.image, d.redis, d.cluster, d.instances, d.balancer, d.taskDefinition, d.service, d.answers,
	}
	if cfg.Scaling {
		d.size, d.cfg.Tasks = sizeOfScaling, 1
		steps = []func(context.Context) error{
			d.image, d.redis, d.cluster, d.instances, d.capacityProvider, d.balancer, d.taskDefinition, d.service,
			d.answers, d.policy, d.scale,
		}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return Result{}, err
		}
	}
	return Result{URL: d.url}, nil
}

type demo struct {
	cfg   Config
	size  size
	story *story
	api   *client

	redisEndpoint, targetGroup, subnets, taskDefinitionARN, dns, url string
}

func (d *demo) imageName() string {
	return fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/%s:latest", d.cfg.Account, d.cfg.Region, repository)
}

// image builds an image with the chat's binary and pushes it to the built-in registry.
func (d *demo) image(ctx context.Context) error {
	const ecr = "AmazonEC2ContainerRegistry_V20150921."
	if err := d.api.json(ctx, "ecr", ecr+"CreateRepository",
		map[string]any{"repositoryName": repository}, nil); err != nil {
		return err
	}
	var token struct {
		AuthorizationData []struct {
			AuthorizationToken string `json:"authorizationToken"`
		} `json:"authorizationData"`
	}
	if err := d.api.json(ctx, "ecr", ecr+"GetAuthorizationToken", map[string]any{}, &token); err != nil {
		return err
	}
	pair, err := base64.StdEncoding.DecodeString(token.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		return err
	}
	user, password, _ := strings.Cut(string(pair), ":")
	binary, err := image.Binary(d.cfg.Chat, "/chat")
	if err != nil {
		return err
	}
	img, err := image.Build(image.Config{
		Entrypoint: []string{"/chat"}, Exposed: []string{fmt.Sprintf("%d/tcp", port)}, User: "65534",
	}, image.Base(), binary)
	if err != nil {
		return err
	}
	defer img.Close()
	ref := fmt.Sprintf("%s/%s/%s/%s:latest", strings.TrimPrefix(d.cfg.Endpoint, "http://"), d.cfg.Account,
		d.cfg.Region, repository)
	if err := image.Push(ctx, ref, img, image.Auth{User: user, Password: password}); err != nil {
		return err
	}
	d.story.done("pushed %s", d.imageName())
	return nil
}

func (d *demo) redis(ctx context.Context) error {
	const version = "2015-02-02"
	err := d.api.query(ctx, "elasticache", version, "CreateCacheCluster", url.Values{
		"CacheClusterId": {redis}, "Engine": {"redis"}, "CacheNodeType": {"cache.t3.micro"}, "NumCacheNodes": {"1"},
	}, nil)
	if err != nil {
		return err
	}
	var answer struct {
		Cluster struct {
			Status  string `xml:"CacheClusterStatus"`
			Address string `xml:"CacheNodes>CacheNode>Endpoint>Address"`
			Port    string `xml:"CacheNodes>CacheNode>Endpoint>Port"`
		} `xml:"DescribeCacheClustersResult>CacheClusters>CacheCluster"`
	}
	out := &answer.Cluster
	err = d.story.until(ctx, func() (string, error) {
		err := d.api.query(ctx, "elasticache", version, "DescribeCacheClusters",
			url.Values{"CacheClusterId": {redis}, "ShowCacheNodeInfo": {"true"}}, &answer)
		if err != nil || out.Status == "available" && out.Address != "" {
			return "", err
		}
		return "Redis is " + out.Status, nil
	})
	if err != nil {
		return err
	}
	d.redisEndpoint = fmt.Sprintf("redis://%s:%s", out.Address, out.Port)
	d.story.done("Redis answers at %s", out.Address)
	return nil
}

func (d *demo) cluster(ctx context.Context) error {
	if err := d.ecs(ctx, "CreateCluster", map[string]any{"clusterName": Cluster}, nil); err != nil {
		return err
	}
	if err := d.api.json(ctx, "logs", "Logs_20140328.CreateLogGroup",
		map[string]any{"logGroupName": logGroup}, nil); err != nil {
		return err
	}
	d.story.done("cluster %s created", Cluster)
	return nil
}

func (d *demo) ecs(ctx context.Context, action string, in, out any) error {
	return d.api.json(ctx, "ecs", "AmazonEC2ContainerServiceV20141113."+action, in, out)
}

const autoScalingVersion = "2011-01-01"

// instances launches the container instances, in two zones.
func (d *demo) instances(ctx context.Context) error {
	var images struct {
		ID []string `xml:"imagesSet>item>imageId"`
	}
	err := d.api.query(ctx, "ec2", "2016-11-15", "DescribeImages", url.Values{
		"Owner.1": {"amazon"}, "Filter.1.Name": {"name"}, "Filter.1.Value.1": {"*ecs*x86_64*"},
	}, &images)
	if err != nil {
		return err
	}
	if len(images.ID) == 0 {
		return errors.New("DescribeImages knows no ECS-optimized image")
	}
	err = d.api.query(ctx, "autoscaling", autoScalingVersion, "CreateLaunchConfiguration", url.Values{
		"LaunchConfigurationName": {"socket-lc"}, "ImageId": {images.ID[0]}, "InstanceType": {"t3.small"},
		"UserData": {base64.StdEncoding.EncodeToString([]byte(userData))},
	}, nil)
	if err != nil {
		return err
	}
	zones := []string{d.cfg.Region + "a", d.cfg.Region + "b"}
	least := fmt.Sprint(d.size.instances)
	group := url.Values{
		"AutoScalingGroupName": {Group}, "LaunchConfigurationName": {"socket-lc"}, "MinSize": {least},
		"MaxSize": {fmt.Sprint(d.size.mostInstances)}, "DesiredCapacity": {least},
		"AvailabilityZones.member.1": {zones[0]}, "AvailabilityZones.member.2": {zones[1]},
	}
	if d.cfg.Scaling {
		group.Set("Tags.member.1.Key", "berth:pace")
		group.Set("Tags.member.1.Value", "seconds")
	}
	err = d.api.query(ctx, "autoscaling", autoScalingVersion, "CreateAutoScalingGroup", group, nil)
	if err != nil {
		return err
	}
	err = d.story.until(ctx, func() (string, error) {
		n, why, err := d.registered(ctx)
		if err != nil || n >= d.size.instances {
			return "", err
		}
		return fmt.Sprintf("%d of %d container instances have registered%s", n, d.size.instances, why), nil
	})
	if err != nil {
		return err
	}
	d.story.done("group %s: %d registered, in the zones %s and %s", Group, d.size.instances, zones[0], zones[1])
	return nil
}

// registered counts connected container instances. why is what the group is doing meanwhile.
func (d *demo) registered(ctx context.Context) (n int, why string, err error) {
	var list struct {
		ARNs []string `json:"containerInstanceArns"`
	}
	if err := d.ecs(ctx, "ListContainerInstances",
		map[string]any{"cluster": Cluster, "filter": "agentConnected == true"}, &list); err != nil {
		return 0, "", err
	}
	var activities struct {
		Description []string `xml:"DescribeScalingActivitiesResult>Activities>member>Description"`
		Status      []string `xml:"DescribeScalingActivitiesResult>Activities>member>StatusCode"`
		Message     []string `xml:"DescribeScalingActivitiesResult>Activities>member>StatusMessage"`
	}
	err = d.api.query(ctx, "autoscaling", autoScalingVersion, "DescribeScalingActivities",
		url.Values{"AutoScalingGroupName": {Group}}, &activities)
	if err != nil {
		return 0, "", err
	}
	if len(activities.Description) > 0 {
		why = ": " + activities.Description[0] + " (" + activities.Status[0] + ")"
		if len(activities.Message) > 0 {
			why += ": " + activities.Message[0]
		}
	}
	return len(list.ARNs), why, nil
}
