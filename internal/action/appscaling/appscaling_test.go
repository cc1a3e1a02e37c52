package appscaling

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/cloudwatch"
	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/action/iam"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

const (
	chat      = "service/prod/chat"
	dimension = appscaling.Dimension
	these     = " --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id " + chat
	prefix    = "application-autoscaling "
)

var now = time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)

func call() *awswire.Call { return desktest.Call(now) }

// newAPI returns the actions on a store with the service chat in the cluster prod, and services with the
// given names.
func newAPI(t *testing.T, services ...string) *api {
	t.Helper()
	a := &api{desktest.Store(t)}
	a.update(t, func(tx *state.Tx) {
		for _, name := range append(services, "chat") {
			tx.Services.Put(service(name))
		}
	})
	return a
}

func service(name string) *ecs.Service {
	return &ecs.Service{ServiceARN: ecs.ARN(desktest.Region, desktest.Account, ecs.TypeService, "prod/"+name),
		ServiceName: name, Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica, DesiredCount: 3}
}

func (a *api) update(t *testing.T, fn func(*state.Tx)) {
	t.Helper()
	if err := a.store.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// desk returns a front desk with this service, CloudWatch and IAM.
func (a *api) desk(t *testing.T) *desktest.Desk {
	t.Helper()
	return desktest.New(t, Service(a.store), cloudwatch.Service(a.store, nil), iam.Service(a.store))
}

type registerIn = shape.RegisterScalableTargetInput

func (a *api) try(t *testing.T, resourceID string, edit func(*registerIn)) error {
	t.Helper()
	in := &registerIn{ResourceId: &resourceID, ScalableDimension: dimension, ServiceNamespace: "ecs",
		MinCapacity: new(int32(1)), MaxCapacity: new(int32(10))}
	if edit != nil {
		edit(in)
	}
	_, err := a.registerScalableTarget(t.Context(), call(), in)
	return err
}

// register makes the target of a resource, with the bounds 1 and 10.
func (a *api) register(t *testing.T, resourceID string) {
	t.Helper()
	if err := a.try(t, resourceID, nil); err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless err is a fault whose code and text begin with want. With an empty want, err
// must be nil.
func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch f, ok := errors.AsType[*fault.Error](err); {
	case want == "" && err == nil:
	case want == "" || !ok || !strings.HasPrefix(f.Error(), want):
		t.Errorf("%s: %v\nwant %s", what, err, want)
	}
}

func TestTargetsByAWSCLI(t *testing.T) {
	a := newAPI(t, "web")
	d := a.desk(t)
	d.AWS(t, prefix+"register-scalable-target --min-capacity 1 --max-capacity 10"+these)
	// A bound that the call leaves out does not change.
	d.AWS(t, prefix+"register-scalable-target --max-capacity 20"+these)
	d.AWS(t, prefix+"register-scalable-target"+these+" --suspended-state DynamicScalingInSuspended=true")
	d.AWS(t, prefix+"register-scalable-target"+these+" --suspended-state ScheduledScalingSuspended=true")
	if got, want := d.JSON(t, prefix+"describe-scalable-targets --service-namespace ecs --query ScalableTargets[]."+
		"[ResourceId,ScalableDimension,MinCapacity,MaxCapacity,RoleARN,SuspendedState]"),
		`[["service/prod/chat","ecs:service:DesiredCount",1,20,"arn:aws:iam::123456789012:role/`+
			`aws-service-role/ecs.application-autoscaling.amazonaws.com/`+
			`AWSServiceRoleForApplicationAutoScaling_ECSService",{"DynamicScalingInSuspended":true,`+
			`"DynamicScalingOutSuspended":false,"ScheduledScalingSuspended":true}]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	other := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got, want := other.JSON(t, prefix+"describe-scalable-targets --service-namespace ecs"),
		`{"ScalableTargets":[]}`; got != want {
		t.Errorf("another region sees %s", got)
	}
	d.AWS(t, prefix+"deregister-scalable-target"+these)
	d.Refused(t, "(ObjectNotFoundException) when calling the DeregisterScalableTarget operation: No scalable target "+
		"found for service namespace: ecs, resource ID: service/prod/chat, scalable dimension: "+
		"ecs:service:DesiredCount", prefix+"deregister-scalable-target"+these)
}

// ecs.md 6.1: the role is made at the first registration, and cannot be deleted while a target uses it.
func TestRole(t *testing.T) {
	a := newAPI(t)
	d := a.desk(t)
	const name = "AWSServiceRoleForApplicationAutoScaling_ECSService"
	d.Refused(t, "NoSuchEntity", "iam get-role --role-name "+name)
	a.register(t, chat)
	if got := d.JSON(t, "iam get-role --role-name "+name+" --query Role.Path"); got !=
		`"/aws-service-role/ecs.application-autoscaling.amazonaws.com/"` {
		t.Error(got)
	}
	task := strings.Trim(d.JSON(t, "iam delete-service-linked-role --role-name "+name+" --query DeletionTaskId"), `"`)
	if got := d.JSON(t, "iam get-service-linked-role-deletion-status --query Status --deletion-task-id "+task); got !=
		`"FAILED"` {
		t.Error(got)
	}
	d.AWS(t, prefix+"deregister-scalable-target"+these)
	d.AWS(t, "iam delete-service-linked-role --role-name "+name)
	if _, ok := a.store.View().Roles.Get(role.Key(desktest.Account, name)); ok {
		t.Error("the role cannot be deleted after the last target was deregistered")
	}
}

// ecs.md 6.1: a target is the desired count of an existing service, and has both bounds.
func TestRegisterIsRefused(t *testing.T) {
	a := newAPI(t, "every", "gone", "leaving")
	a.update(t, func(tx *state.Tx) {
		for name, edit := range map[string]func(*ecs.Service){
			"every":   func(s *ecs.Service) { s.SchedulingStrategy = ecs.Daemon },
			"gone":    func(s *ecs.Service) { s.Status = ecs.ServiceInactive },
			"leaving": func(s *ecs.Service) { s.Status = ecs.ServiceDraining },
		} {
			s := service(name)
			edit(s)
			tx.Services.Put(s)
		}
	})
	const unsupported = "ValidationException: Unsupported service namespace, resource type or scalable dimension: "
	for _, c := range []struct {
		what, resource string
		edit           func(*registerIn)
		want           string
	}{
		{"another namespace", chat, func(in *registerIn) { in.ServiceNamespace = "dynamodb" },
			"ValidationException: Berth scales ECS services only: ServiceNamespace must be ecs, and is dynamodb."},
		{"another dimension", chat, func(in *registerIn) { in.ScalableDimension = "dynamodb:table:ReadCapacityUnits" },
			unsupported},
		{"no cluster", "service/chat", nil, unsupported},
		{"an ARN", "service/arn:aws:ecs:us-east-1:123456789012:cluster/prod/chat", nil, unsupported},
		{"no service", "service/prod/nobody", nil,
			"ValidationException: ECS service doesn't exist: service/prod/nobody"},
		{"a deleted service", "service/prod/gone", nil, "ValidationException: ECS service doesn't exist: "},
		{"a service whose tasks stop", "service/prod/leaving", nil, ""},
		{"a daemon service", "service/prod/every", nil,
			"ValidationException: The service service/prod/every is a DAEMON"},
		{"no minimum", chat, func(in *registerIn) { in.MinCapacity = nil },
			"ValidationException: A new scalable target needs both MinCapacity and MaxCapacity."},
		{"no maximum", chat, func(in *registerIn) { in.MaxCapacity = nil },
			"ValidationException: A new scalable target needs both MinCapacity and MaxCapacity."},
		{"a negative minimum", chat, func(in *registerIn) { in.MinCapacity = new(int32(-1)) },
			"ValidationException: MinCapacity must be greater than or equal to 0, and is -1."},
		{"a negative maximum", chat, func(in *registerIn) { in.MaxCapacity = new(int32(-1)) },
			"ValidationException: MaxCapacity must be greater than or equal to 0, and is -1."},
		{"crossed", chat, func(in *registerIn) { in.MinCapacity = new(int32(11)) },
			"ValidationException: Maximum capacity cannot be less than minimum capacity: they would be 10 and 11."},
		{"no role", chat, func(in *registerIn) { in.RoleARN = new("arn:aws:iam::123456789012:user/me") },
			"ValidationException: The value \"arn:aws:iam::123456789012:user/me\" for parameter RoleARN is not"},
		{"a reserved tag", chat, func(in *registerIn) { in.Tags = map[string]string{"aws:x": ""} },
			"ValidationException: The tag \"aws:x\" is not valid"},
		{"too many tags", chat, func(in *registerIn) { in.Tags = manyTags(51) },
			"ValidationException: A scalable target can have no more than 50 tags."},
		{"any role", chat, func(in *registerIn) { in.RoleARN = new("arn:aws:iam::123456789012:role/mine") }, ""},
		{"tags of one that exists", chat, func(in *registerIn) { in.Tags = manyTags(1) },
			"ValidationException: Tags are only for a new scalable target"},
		{"a maximum below the minimum that it has", chat, func(in *registerIn) {
			in.MinCapacity, in.MaxCapacity = nil, new(int32(0))
		}, "ValidationException: Maximum capacity cannot be less than minimum capacity: they would be 0 and 1."},
	} {
		refused(t, c.what, a.try(t, c.resource, c.edit), c.want)
	}
	if n := a.store.View().ScalableTargets.Len(); n != 2 {
		t.Errorf("%d targets, want 2", n)
	}
}

func manyTags(n int) map[string]string {
	tags := make(map[string]string)
	for i := range n {
		tags[fmt.Sprint("k", i)] = "v"
	}
	return tags
}

// ecs.md 6.1: 3,000 targets in a region of an account.
func TestLimitOfTargets(t *testing.T) {
	a := newAPI(t)
	fill := func(region string, n int) {
		a.update(t, func(tx *state.Tx) {
			for i := range n {
				tx.ScalableTargets.Put(&appscaling.Target{Region: region, Account: desktest.Account,
					ID: fmt.Sprint(region, i), ResourceID: fmt.Sprintf("service/prod/s%d", i)})
			}
		})
	}
	fill("eu-west-2", appscaling.MaxTargets)
	fill(desktest.Region, appscaling.MaxTargets-1)
	refused(t, "the last one", a.try(t, chat, nil), "")
	a.update(t, func(tx *state.Tx) { tx.Services.Put(service("more")) })
	refused(t, "one more", a.try(t, "service/prod/more", nil),
		"LimitExceededException: There are 3000 scalable targets, and no more are allowed.")
	refused(t, "one that exists", a.try(t, chat, nil), "")
}

func TestDescribeScalableTargets(t *testing.T) {
	a := newAPI(t, "chat-2", "web")
	for _, id := range []string{chat, "service/prod/chat-2", "service/prod/web"} {
		a.register(t, id)
	}
	type in = shape.DescribeScalableTargetsInput
	names := func(edit func(*in)) (string, *string, error) {
		r := &in{ServiceNamespace: "ecs"}
		edit(r)
		out, err := a.describeScalableTargets(t.Context(), call(), r)
		if err != nil {
			return "", nil, err
		}
		var all []string
		for _, one := range out.ScalableTargets {
			all = append(all, strings.TrimPrefix(*one.ResourceId, "service/prod/"))
		}
		return strings.Join(all, " "), out.NextToken, nil
	}
	for want, edit := range map[string]func(*in){
		"chat chat-2 web": func(*in) {},
		"chat":            func(r *in) { r.ResourceIds = []string{chat, chat} },
		"chat-2 web": func(r *in) {
			r.ResourceIds, r.ScalableDimension = []string{"service/prod/web", "service/prod/chat-2", "x"}, dimension
		},
		"": func(r *in) { r.ServiceNamespace = "dynamodb" },
	} {
		if got, _, err := names(edit); got != want || err != nil {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	got, next, err := names(func(r *in) { r.MaxResults = new(int32(2)) })
	if got != "chat chat-2" || next == nil || err != nil {
		t.Fatalf("%q %v %v", got, next, err)
	}
	if got, last, err := names(func(r *in) { r.NextToken = next }); got != "web" || last != nil || err != nil {
		t.Errorf("%q %v %v", got, last, err)
	}
	for want, edit := range map[string]func(*in){
		"ValidationException: A ScalableDimension is specified without a ResourceId": func(r *in) {
			r.ScalableDimension = dimension
		},
		"ValidationException: 1 validation error detected: Value '51' at 'maxResults' failed to satisfy constraint: " +
			"Member must have value less than or equal to 50": func(r *in) { r.MaxResults = new(int32(51)) },
		"ValidationException: 1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 1": func(r *in) { r.MaxResults = new(int32(0)) },
		"ValidationException: ResourceIds has 51 members; 50 are allowed.": func(r *in) {
			r.ResourceIds = make([]string, 51)
		},
	} {
		_, _, err := names(edit)
		refused(t, want, err, want)
	}
}

func TestTags(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	var arn string
	for target := range a.store.View().ScalableTargets.All() {
		arn = target.ARN()
	}
	_, err := a.tagResource(t.Context(), call(), &shape.TagResourceInput{ResourceARN: &arn, Tags: manyTags(51)})
	refused(t, "too many", err, "TooManyTagsException: A scalable target can have no more than 50 tags.")
	if f, _ := errors.AsType[*fault.Error](err); f.Details["ResourceName"] != arn {
		t.Errorf("%+v", f.Details)
	}
	_, err = a.tagResource(t.Context(), call(), &shape.TagResourceInput{ResourceARN: &arn,
		Tags: map[string]string{"berth:pace": "minutes"}})
	refused(t, "a pace", err, `ValidationException: The value "minutes" of the tag berth:pace is invalid`)
	policy := "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/" + chat + ":policyName/p"
	_, err = a.listTagsForResource(t.Context(), call(), &shape.ListTagsForResourceInput{ResourceARN: &policy})
	refused(t, "a policy", err, "ValidationException: The value \""+policy+"\" for parameter ResourceARN is not")
	elsewhere := desktest.Call(now)
	elsewhere.Account = "210987654321"
	_, err = a.untagResource(t.Context(), elsewhere, &shape.UntagResourceInput{ResourceARN: &arn})
	refused(t, "another account", err, "ResourceNotFoundException: There is no scalable target "+arn)
}

// Debian's AWS CLI cannot tag targets yet, so the test sends the calls of newer clients.
func TestTagsInJSON(t *testing.T) {
	d := newAPI(t).desk(t)
	post := func(action, input string) string {
		return d.Post(t, "application-autoscaling", "AnyScaleFrontendService."+action, input)
	}
	const its = `'ServiceNamespace':'ecs','ResourceId':'service/prod/chat','ScalableDimension':'` + dimension + `'`
	made := post("RegisterScalableTarget", `{`+its+`,'MinCapacity':1,'MaxCapacity':10,'Tags':{'team':'chat'}}`)
	const arns = "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/"
	arn := strings.TrimSuffix(strings.TrimPrefix(made, `{"ScalableTargetARN":"`), `"}`)
	if !strings.HasPrefix(arn, arns) || len(arn) != len(arns)+36 {
		t.Fatal(made)
	}
	if got := post("DescribeScalableTargets", `{'ServiceNamespace':'ecs'}`); !strings.Contains(got,
		`"ScalableTargetARN":"`+arn+`"`) {
		t.Error(got)
	}
	post("TagResource", `{'ResourceARN':'`+arn+`','Tags':{'a':'b'}}`)
	post("UntagResource", `{'ResourceARN':'`+arn+`','TagKeys':['team','other']}`)
	if got := post("ListTagsForResource", `{'ResourceARN':'`+arn+`'}`); got != `{"Tags":{"a":"b"}}` {
		t.Error(got)
	}
	if got, want := post("TagResource", `{'ResourceARN':'`+arns+`0','Tags':{'a':'b'}}`),
		"ResourceNotFoundException: There is no scalable target "+arns+"0."; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// The protocol is JSON 1.1: the test checks the target in the header, the names of the faults, and an unknown
// token.
func TestJSON(t *testing.T) {
	d := newAPI(t).desk(t)
	post := func(action, input string) string {
		return d.Post(t, "application-autoscaling", "AnyScaleFrontendService."+action, input)
	}
	if got := post("DescribeScalableTargets", `{'ServiceNamespace':'ecs','NextToken':'x'}`); !strings.HasPrefix(got,
		"InvalidNextTokenException: ") {
		t.Error(got)
	}
	if got := post("DescribeScalableTargets", `{'ServiceNamespace':'ec3'}`); !strings.HasPrefix(got,
		"ValidationException: ") || !strings.Contains(got, "'ec3'") {
		t.Error(got)
	}
	if got := post("GetPredictiveScalingForecast", `{'ServiceNamespace':'ecs','ResourceId':'`+chat+
		`','ScalableDimension':'`+dimension+`','PolicyName':'p','StartTime':1,'EndTime':2}`); got !=
		"ValidationException: Berth does not make forecasts: GetPredictiveScalingForecast is not there yet." {
		t.Error(got)
	}
}
