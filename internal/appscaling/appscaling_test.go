package appscaling

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
)

const (
	region  = "us-east-1"
	account = "123456789012"
	chat    = "service/prod/chat"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestARNs(t *testing.T) {
	target := &Target{ID: "0ec5", Region: region, Account: account, ResourceID: chat}
	policy := &Policy{ID: "1", Region: region, Account: account, ResourceID: chat, Name: "cpu/70"}
	action := &Scheduled{ID: "2", Region: region, Account: account, ResourceID: chat, Name: "night"}
	for got, want := range map[string]string{
		target.ARN(): "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/0ec5",
		policy.ARN(): "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/prod/chat:" +
			"policyName/cpu/70",
		action.ARN(): "arn:aws:autoscaling:us-east-1:123456789012:scheduledAction:2:resource/ecs/service/prod/chat:" +
			"scheduledActionName/night",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if kind, ok := alarm.KindOf(policy.ARN()); !ok || kind != alarm.ServicePolicy {
		t.Errorf("an alarm does not accept the policy's ARN as an action: %v %v", kind, ok)
	}
}

// The keys of rows that belong to a target begin with the target's key. Keys of other targets' rows do not.
func TestKeys(t *testing.T) {
	name := rapid.StringMatching(`[ab]{1,2}`) // short names, so that some are prefixes of others
	part := rapid.StringMatching(`[ -~]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(which string) string {
			return "service/" + name.Draw(t, which+" cluster") + "/" + name.Draw(t, which+" service")
		}
		a, b := draw("one"), draw("other")
		p := Policy{Region: region, Account: account, ResourceID: b, Name: part.Draw(t, "name")}
		s := Scheduled{Region: region, Account: account, ResourceID: b, Name: p.Name}
		h := Activity{Region: region, Account: account, ResourceID: b, Sequence: rapid.Int64Range(1, 1e9).Draw(t, "n")}
		of := (&Target{Region: region, Account: account, ResourceID: a}).Key()
		for _, key := range []string{p.Key(), s.Key(), h.Key()} {
			if strings.HasPrefix(key, of) != (a == b) || !strings.HasPrefix(key, Prefix(region, account)) {
				t.Fatalf("%q and the target %q", key, of)
			}
		}
		if p.Key() != PolicyKey(region, account, b, p.Name) || s.Key() != ScheduledKey(region, account, b, p.Name) {
			t.Fatalf("%q and %q", p.Key(), s.Key())
		}
		cluster, service, ok := SplitResource(a)
		if !ok || "service/"+cluster+"/"+service != a {
			t.Fatalf("%q is %q and %q, %v", a, cluster, service, ok)
		}
	})
}

// ecs.md 6.1: the form of a resource id of a service.
func TestSplitResource(t *testing.T) {
	for _, id := range []string{"", "service", "service/", "service/prod", "service/prod/", "service//chat",
		"service/prod/chat/1", "table/prod/chat", "/service/prod/chat", "service/prod/ch at", "service/pr od/chat"} {
		if cluster, service, ok := SplitResource(id); ok {
			t.Errorf("%q is %q and %q", id, cluster, service)
		}
	}
}

func cpu(target float64) *Policy {
	return &Policy{ID: "1", Region: region, Account: account, ResourceID: chat, Name: "p", Type: TargetTracking,
		Tracking: &Tracking{Tracking: scaling.Tracking{Target: target}, Predefined: &Predefined{Type: AverageCPU},
			HighID: "h", LowID: "l"}}
}

// ecs.md 6.5: the names, metrics, thresholds, periods and descriptions of a policy's alarms.
func TestAlarms(t *testing.T) {
	p := cpu(80)
	all := p.Alarms(now)
	if len(all) != 2 {
		t.Fatalf("%d alarms", len(all))
	}
	for i, want := range []alarm.Alarm{
		{Name: "TargetTracking-service/prod/chat-AlarmHigh-h", Condition: scaling.Condition{
			Comparison: scaling.Greater, Threshold: 80, Period: time.Minute, Periods: 3,
			MissingData: scaling.MissingIsMissing}},
		{Name: "TargetTracking-service/prod/chat-AlarmLow-l", Condition: scaling.Condition{
			Comparison: scaling.Less, Threshold: 72, Period: time.Minute, Periods: 15,
			MissingData: scaling.MissingIsMissing}},
	} {
		a := all[i]
		if a.Name != want.Name || a.Condition != want.Condition || a.ARN != alarm.ARN(region, account, a.Name) ||
			a.Description != "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "+p.ARN()+"." ||
			!slices.Equal(a.AlarmActions, []string{p.ARN()}) || !a.ActionsEnabled || a.UpdatedAt != now ||
			a.Region != region || a.Account != account || !alarm.ValidName(a.Name) {
			t.Errorf("%+v", a)
		}
		if m := a.Measure; m.Metric.Name != "CPUUtilization" || m.Statistic != "Average" || m.Unit != "Percent" {
			t.Errorf("%+v", m)
		}
	}
	if got, want := p.AlarmARNs(), []string{all[0].ARN, all[1].ARN}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	p.Tracking.DisableScaleIn = true
	if got := p.AlarmARNs(); !slices.Equal(got, []string{all[0].ARN}) {
		t.Errorf("a policy without scale-in has the alarms %v", got)
	}
	if got := (&Policy{Type: StepScaling, Step: &scaling.StepRule{}}).Alarms(now); got != nil {
		t.Errorf("a step policy has %v", got)
	}
}

// ecs.md 6.3 to 6.5: the metric of each kind of policy.
func TestMeasure(t *testing.T) {
	service := []alarm.Dimension{{Name: "ClusterName", Value: "prod"}, {Name: "ServiceName", Value: "chat"}}
	own := alarm.Measure{Statistic: "Maximum", Metric: alarm.Metric{Namespace: "Chat", Name: "Clients"}}
	for what, c := range map[string]struct {
		of   Tracking
		want alarm.Measure
	}{
		"cpu": {Tracking{Predefined: &Predefined{Type: AverageCPU}}, alarm.Measure{Statistic: "Average",
			Unit: "Percent", Metric: alarm.Metric{Namespace: "AWS/ECS", Name: "CPUUtilization", Dimensions: service}}},
		"memory": {Tracking{Predefined: &Predefined{Type: AverageMemory}}, alarm.Measure{Statistic: "Average",
			Unit:   "Percent",
			Metric: alarm.Metric{Namespace: "AWS/ECS", Name: "MemoryUtilization", Dimensions: service}}},
		"requests": {Tracking{Predefined: &Predefined{Type: RequestsPerTarget,
			Label: "app/alb/1/targetgroup/web/2"}}, alarm.Measure{Statistic: "Sum", Metric: alarm.Metric{
			Namespace: "AWS/ApplicationELB", Name: "RequestCountPerTarget", Dimensions: []alarm.Dimension{
				{Name: "TargetGroup", Value: "targetgroup/web/2"}, {Name: "LoadBalancer", Value: "app/alb/1"}}}}},
		"own": {Tracking{Customized: &own}, own},
	} {
		if got := c.of.Measure(chat); !got.Metric.Equal(c.want.Metric) || got.Statistic != c.want.Statistic ||
			got.Unit != c.want.Unit {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

// Two policies of one target cannot track the same metric.
func TestSame(t *testing.T) {
	custom := func(m alarm.Measure) *Tracking { return &Tracking{Customized: &m} }
	m := alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "n", Name: "m"}}
	maximum, percent, other := m, m, m
	maximum.Statistic, percent.Unit, other.Metric.Name = "Maximum", "Percent", "o"
	all := []*Tracking{cpu(1).Tracking, {Predefined: &Predefined{Type: AverageMemory}},
		{Predefined: &Predefined{Type: RequestsPerTarget, Label: "app/a/1/targetgroup/b/2"}},
		{Predefined: &Predefined{Type: RequestsPerTarget, Label: "app/a/1/targetgroup/b/3"}},
		custom(m), custom(maximum), custom(percent), custom(other)}
	for i, a := range all {
		for j, b := range all {
			if a.Same(b) != (i == j) {
				t.Errorf("%d and %d: %v", i, j, a.Same(b))
			}
		}
	}
	if !cpu(1).Tracking.Same(cpu(2).Tracking) {
		t.Error("the same metric counts as another one for another target")
	}
}

// ecs.md 6.4: the form of a resource label.
func TestSplitLabel(t *testing.T) {
	balancer, group, ok := SplitLabel("app/my-alb/778d/targetgroup/my-group/943f")
	if balancer != "app/my-alb/778d" || group != "targetgroup/my-group/943f" || !ok {
		t.Errorf("%q %q %v", balancer, group, ok)
	}
	for _, text := range []string{"", "app/a/1", "targetgroup/b/2", "app/a/targetgroup/b/2", "net/a/1/targetgroup/b/2",
		"app/a/1/targetgroup/b/2/", "app/a/1/targetgroup/b", "app//1/targetgroup/b/2", "app/a/1/targetgroup/b/ 2"} {
		if balancer, group, ok := SplitLabel(text); ok {
			t.Errorf("%q is %q and %q", text, balancer, group)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string][2]bool{
		"cpu 70%": {true, true}, "": {false, false}, "a/b:c|d": {true, false}, " a": {true, false},
		"a ": {true, false}, "é": {false, true}, "a\nb": {false, false}, "\xff": {false, false},
		strings.Repeat("a", 256): {true, true}, strings.Repeat("a", 257): {false, false},
	} {
		if got := [2]bool{ValidPolicyName(name), ValidScheduledName(name)}; got != want {
			t.Errorf("%.20q: %v, want %v", name, got, want)
		}
	}
}

// ecs.md 6.13: schedules in time zones, with a start and an end.
func TestDue(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	made := at(20, 9, 0)
	for what, c := range map[string]struct {
		s           Scheduled
		after, want time.Time
	}{
		"once":         {Scheduled{Schedule: "at(2026-11-30T08:00:00)"}, at(29, 0, 0), at(30, 8, 0)},
		"once, passed": {Scheduled{Schedule: "at(2026-11-30T08:00:00)"}, at(30, 8, 0), time.Time{}},
		"once, in a zone": {Scheduled{Schedule: "at(2026-11-30T08:00:00)", Timezone: "Europe/Paris"}, at(29, 0, 0),
			at(30, 7, 0)},
		"a rate counts from when it was made": {Scheduled{Schedule: "rate(2 days)"}, at(20, 9, 0), at(22, 9, 0)},
		"a rate counts from its start": {Scheduled{Schedule: "rate(1 hour)", Start: at(25, 9, 30)}, at(20, 9, 0),
			at(25, 9, 30)},
		"after the start": {Scheduled{Schedule: "rate(1 hour)", Start: at(25, 9, 30)}, at(25, 9, 30), at(25, 10, 30)},
		"every day":       {Scheduled{Schedule: "cron(0 8 * * ? *)"}, at(29, 9, 0), at(30, 8, 0)},
		"from the start":  {Scheduled{Schedule: "cron(0 8 * * ? *)", Start: at(27, 8, 0)}, at(21, 0, 0), at(27, 8, 0)},
		"at the end":      {Scheduled{Schedule: "cron(0 8 * * ? *)", End: at(30, 8, 0)}, at(29, 9, 0), at(30, 8, 0)},
		"after the end":   {Scheduled{Schedule: "cron(0 8 * * ? *)", End: at(30, 7, 59)}, at(29, 9, 0), time.Time{}},
	} {
		c.s.CreatedAt = made
		if got, err := c.s.Due(c.after); !got.Equal(c.want) || err != nil {
			t.Errorf("%s: %v %v, want %v", what, got, err, c.want)
		}
	}
	if got, err := (&Scheduled{Schedule: "daily"}).Due(now); err == nil {
		t.Errorf("no schedule is due at %v", got)
	}
}

func TestZones(t *testing.T) {
	for zone, want := range map[string]bool{"": true, "UTC": true, "Pacific/Tahiti": true, "Etc/GMT+9": true,
		"Local": false, "Mars/Olympus": false, "../../etc/passwd": false} {
		if _, err := ParseSchedule("rate(1 day)", zone); (err == nil) != want {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

// Only the newest 200 activities of a target are stored, for six weeks.
func TestActivities(t *testing.T) {
	var last *Activity
	kept := make(map[string]bool)
	for range 500 {
		a := &Activity{Region: region, Account: account, ResourceID: chat, Start: now}
		a.Follow(last)
		if last != nil && a.Key() <= last.Key() {
			t.Fatalf("%q follows %q", a.Key(), last.Key())
		}
		kept[a.Key()] = true
		delete(kept, a.Forgets())
		last = a
	}
	if len(kept) != KeptActivities || last.Sequence != 500 {
		t.Errorf("%d are stored, and the last one is %d", len(kept), last.Sequence)
	}
	if last.Expired(now.Add(KeptFor)) || !last.Expired(now.Add(KeptFor+1)) {
		t.Error("activities are not stored for six weeks")
	}
}
