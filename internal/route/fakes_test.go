package route

import (
	"time"

	"github.com/berthhq/berth/internal/elb"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world makes configurations. A new one has the load balancer "web", which listens on 80 and whose default
// rule forwards to the target group "tg".
type world struct{ Config }

func newWorld() *world {
	w := &world{}
	w.loadBalancer("web", 0)
	w.listener("web", 80)
	w.group("tg", nil)
	w.rule("web", 80, 0, nil, forward("tg"))
	return w
}

func (w *world) loadBalancer(name string, age int) {
	w.LoadBalancers = append(w.LoadBalancers, elb.LoadBalancer{ARN: name, Name: name,
		DNSName: name + "-1.us-east-1.elb.amazonaws.com", Created: epoch.Add(-time.Duration(age) * time.Hour)})
}

func (w *world) listener(lb string, port int) {
	w.Listeners = append(w.Listeners, elb.Listener{
		ARN: listenerARN(lb, port), LoadBalancerARN: lb, Protocol: elb.HTTP, Port: port,
	})
}

func listenerARN(lb string, port int) string { return lb + ":" + time.Duration(port).String() }

func (w *world) rule(lb string, port, priority int, conditions []elb.Condition, action elb.Action) {
	l := listenerARN(lb, port)
	w.Rules = append(w.Rules,
		elb.Rule{ARN: l + "/" + time.Duration(priority).String(), ListenerARN: l, Priority: priority,
			Conditions: conditions, Actions: []elb.Action{action}})
}

func (w *world) group(arn string, attributes map[string]string) {
	w.TargetGroups = append(w.TargetGroups,
		elb.TargetGroup{ARN: arn, Name: arn, Protocol: elb.HTTP, Attributes: attributes,
			HealthCheck: elb.DefaultHealthCheck()})
}

// target adds a target in a state: "" is one without a verdict, "draining" one that was healthy and was
// deregistered.
func (w *world) target(group, id, state string) {
	t := elb.Target{TargetGroupARN: group, ID: id, Port: 3000, Address: id, Registered: epoch}
	if state == elb.Draining {
		t.Draining, state = epoch, elb.Healthy
	}
	w.Targets = append(w.Targets, t)
	if state != "" {
		w.Health = append(w.Health, elb.Verdict{Key: t.Key(), Registered: epoch, State: state})
	}
}

func forward(groups ...string) elb.Action {
	f := &elb.Forward{}
	for _, g := range groups {
		f.TargetGroups = append(f.TargetGroups, elb.WeightedGroup{ARN: g, Weight: 1})
	}
	return elb.Action{Type: elb.ActionForward, Forward: f}
}

func when(field string, values ...string) []elb.Condition {
	return []elb.Condition{{Field: field, Values: values}}
}

// compile compiles a whole configuration.
func compile(cfg Config) *Compiler {
	c := NewCompiler()
	if err := c.Apply(cfg); err != nil {
		panic(err)
	}
	c.Compile()
	return c
}
