package elb

import (
	"fmt"
	"strings"
	"testing"

	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
)

func fixed(code string) shape.Action {
	return shape.Action{
		Type: "fixed-response", FixedResponseConfig: &shape.FixedResponseActionConfig{StatusCode: &code},
	}
}

// A text that is not an ARN of the right kind has another fault than an ARN of nothing. Only for the latter
// do clients such as Terraform remove the resource from their state (alb.md 8.7).
func TestARNsOfNothing(t *testing.T) {
	b := newBench(t)
	lb := b.loadBalancer("x")
	refused(b, "ValidationError", "'x' is not a valid load balancer ARN", b.describeLoadBalancers,
		shape.DescribeLoadBalancersInput{LoadBalancerArns: []string{"x"}})
	refused(b, "ValidationError", "is not a valid load balancer ARN", b.deleteLoadBalancer,
		shape.DeleteLoadBalancerInput{LoadBalancerArn: new("x")})
	refused(b, "ValidationError", "is not a valid listener ARN", b.describeListeners,
		shape.DescribeListenersInput{ListenerArns: []string{*lb}})
	refused(b, "ValidationError", "is not a valid listener rule ARN", b.deleteRule, shape.DeleteRuleInput{RuleArn: lb})
	refused(b, "ValidationError", "is not a valid target group ARN", b.describeTargetGroups,
		shape.DescribeTargetGroupsInput{TargetGroupArns: []string{*lb}})
	refused(b, "ValidationError", "is not a valid target group ARN", b.deleteTargetGroup,
		shape.DeleteTargetGroupInput{TargetGroupArn: lb})
	refused(b, "LoadBalancerNotFound", *lb+"0", b.describeLoadBalancers,
		shape.DescribeLoadBalancersInput{LoadBalancerArns: []string{*lb + "0"}})
}

// alb.md A1: an action has the settings of its type. A setting of another type is refused, and not ignored.
func TestActionsOfOneType(t *testing.T) {
	b := newBench(t)
	lb, g := b.loadBalancer("x"), b.group("g")
	l := b.listener(lb, 80, to(g))
	both, order, crossed := fixed("200"), fixed("200"), to(g)[0]
	both.TargetGroupArn = g
	order.Order = new(int32(0))
	crossed.RedirectConfig = &shape.RedirectActionConfig{StatusCode: "HTTP_301", Port: new("443")}
	for text, a := range map[string]shape.Action{
		"TargetGroupArn": both, "'1-50000'": order, "RedirectConfig": crossed,
	} {
		refused(b, "ValidationError", text, b.modifyListener,
			shape.ModifyListenerInput{ListenerArn: l, DefaultActions: []shape.Action{a}})
	}
}

// A rule without conditions would match every request (alb.md C3).
func TestARuleKeepsItsConditions(t *testing.T) {
	b := newBench(t)
	l := b.listener(b.loadBalancer("x"), 80, to(b.group("g")))
	r := do(b, b.createRule, shape.CreateRuleInput{ListenerArn: l, Priority: new(int32(1)),
		Conditions: onPath("/a"), Actions: []shape.Action{fixed("200")}}).Rules[0]
	refused(b, "ValidationError", "A condition must be specified", b.modifyRule,
		shape.ModifyRuleInput{RuleArn: r.RuleArn, Conditions: []shape.RuleCondition{}})
	if now := do(b, b.describeRules, shape.DescribeRulesInput{RuleArns: []string{*r.RuleArn}}).
		Rules[0]; len(now.Conditions) != 1 {
		t.Errorf("conditions %v", now.Conditions)
	}
}

// alb.md A4: the duration is returned also while stickiness is off. Otherwise Terraform would set it again at
// each run.
func TestDurationOfNoStickiness(t *testing.T) {
	b := newBench(t)
	action := to(b.group("blue"), b.group("green"))
	action[0].ForwardConfig.TargetGroupStickinessConfig = &shape.TargetGroupStickinessConfig{
		Enabled: new(false), DurationSeconds: new(int32(600)),
	}
	l := b.listener(b.loadBalancer("x"), 80, action)
	got := do(b, b.describeListeners, shape.DescribeListenersInput{ListenerArns: []string{*l}}).
		Listeners[0].DefaultActions[0].ForwardConfig.TargetGroupStickinessConfig
	if *got.Enabled || got.DurationSeconds == nil || *got.DurationSeconds != 600 {
		t.Errorf("stickiness %+v", got)
	}
	action[0].ForwardConfig.TargetGroupStickinessConfig.DurationSeconds = new(int32(604801))
	refused(b, "ValidationError", "1-604800", b.modifyListener,
		shape.ModifyListenerInput{ListenerArn: l, DefaultActions: action})
}

