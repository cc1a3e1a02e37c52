package elb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// bench calls actions directly, without a front desk.
type bench struct {
	*testing.T
	*api
	call   *awswire.Call
	synced []uint64
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, call: desktest.Call(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	b.api = &api{desktest.Store(t), b}
	return b
}

func (b *bench) Sync(_ context.Context, rev uint64) error {
	b.synced = append(b.synced, rev)
	return nil
}

// do runs an action and fails the test if the action fails.
func do[I, O any](b *bench, fn func(context.Context, *awswire.Call, *I) (*O, error), in I) *O {
	b.Helper()
	out, err := fn(b.Context(), b.call, &in)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// refused runs an action and fails the test unless the fault has the code and contains the text.
func refused[I, O any](b *bench, code, text string, fn func(context.Context, *awswire.Call, *I) (*O, error), in I) {
	b.Helper()
	_, err := fn(b.Context(), b.call, &in)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != code || !strings.Contains(f.Message, text) {
		b.Errorf("got %v, want %s: …%s…", err, code, text)
	}
}

func (b *bench) loadBalancer(name string) *string {
	subnets := fleet.Subnets(b.call.Region, b.call.Account)
	return do(b, b.createLoadBalancer, shape.CreateLoadBalancerInput{
		Name: &name, Subnets: []string{subnets[0].ID, subnets[1].ID},
	}).LoadBalancers[0].LoadBalancerArn
}

func groupInput(b *bench, name string) shape.CreateTargetGroupInput {
	return shape.CreateTargetGroupInput{Name: &name, Protocol: "HTTP", Port: new(int32(80)),
		VpcId: new(fleet.DefaultVPC(b.call.Region, b.call.Account).ID)}
}

func (b *bench) group(name string) *string {
	return do(b, b.createTargetGroup, groupInput(b, name)).TargetGroups[0].TargetGroupArn
}

func to(groups ...*string) []shape.Action {
	c := &shape.ForwardActionConfig{}
	for _, g := range groups {
		c.TargetGroups = append(c.TargetGroups, shape.TargetGroupTuple{TargetGroupArn: g})
	}
	return []shape.Action{{Type: "forward", ForwardConfig: c}}
}

func (b *bench) listener(lb *string, port int32, actions []shape.Action) *string {
	return do(b, b.createListener, shape.CreateListenerInput{
		LoadBalancerArn: lb, Port: &port, Protocol: "HTTP", DefaultActions: actions,
	}).Listeners[0].ListenerArn
}

func onPath(p string) []shape.RuleCondition {
	return []shape.RuleCondition{{Field: new("path-pattern"), Values: []string{p}}}
}

func TestLoadBalancerFaults(t *testing.T) {
	b := newBench(t)
	subnets := fleet.Subnets(b.call.Region, b.call.Account)
	two := []string{subnets[0].ID, subnets[1].ID}
	for _, c := range []struct {
		code, text string
		in         shape.CreateLoadBalancerInput
	}{
		{"ValidationError", "internal-", shape.CreateLoadBalancerInput{Name: new("internal-x"), Subnets: two}},
		{"ValidationError", "two different Availability Zones",
			shape.CreateLoadBalancerInput{Name: new("x"), Subnets: two[:1]}},
		{"SubnetNotFound", "subnet-1", shape.CreateLoadBalancerInput{
			Name: new("x"), Subnets: []string{"subnet-1", two[0]},
		}},
		{"InvalidConfigurationRequest", "same Availability Zone",
			shape.CreateLoadBalancerInput{Name: new("x"), Subnets: []string{two[0], two[0]}}},
		{"InvalidSecurityGroup", "sg-1",
			shape.CreateLoadBalancerInput{Name: new("x"), Subnets: two, SecurityGroups: []string{"sg-1"}}},
		{"ValidationError", "type 'network'",
			shape.CreateLoadBalancerInput{Name: new("x"), Subnets: two, Type: "network"}},
		{"DuplicateTagKeys", "a", shape.CreateLoadBalancerInput{
			Name: new("x"), Subnets: two, Tags: []shape.Tag{{Key: new("a")}, {Key: new("a")}},
		}},
	} {
		refused(b, c.code, c.text, b.createLoadBalancer, c.in)
	}
	first, again := b.loadBalancer("x"), b.loadBalancer("x") // idempotent
	if *first != *again {
		t.Error("the same settings made two load balancers")
	}
	refused(b, "DuplicateLoadBalancerName", "different settings", b.createLoadBalancer,
		shape.CreateLoadBalancerInput{Name: new("x"), Subnets: two, Scheme: "internal"})
	refused(b, "LoadBalancerNotFound", "not found", b.describeLoadBalancers,
		shape.DescribeLoadBalancersInput{Names: []string{"y"}})
	do(b, b.deleteLoadBalancer, shape.DeleteLoadBalancerInput{LoadBalancerArn: new(*first + "0")}) // alb.md 8.3
	do(b, b.modifyLoadBalancerAttributes, shape.ModifyLoadBalancerAttributesInput{LoadBalancerArn: first,
		Attributes: []shape.LoadBalancerAttribute{{Key: new("deletion_protection.enabled"), Value: new("true")}}})
	refused(b, "OperationNotPermitted", "deletion protection", b.deleteLoadBalancer,
		shape.DeleteLoadBalancerInput{LoadBalancerArn: first})
	refused(b, "ValidationError", "Load balancer attribute key 'x' is not recognized", b.modifyLoadBalancerAttributes,
		shape.ModifyLoadBalancerAttributesInput{
			LoadBalancerArn: first, Attributes: []shape.LoadBalancerAttribute{{Key: new("x"), Value: new("")}},
		})
	b.call.Region = "eu-west-1" // a region does not see the resources of another one
	refused(b, "ValidationError", "is not a valid load balancer ARN", b.describeLoadBalancers,
		shape.DescribeLoadBalancersInput{LoadBalancerArns: []string{*first}})
}

func TestListenerFaults(t *testing.T) {
	b := newBench(t)
	lb, g, other := b.loadBalancer("x"), b.group("g"), b.loadBalancer("y")
	l := b.listener(lb, 80, to(g))
	if again := b.listener(lb, 80, to(g)); *again != *l { // alb.md L1
		t.Error("the same settings made two listeners")
	}
	in := func(port *int32, protocol string, actions []shape.Action) shape.CreateListenerInput {
		return shape.CreateListenerInput{LoadBalancerArn: lb, Port: port, Protocol: protocol, DefaultActions: actions}
	}
	p := new(int32(81))
	// alb.md L1
	refused(b, "DuplicateListener", "already exists", b.createListener, in(new(int32(80)), "HTTP", to(b.group("h"))))
	refused(b, "ValidationError", "A listener port must be specified", b.createListener, in(nil, "HTTP", to(g)))
	refused(b, "ValidationError", "must be one of 'HTTPS, HTTP'", b.createListener, in(p, "TCP", to(g)))
	refused(b, "ValidationError", "A certificate must be specified", b.createListener, in(p, "HTTPS", to(g)))
	refused(b, "TargetGroupNotFound", *g+"0", b.createListener, in(p, "HTTP", to(new(*g+"0"))))
	refused(b, "ValidationError", "not implemented", b.createListener,
		in(p, "HTTP", []shape.Action{{Type: "authenticate-oidc"}}))
	refused(b, "TargetGroupAssociationLimit", "more than one load balancer", b.createListener, // alb.md A5
		shape.CreateListenerInput{LoadBalancerArn: other, Port: p, Protocol: "HTTP", DefaultActions: to(g)})
	refused(b, "ValidationError", "either listener ARNs or a load balancer ARN", b.describeListeners,
		shape.DescribeListenersInput{})
	refused(b, "ListenerNotFound", "", b.deleteListener, shape.DeleteListenerInput{ListenerArn: new(*l + "0")})

	// alb.md L4: properties that the call leaves out do not change
	out := do(b, b.modifyListener, shape.ModifyListenerInput{ListenerArn: l, Port: new(int32(8080))})
	if got := out.Listeners[0]; *got.Port != 8080 || *got.DefaultActions[0].TargetGroupArn != *g ||
		got.Protocol != "HTTP" {
		t.Errorf("modified %+v", got)
	}
}

func TestRules(t *testing.T) {
	b := newBench(t)
	lb, g := b.loadBalancer("x"), b.group("g")
	l := b.listener(lb, 80, to(g))
	make := func(priority int32, path string) *string {
		return do(b, b.createRule, shape.CreateRuleInput{
			ListenerArn: l, Priority: &priority, Conditions: onPath(path), Actions: to(g),
		}).Rules[0].RuleArn
	}
	one, two := make(1, "/1"), make(2, "/2")
	// alb.md R2
	refused(b, "PriorityInUse", "'1'", b.createRule, shape.CreateRuleInput{
		ListenerArn: l, Priority: new(int32(1)), Conditions: onPath("/"), Actions: to(g),
	})
	refused(b, "ValidationError", "1-50000", b.createRule, shape.CreateRuleInput{
		ListenerArn: l, Priority: new(int32(50001)), Conditions: onPath("/"), Actions: to(g),
	})
	// alb.md C2
	refused(b, "ValidationError", "both Values and PathPatternConfig", b.createRule,
		shape.CreateRuleInput{ListenerArn: l, Priority: new(int32(3)), Actions: to(g),
			Conditions: []shape.RuleCondition{{Field: new("path-pattern"), Values: []string{"/"},
				PathPatternConfig: &shape.PathPatternConditionConfig{Values: []string{"/"}}}}})
	// alb.md C4
	refused(b, "ValidationError", "Either conditions or actions", b.modifyRule, shape.ModifyRuleInput{RuleArn: one})

	pair := func(a *string, n int32) shape.RulePriorityPair {
		return shape.RulePriorityPair{RuleArn: a, Priority: &n}
	}
	// Two rules exchange their priorities.
	do(b, b.setRulePriorities, shape.SetRulePrioritiesInput{
		RulePriorities: []shape.RulePriorityPair{pair(one, 2), pair(two, 1)},
	})
	refused(b, "ValidationError", "Priority '7' was provided multiple times", b.setRulePriorities,
		shape.SetRulePrioritiesInput{RulePriorities: []shape.RulePriorityPair{pair(one, 7), pair(two, 7)}})
	refused(b, "PriorityInUse", "'1'", b.setRulePriorities,
		shape.SetRulePrioritiesInput{RulePriorities: []shape.RulePriorityPair{pair(one, 1)}})

	rules := do(b, b.describeRules, shape.DescribeRulesInput{ListenerArn: l}).Rules
	if len(rules) != 3 || *rules[0].RuleArn != *two || *rules[1].RuleArn != *one || *rules[2].Priority != "default" {
		t.Errorf("rules %v", rules)
	}
	standard := rules[2].RuleArn
	// alb.md L5
	refused(b, "OperationNotPermitted", "cannot be deleted", b.deleteRule, shape.DeleteRuleInput{RuleArn: standard})
	refused(b, "OperationNotPermitted", "priority", b.setRulePriorities,
		shape.SetRulePrioritiesInput{RulePriorities: []shape.RulePriorityPair{pair(standard, 9)}})
	do(b, b.deleteRule, shape.DeleteRuleInput{RuleArn: one})
	refused(b, "RuleNotFound", "", b.deleteRule, shape.DeleteRuleInput{RuleArn: one})

	first := do(b, b.describeRules, shape.DescribeRulesInput{ListenerArn: l, PageSize: new(int32(1))})
	second := do(b, b.describeRules, shape.DescribeRulesInput{
		ListenerArn: l, PageSize: new(int32(1)), Marker: first.NextMarker,
	})
	if *first.Rules[0].RuleArn != *two || *second.Rules[0].Priority != "default" || second.NextMarker != nil {
		t.Error("pages")
	}
	refused(b, "ValidationError", "not both", b.createRule,
		shape.CreateRuleInput{ListenerArn: l, Priority: new(int32(4)), Actions: to(g),
			Conditions: []shape.RuleCondition{{Field: new("path-pattern"),
				PathPatternConfig: &shape.PathPatternConditionConfig{
					Values: []string{"/"}, RegexValues: []string{"a"},
				}}}})
}

func TestTooManyRules(t *testing.T) { // alb.md R6
	b := newBench(t)
	l := b.listener(b.loadBalancer("x"), 80, to(b.group("g")))
	fixed := []shape.Action{{
		Type: "fixed-response", FixedResponseConfig: &shape.FixedResponseActionConfig{StatusCode: new("200")},
	}}
	for i := range int32(100) {
		do(b, b.createRule, shape.CreateRuleInput{
			ListenerArn: l, Priority: new(i + 1), Conditions: onPath(fmt.Sprint("/", i)), Actions: fixed,
		})
	}
	refused(b, "TooManyRules", "100", b.createRule, shape.CreateRuleInput{
		ListenerArn: l, Priority: new(int32(101)), Conditions: onPath("/x"), Actions: fixed,
	})
}

func TestStickinessThatDoesNotGoTogether(t *testing.T) { // alb.md A4, K14
	b := newBench(t)
	lb, blue, green := b.loadBalancer("x"), b.group("blue"), b.group("green")
	l := b.listener(lb, 80, to(blue, green))
	attributes := func(kv ...string) shape.ModifyTargetGroupAttributesInput {
		in := shape.ModifyTargetGroupAttributesInput{TargetGroupArn: blue}
		for i := 0; i < len(kv); i += 2 {
			in.Attributes = append(in.Attributes, shape.TargetGroupAttribute{Key: &kv[i], Value: &kv[i+1]})
		}
		return in
	}
	refused(b, "InvalidConfigurationRequest", "group stickiness", b.modifyTargetGroupAttributes,
		attributes("stickiness.enabled", "true"))
	sticky := to(blue, green)
	sticky[0].ForwardConfig.TargetGroupStickinessConfig = &shape.TargetGroupStickinessConfig{
		Enabled: new(true), DurationSeconds: new(int32(60)),
	}
	do(b, b.modifyListener, shape.ModifyListenerInput{ListenerArn: l, DefaultActions: sticky})
	do(b, b.modifyTargetGroupAttributes, attributes("stickiness.enabled", "true"))
	refused(b, "InvalidConfigurationRequest", "group stickiness", b.modifyListener,
		shape.ModifyListenerInput{ListenerArn: l, DefaultActions: to(blue, green)})
	refused(b, "InvalidConfigurationRequest", "app_cookie", b.modifyTargetGroupAttributes,
		attributes("stickiness.type", "app_cookie", "stickiness.app_cookie.cookie_name", "sid"))
}

func TestTargetGroupFaults(t *testing.T) {
	b := newBench(t)
	with := func(change func(*shape.CreateTargetGroupInput)) shape.CreateTargetGroupInput {
		in := groupInput(b, "g")
		change(&in)
		return in
	}
	for _, c := range []struct {
		text string
		in   shape.CreateTargetGroupInput
	}{
		{"cannot be longer than '32' characters",
			with(func(i *shape.CreateTargetGroupInput) { i.Name = new(strings.Repeat("x", 33)) })},
		{"A port must be specified", with(func(i *shape.CreateTargetGroupInput) { i.Port = nil })},
		{"A protocol must be specified", with(func(i *shape.CreateTargetGroupInput) { i.Protocol = "" })},
		{"A VPC ID must be specified", with(func(i *shape.CreateTargetGroupInput) { i.VpcId = nil })},
		{"is not found", with(func(i *shape.CreateTargetGroupInput) { i.VpcId = new("vpc-1") })},
		{"type 'lambda'", with(func(i *shape.CreateTargetGroupInput) { i.TargetType = "lambda" })},
		{"'GRPC'", with(func(i *shape.CreateTargetGroupInput) { i.ProtocolVersion = new("GRPC") })},
		// alb.md H6
		{"timeout '5' must be smaller than the interval '5'",
			with(func(i *shape.CreateTargetGroupInput) { i.HealthCheckIntervalSeconds = new(int32(5)) })},
	} {
		refused(b, "ValidationError", c.text, b.createTargetGroup, c.in)
	}
	g := b.group("g")
	if again := b.group("g"); *again != *g { // alb.md T8
		t.Error("the same settings made two groups")
	}
	refused(b, "DuplicateTargetGroupName", "different settings", b.createTargetGroup,
		with(func(i *shape.CreateTargetGroupInput) { i.Port = new(int32(81)) }))
	refused(b, "TargetGroupNotFound", "One or more target groups not found", b.describeTargetGroups,
		shape.DescribeTargetGroupsInput{Names: []string{"h"}})
	refused(b, "ValidationError", "cannot be specified at the same time", b.describeTargetGroups,
		shape.DescribeTargetGroupsInput{Names: []string{"g"}, TargetGroupArns: []string{*g}})
	out := do(b, b.modifyTargetGroup, shape.ModifyTargetGroupInput{
		TargetGroupArn: g, HealthCheckPath: new("/h"), Matcher: &shape.Matcher{HttpCode: new("200-299")},
	})
	if got := out.TargetGroups[0]; *got.HealthCheckPath != "/h" || *got.Matcher.HttpCode != "200-299" ||
		*got.HealthCheckIntervalSeconds != 30 {
		t.Errorf("modified %+v", got)
	}
}

func TestTargets(t *testing.T) {
	b := newBench(t)
	running(t, b.store, "i-1")
	lb, g := b.loadBalancer("x"), b.group("g")
	ip := do(b, b.createTargetGroup, func() shape.CreateTargetGroupInput {
		in := groupInput(b, "ip")
		in.TargetType = "ip"
		return in
	}()).TargetGroups[0].TargetGroupArn
	b.listener(lb, 80, to(g))
	target := func(id string, port ...int32) []shape.TargetDescription {
		d := shape.TargetDescription{Id: &id}
		if len(port) > 0 {
			d.Port = &port[0]
		}
		return []shape.TargetDescription{d}
	}
	state := func(group *string, targets []shape.TargetDescription) string {
		t.Helper()
		var out []string
		for _, d := range do(b, b.describeTargetHealth, shape.DescribeTargetHealthInput{
			TargetGroupArn: group, Targets: targets,
		}).TargetHealthDescriptions {
			out = append(out, fmt.Sprint(*d.Target.Id, ":", *d.Target.Port, " ", d.TargetHealth.State, " ",
				d.TargetHealth.Reason))
		}
		return strings.Join(out, ", ")
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	refused(b, "InvalidTarget", "'i-2'", b.registerTargets,
		shape.RegisterTargetsInput{TargetGroupArn: g, Targets: target("i-2")})
	// alb.md T5
	refused(b, "InvalidTarget", "8.8.8.8", b.registerTargets,
		shape.RegisterTargetsInput{TargetGroupArn: ip, Targets: target("8.8.8.8")})
	do(b, b.registerTargets, shape.RegisterTargetsInput{TargetGroupArn: ip, Targets: target("172.31.0.7")})
	expect(state(ip, nil), "172.31.0.7:80 unused Target.NotInUse") // alb.md H8

	do(b, b.registerTargets, shape.RegisterTargetsInput{TargetGroupArn: g, Targets: target("i-1", 8080)})
	// alb.md T5: one id, several ports
	do(b, b.registerTargets, shape.RegisterTargetsInput{TargetGroupArn: g, Targets: target("i-1")})
	expect(state(g, nil), "i-1:80 initial Elb.RegistrationInProgress, i-1:8080 initial Elb.RegistrationInProgress")
	expect(state(g, target("i-9", 1)), "i-9:1 unused Target.NotRegistered") // alb.md H10
	before := len(b.synced)
	do(b, b.deregisterTargets, shape.DeregisterTargetsInput{TargetGroupArn: g, Targets: target("i-1", 8080)})
	expect(state(g, target("i-1", 8080)), "i-1:8080 draining Target.DeregistrationInProgress") // alb.md D1
	// alb.md D8: the call is answered after the edge has the change
	if len(b.synced) != before+1 || b.synced[before] != b.store.View().Rev {
		t.Errorf("synced %v", b.synced)
	}
	// alb.md T5: no error
	do(b, b.deregisterTargets, shape.DeregisterTargetsInput{TargetGroupArn: g, Targets: target("i-7")})
	do(b, b.registerTargets, shape.RegisterTargetsInput{TargetGroupArn: g, Targets: target("i-1", 8080)})
	expect(state(g, target("i-1", 8080)), "i-1:8080 initial Elb.RegistrationInProgress") // alb.md T7
	do(b, b.deregisterTargets, shape.DeregisterTargetsInput{TargetGroupArn: ip, Targets: target("172.31.0.7")})
	expect(state(ip, nil), "") // this group never got requests, so its target does not drain
}

func TestTagsOfEveryKind(t *testing.T) {
	b := newBench(t)
	lb, g := b.loadBalancer("x"), b.group("g")
	l := b.listener(lb, 80, to(g))
	rule := do(b, b.describeRules, shape.DescribeRulesInput{ListenerArn: l}).Rules[0].RuleArn
	arns := []string{*lb, *g, *l, *rule}
	do(b, b.addTags, shape.AddTagsInput{ResourceArns: arns, Tags: []shape.Tag{
		{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")},
	}})
	do(b, b.removeTags, shape.RemoveTagsInput{ResourceArns: arns, TagKeys: []string{"a"}})
	for _, d := range do(b, b.describeTags, shape.DescribeTagsInput{ResourceArns: arns}).TagDescriptions {
		if len(d.Tags) != 1 || *d.Tags[0].Key != "b" {
			t.Errorf("%s has %v", *d.ResourceArn, d.Tags)
		}
	}
	refused(b, "TargetGroupNotFound", "", b.describeTags, shape.DescribeTagsInput{ResourceArns: []string{*g + "0"}})
	refused(b, "ValidationError", "20 resources", b.describeTags,
		shape.DescribeTagsInput{ResourceArns: make([]string, 21)})
	refused(b, "ValidationError", "aws:", b.addTags,
		shape.AddTagsInput{ResourceArns: arns[:1], Tags: []shape.Tag{{Key: new("aws:x")}}})
}

func TestListenerOnAnotherPortIsReported(t *testing.T) {
	b := newBench(t)
	lb := b.loadBalancer("x")
	l := b.listener(lb, 80, to(b.group("g")))
	err := b.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.BoundListeners.Put(&elb.BoundListener{
			ListenerARN: *l, Bound: elb.Bound{Address: "127.0.0.1:8080", Reason: "port 80 could not be bound"},
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := do(b, b.describeLoadBalancers, shape.DescribeLoadBalancersInput{}).LoadBalancers[0].State
	if got.Code != "active" || got.Reason == nil || *got.Reason != "port 80 could not be bound" {
		t.Errorf("state %+v", got)
	}
}

func TestListings(t *testing.T) {
	b := newBench(t)
	if n := len(do(b, b.describeAccountLimits, shape.DescribeAccountLimitsInput{}).Limits); n < 10 {
		t.Errorf("%d limits", n)
	}
	p := do(b, b.describeSSLPolicies, shape.DescribeSSLPoliciesInput{
		Names: []string{"ELBSecurityPolicy-2016-08"},
	}).SslPolicies
	if len(p) != 1 || len(p[0].Ciphers) != 18 || len(p[0].SslProtocols) != 3 {
		t.Errorf("policies %+v", p)
	}
	refused(b, "SSLPolicyNotFound", "x", b.describeSSLPolicies, shape.DescribeSSLPoliciesInput{Names: []string{"x"}})
	for _, o := range Service(b.store, nil).Operations {
		// alb.md 8.7: Terraform relies on InvalidAction for actions that do not exist
		if o.Name() == "DescribeCapacityReservation" {
			t.Error(o.Name())
		}
	}
}
