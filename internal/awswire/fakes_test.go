package awswire

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/awswire/shape/sts"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/identity"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
)

var (
	testKey = identity.AccessKey{ID: "AKIDEXAMPLE0000000AB",
		Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Principal: identity.Root(testAccount)}
	testNow = time.Date(2026, 11, 23, 0, 55, 38, 250_000_000, time.UTC)
)

// errFull is the error of package state when it cannot store a change.
var errFull = fault.New("ServerException", "The disk is full.").WithStatus(500)

// toy has services for tests. They have no state, and answer with what the request contained.
type toy struct {
	clusters []string
	now      time.Time
	data     []cloudwatch.MetricDatum
}

func (y *toy) createCluster(_ context.Context, c *Call, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	name := "default"
	if in.ClusterName != nil {
		name = *in.ClusterName
	}
	switch name {
	case "panic":
		panic("toy panics")
	case "private":
		return nil, io.ErrUnexpectedEOF
	case "full":
		return nil, errFull
	case "taken":
		return nil, fault.New(ecs.CodeConflictException, "The cluster %s exists.",
			name).WithDetail("resourceIds", []string{name}).WithStatus(409)
	}
	arn := "arn:aws:ecs:" + c.Region + ":" + c.Account + ":cluster/" + name
	return &ecs.CreateClusterOutput{Cluster: &ecs.Cluster{
		ClusterArn: &arn, ClusterName: &name, Status: new("ACTIVE"), Tags: in.Tags, Settings: []ecs.ClusterSetting{},
		RunningTasksCount: new(int32(0)), CapacityProviders: in.CapacityProviders,
	}}, nil
}

func (y *toy) listClusters(_ context.Context, c *Call, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	p, err := c.Page(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := 2
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	out := &ecs.ListClustersOutput{}
	out.ClusterArns, out.NextToken = Cut(p, limit, func(yield func(string) bool) {
		for _, a := range y.clusters {
			if !yield(a) {
				return
			}
		}
	}, func(a string) string { return a })
	return out, nil
}

func (y *toy) register(
	_ context.Context, _ *Call, in *ecs.RegisterTaskDefinitionInput,
) (*ecs.RegisterTaskDefinitionOutput, error) {
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &ecs.TaskDefinition{
		Family: in.Family, ContainerDefinitions: in.ContainerDefinitions, Volumes: in.Volumes, Revision: new(int32(1)),
		RegisteredAt: new(y.now), NetworkMode: in.NetworkMode,
	}}, nil
}

func (y *toy) createTargetGroup(
	_ context.Context, _ *Call, in *elbv2.CreateTargetGroupInput,
) (*elbv2.CreateTargetGroupOutput, error) {
	if in.Name != nil && *in.Name == "full" {
		return nil, errFull
	}
	return &elbv2.CreateTargetGroupOutput{TargetGroups: []elbv2.TargetGroup{{
		TargetGroupName: in.Name, Port: in.Port, Protocol: in.Protocol, HealthCheckEnabled: new(true),
		LoadBalancerArns: []string{}, Matcher: in.Matcher,
	}}}, nil
}

func (y *toy) createRule(_ context.Context, _ *Call, in *elbv2.CreateRuleInput) (*elbv2.CreateRuleOutput, error) {
	return &elbv2.CreateRuleOutput{
		Rules: []elbv2.Rule{{Actions: in.Actions, Conditions: in.Conditions, IsDefault: new(false)}},
	}, nil
}

func (y *toy) deleteLoadBalancer(
	context.Context, *Call, *elbv2.DeleteLoadBalancerInput,
) (*elbv2.DeleteLoadBalancerOutput, error) {
	return nil, fault.New(elbv2.CodeLoadBalancerNotFound, "One or more load balancers not found & <gone>")
}

func (y *toy) runInstances(_ context.Context, c *Call, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	if in.ImageId != nil && *in.ImageId == "full" {
		return nil, errFull
	}
	var tags []ec2.Tag
	for _, s := range in.TagSpecifications {
		tags = append(tags, s.Tags...)
	}
	return &ec2.RunInstancesOutput{OwnerId: &c.Account, ReservationId: new("r-1"), Instances: []ec2.Instance{{
		InstanceId: new("i-1"), ImageId: in.ImageId, InstanceType: in.InstanceType, LaunchTime: new(y.now), Tags: tags,
		State: &ec2.InstanceState{Code: new(int32(0)), Name: ec2.InstanceStateNamePending},
	}}}, nil
}

func (y *toy) createTags(context.Context, *Call, *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	return nil, nil
}