// alb.md 8.2 (limits of tags in the API's model): the limits count characters and not bytes.
func TestCharactersOfTags(t *testing.T) {
	b := newBench(t)
	lb := b.loadBalancer("x")
	tag := func(key, value string) shape.AddTagsInput {
		return shape.AddTagsInput{ResourceArns: []string{*lb}, Tags: []shape.Tag{{Key: &key, Value: &value}}}
	}
	do(b, b.addTags, tag(strings.Repeat("ä", 128), strings.Repeat("ö", 256)))
	do(b, b.addTags, tag("elbv2.k8s.aws/cluster", "a b_c:d=e+f-g@h"))
	for text, in := range map[string]shape.AddTagsInput{"128": tag(strings.Repeat("ä", 129), ""),
		"256":   tag("a", strings.Repeat("ö", 257)),
		"'a<b'": tag("a<b", ""), "'x;y'": tag("a", "x;y"), "aws:": tag("AWS:x", "")} {
		refused(b, "ValidationError", text, b.addTags, in)
	}
}

func TestZonesOfTargets(t *testing.T) { // alb.md T5
	b := newBench(t)
	in := groupInput(b, "ips")
	in.TargetType = "ip"
	g := do(b, b.createTargetGroup, in).TargetGroups[0].TargetGroupArn
	register := func(zone string) shape.RegisterTargetsInput {
		return shape.RegisterTargetsInput{TargetGroupArn: g,
			Targets: []shape.TargetDescription{{Id: new("10.0.0.1"), AvailabilityZone: &zone}}}
	}
	refused(b, "ValidationError", "'mars-1'", b.registerTargets, register("mars-1"))
	do(b, b.registerTargets, register("all"))
	do(b, b.registerTargets, register(b.call.Region+"a"))
}

// alb.md 8.6: at most 1,000 targets in a group, and at most 1,000 over all groups that a load balancer's
// rules use. Draining targets do not count.
func TestTooManyTargets(t *testing.T) {
	b := newBench(t)
	group := func(name string) *string {
		in := groupInput(b, name)
		in.TargetType = "ip"
		return do(b, b.createTargetGroup, in).TargetGroups[0].TargetGroupArn
	}
	some := func(from, to int) (out []shape.TargetDescription) {
		for i := from; i < to; i++ {
			out = append(out, shape.TargetDescription{Id: new(fmt.Sprintf("10.0.%d.%d", i/250, i%250))})
		}
		return out
	}
	register := func(g *string, from, to int) shape.RegisterTargetsInput {
		return shape.RegisterTargetsInput{TargetGroupArn: g, Targets: some(from, to)}
	}
	blue, green, spare := group("blue"), group("green"), group("spare")
	l := b.listener(b.loadBalancer("x"), 80, to(blue))
	refused(b, "TooManyTargets", "A target group can have at most '1000' targets", b.registerTargets,
		register(blue, 0, 1001))
	do(b, b.registerTargets, register(blue, 0, 600))
	do(b, b.createRule, shape.CreateRuleInput{
		ListenerArn: l, Priority: new(int32(1)), Conditions: onPath("/g"), Actions: to(green),
	})
	refused(b, "TooManyTargets", "A load balancer can have at most '1000' targets", b.registerTargets,
		register(green, 0, 401))
	do(b, b.registerTargets, register(green, 0, 400))
	do(b, b.registerTargets, register(green, 0, 400)) // these are registered already
	do(b, b.registerTargets, register(spare, 0, 1))
	onto := shape.CreateRuleInput{ListenerArn: l, Priority: new(int32(2)), Conditions: onPath("/s"), Actions: to(spare)}
	refused(b, "TooManyTargets", "in all its target groups", b.createRule, onto)
	do(b, b.deregisterTargets, shape.DeregisterTargetsInput{TargetGroupArn: blue, Targets: some(0, 1)})
	do(b, b.createRule, onto)
}