func (y *toy) whoAmI(_ context.Context, c *Call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.Principal.ARN, UserId: &c.Principal.UserID}, nil
}

func (y *toy) putMetricData(
	_ context.Context, _ *Call, in *cloudwatch.PutMetricDataInput,
) (*cloudwatch.PutMetricDataOutput, error) {
	y.data = in.MetricData
	return nil, nil
}

// getMetricStatistics returns what the last PutMetricData contained.
func (y *toy) getMetricStatistics(
	_ context.Context, _ *Call, in *cloudwatch.GetMetricStatisticsInput,
) (*cloudwatch.GetMetricStatisticsOutput, error) {
	out := &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []cloudwatch.Datapoint{}}
	for _, d := range y.data {
		out.Datapoints = append(out.Datapoints, cloudwatch.Datapoint{
			Timestamp: d.Timestamp, Sum: d.Value, Unit: d.Unit,
			ExtendedStatistics: map[string]float64{"p99": *d.Value},
		})
	}
	return out, nil
}

func (y *toy) setAlarmState(
	_ context.Context, _ *Call, in *cloudwatch.SetAlarmStateInput,
) (*cloudwatch.SetAlarmStateOutput, error) {
	if *in.AlarmName == "gone" {
		return nil, fault.New(cloudwatch.CodeResourceNotFound, "There is no alarm gone.")
	}
	return nil, fault.New(cloudwatch.CodeInvalidFormatFault, "The reason is not JSON.")
}

func (y *toy) services() []Service {
	return append(y.restServices(), []Service{
		{Name: ecs.SigningName, Protocols: []Protocol{JSON11}, TargetPrefix: ecs.TargetPrefix,
			ValidationCode: ecs.CodeInvalidParameterException,
			Operations: []Operation{
				Op("CreateCluster", y.createCluster).Refuses("serviceConnectDefaults",
					"configuration.executeCommandConfiguration.logConfiguration"),
				Op("ListClusters", y.listClusters),
				Op("RegisterTaskDefinition", y.register).Refuses("containerDefinitions[].firelensConfiguration"),
			}},
		{Name: elbv2.SigningName, Protocols: []Protocol{Query},
			Version: elbv2.APIVersion, Namespace: elbv2.XMLNamespace,
			Operations: []Operation{
				Op("CreateTargetGroup", y.createTargetGroup), Op("CreateRule", y.createRule).Refuses("Transforms"),
				Op("DeleteLoadBalancer", y.deleteLoadBalancer),
			}},
		{Name: ec2.SigningName, Protocols: []Protocol{EC2Query}, Version: ec2.APIVersion, Namespace: ec2.XMLNamespace,
			Operations: []Operation{Op("RunInstances", y.runInstances).Refuses("ElasticGpuSpecification"),
				Op("CreateTags", y.createTags)}},
		{Name: sts.SigningName, Protocols: []Protocol{Query}, Version: sts.APIVersion, Namespace: sts.XMLNamespace,
			Operations: []Operation{Op("GetCallerIdentity", y.whoAmI)}},
		{Name: cloudwatch.SigningName, Protocols: []Protocol{CBOR, JSON10, Query},
			TargetPrefix: cloudwatch.TargetPrefix, Version: cloudwatch.APIVersion, Namespace: cloudwatch.XMLNamespace,
			QueryCodes: cloudwatch.QueryCodes, Statuses: cloudwatch.Statuses,
			Operations: []Operation{Op("PutMetricData", y.putMetricData).Refuses("EntityMetricData"),
				Op("GetMetricStatistics", y.getMetricStatistics), Op("SetAlarmState", y.setAlarmState)}},
	}...)
}

// newDesk returns a front desk with the toy services. Its clock always returns now.
func newDesk(t testing.TB, y *toy, now func() time.Time) http.Handler {
	t.Helper()
	h, err := NewHandler(Config{
		Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)},
		Now:      now,
		Logger:   slog.New(slog.DiscardHandler),
		PageKey:  []byte("the key of the tests' page tokens"),
	}, y.services()...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newTestDesk returns a front desk with the time testNow.
func newTestDesk(t testing.TB) http.Handler {
	return newDesk(t, &toy{now: testNow}, func() time.Time { return testNow })
}

// request returns a signed request with a body.
func request(service, contentType, target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret}, testRegion,
		service, sigv4.HashPayload([]byte(body)), testNow)
	return r
}

func ecsRequest(action, body string) *http.Request {
	return request("ecs", "application/x-amz-json-1.1", ecs.TargetPrefix+"."+action, body)
}

func queryRequest(service, body string) *http.Request {
	return request(service, "application/x-www-form-urlencoded; charset=utf-8", "", body)
}
