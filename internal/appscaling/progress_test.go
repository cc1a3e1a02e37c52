package appscaling

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
)

func schedule(id, text string, change ...func(*Scheduled)) *Scheduled {
	s := &Scheduled{ID: id, Name: id, Region: region, Account: account, ResourceID: chat, Schedule: text,
		CreatedAt: now,
		ChangedAt: now}
	for _, c := range change {
		c(s)
	}
	return s
}

// Scheduled actions are due once for the times that have passed since they were put or carried out (ecs.md 6.13).
func TestProgressDue(t *testing.T) {
	hourly, once := schedule("hourly", "rate(1 hour)"), schedule("once", "at("+
		now.Add(90*time.Minute).UTC().Format("2006-01-02T15:04:05")+")")
	broken := schedule("broken", "never")
	all := []*Scheduled{hourly, once, broken}
	p := &Progress{}
	names := func(due []*Scheduled) (out string) {
		for _, s := range due {
			out += s.ID + " "
		}
		return strings.TrimSuffix(out, " ")
	}
	for _, c := range []struct {
		after time.Duration
		due   string
		next  time.Duration // since now; 0 for none
	}{
		{0, "", time.Hour}, {59 * time.Minute, "", time.Hour}, {time.Hour, "hourly", 90 * time.Minute},
		{61 * time.Minute, "", 90 * time.Minute}, {5*time.Hour + time.Minute, "hourly once", 6 * time.Hour},
		{5*time.Hour + 2*time.Minute, "", 6 * time.Hour},
	} {
		at := now.Add(c.after)
		due, next := p.Due(all, at)
		if names(due) != c.due || !next.Equal(now.Add(c.next)) {
			t.Errorf("after %v: %q, next %v", c.after, names(due), next.Sub(now))
		}
		p.Finish(all, due, at)
	}
	if len(p.Done) != 2 {
		t.Errorf("%v", p.Done)
	}
	if p.Finish([]*Scheduled{once}, nil, now); len(p.Done) != 1 {
		t.Errorf("a deleted action is remembered: %v", p.Done)
	}
	if p.Finish(nil, nil, now); p.Done != nil {
		t.Errorf("%v", p.Done)
	}
	hourly.ChangedAt = now.Add(100 * time.Hour) // put again
	if due, _ := p.Due([]*Scheduled{hourly}, now.Add(100*time.Hour+time.Minute)); due != nil {
		t.Errorf("due for times before it was put: %s", names(due))
	}
}

// What is about the service is left out when another service has its name; a copy does not change the row.
func TestProgressOfAnotherService(t *testing.T) {
	row := &Progress{Region: region, Account: account, ResourceID: chat, Service: now, Open: "a", To: 4,
		Last: scaling.Activity{Direction: scaling.Out, To: 4}, Applied: &scaling.Bounds{Min: 1, Max: 2},
		Done: map[string]time.Time{"s": now}, Held: scaling.NotAll, HeldSince: now}
	same := row.For(now)
	if !same.Equal(row) || same.Key() != Key(region, account, chat) {
		t.Errorf("%+v", same)
	}
	same.Done["s"] = now.Add(time.Hour)
	if !row.Done["s"].Equal(now) {
		t.Error("the row was changed")
	}
	other := row.For(now.Add(time.Hour))
	if other.Open != "" || other.To != 0 || other.Last != (scaling.Activity{}) || other.Held != "" ||
		other.Applied == nil || len(other.Done) != 1 || !other.Service.Equal(now.Add(time.Hour)) || other.Equal(row) {
		t.Errorf("%+v", other)
	}
	other.Hold(scaling.Suspended, now)
	other.Hold(scaling.Suspended, now.Add(time.Minute))
	if other.Held != scaling.Suspended || !other.HeldSince.Equal(now) {
		t.Errorf("held since %v", other.HeldSince)
	}
	if other.Hold("", now.Add(time.Minute)); other.Held != "" {
		t.Errorf("%+v", other)
	}
}

// ecs.md 6.6, 6.8, 6.9: a policy proposes by its rule, with the cooldown of the direction, at the target's pace.
func TestPropose(t *testing.T) {
	s := scaling.Situation{Now: now, Current: 4, Bounds: scaling.Bounds{Min: 1, Max: 10}}
	track := cpu(60)
	track.Tracking.OutCooldown = new(60)
	steps := &Policy{Type: StepScaling, Step: &scaling.StepRule{Adjustment: scaling.ChangeInCapacity,
		Steps: []scaling.Step{{Lower: new(0.0), By: 2}}}}
	seen := func(values ...float64) scaling.Observation {
		return scaling.Observation{Recent: values, Comparison: scaling.Greater, Threshold: 60}
	}
	for _, c := range []struct {
		what     string
		p        *Policy
		o        scaling.Observation
		pace     scaling.Pace
		ok       bool
		d        scaling.Direction
		to       int
		cooldown time.Duration
	}{
		{"out", track, seen(10, 90), "", true, scaling.Out, 6, time.Minute},
		{"in", track, seen(30), "", true, scaling.In, 2, 5 * time.Minute},
		{"in, at the pace of seconds", track, seen(30), scaling.PaceOfSeconds, true, scaling.In, 2, 5 * time.Second},
		{"no value", track, seen(), "", false, 0, 0, 0},
		{"a step", steps, seen(61), "", true, scaling.Out, 6, 5 * time.Minute},
		{"no step", steps, seen(59), "", false, 0, 0, 0},
		{"no settings", &Policy{}, seen(61), "", false, 0, 0, 0},
	} {
		got, ok := c.p.Propose(s, 4, c.o, c.pace)
		if ok != c.ok || ok && (got.Direction != c.d || got.To != c.to || got.Cooldown != c.cooldown ||
			got.Policy != c.p.ARN()) {
			t.Errorf("%s: %+v, %t", c.what, got, ok)
		}
	}
}

// ecs.md 6.12: a policy that is not called lets others scale in only if its own low alarm says the same.
func TestKept(t *testing.T) {
	s := scaling.Situation{Now: now, Current: 4, Bounds: scaling.Bounds{Min: 1, Max: 10}}
	never := cpu(60)
	never.Tracking.DisableScaleIn = true
	low, high := &scaling.Observation{Recent: []float64{20}}, &scaling.Observation{Recent: []float64{80}}
	for _, c := range []struct {
		p  *Policy
		o  *scaling.Observation
		ok bool
		d  scaling.Direction
	}{
		{cpu(60), low, true, scaling.In}, {cpu(60), nil, true, scaling.Hold}, {cpu(60), high, true, scaling.Hold},
		{cpu(60), &scaling.Observation{}, true, scaling.Hold}, {never, low, false, scaling.Hold},
		{&Policy{Step: &scaling.StepRule{}}, low, false, scaling.Hold},
	} {
		if got, ok := c.p.Kept(s, 4, c.o, ""); ok != c.ok || got.Direction != c.d || ok && !got.Tracking {
			t.Errorf("%+v %+v: %+v, %t", c.p.Tracking, c.o, got, ok)
		}
	}
}

// The words of activities are those of AWS.
func TestWordsOfActivities(t *testing.T) {
	b := scaling.Bounds{Min: 2, Max: 8}
	cause := ByAlarm("busy", scaling.InAlarm, "p")
	set := Setting(3, cause, now)
	later := now.Add(time.Minute)
	for got, want := range map[string]string{
		fmt.Sprint(set.Status, set.Description, set.Cause): "InProgressSetting desired count to 3." +
			"monitor alarm busy in state ALARM triggered policy p",
		set.StatusMessage: "Successfully set desired count to 3. Waiting for change to be " +
			"fulfilled by ecs.",
		set.Fulfilled(3, later).StatusMessage: "Successfully set desired count to 3. Change successfully " +
			"fulfilled by ecs.",
		set.OverriddenBy(3, 5, later).StatusMessage: "Successfully set desired count to 3. Found it was later " +
			"changed " +
			"to 5.",
		ByBounds(b, 1): "minimum capacity was set to 2", ByBounds(b, 9): "maximum capacity was set to 8",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if done := set.Fulfilled(3, later); done.Status != Successful || done.End != later || set.Status != InProgress {
		t.Errorf("%+v", done)
	}
	for want, s := range map[string]scaling.Scheduled{
		"min capacity to 1": {Min: new(1)}, "max capacity to 5": {Max: new(5)},
		"min capacity to 1 and max capacity to 5": {Min: new(1), Max: new(5)},
	} {
		a := SettingBounds(&Scheduled{Name: "n", Action: s}, now)
		if a.Description != "Setting "+want || a.StatusMessage != "Successfully set "+want || a.Status != Successful ||
			a.Cause != "scheduled action name n was triggered" {
			t.Errorf("%+v", a)
		}
	}
	s := scaling.Situation{Current: 4, Bounds: b}
	for why, want := range map[scaling.Reason]*NotScaled{
		scaling.AlreadyAtMax: {Max: new(8)}, scaling.AlreadyAtMin: {Min: new(2)},
		scaling.AlreadyAtDesired:    {Current: new(4)},
		scaling.AnticipatedFlapping: {}, scaling.PutAsUnscalable: {}, scaling.CoolingDown: nil, scaling.NotAll: nil,
		"": nil,
	} {
		a := NotScaling(why, s, cause, now)
		if (a == nil) != (want == nil) {
			t.Errorf("%s: %+v", why, a)
		}
		if a == nil {
			continue
		}
		want.Code = why
		if !reflect.DeepEqual(a.NotScaled, []NotScaled{*want}) || a.Status != Failed ||
			a.Description != "Attempting to scale due to alarm triggered" {
			t.Errorf("%s: %+v", why, a)
		}
		if !a.Repeats(NotScaling(why, s, cause, later)) || a.Repeats(set) || a.Repeats(nil) || set.Repeats(set) {
			t.Errorf("%s is told again, or something else is not", why)
		}
	}
}

// Alarms name a policy by its ARN, which has the resource and so the target.
func TestPolicyARNNamesItsTarget(t *testing.T) {
	p := cpu(60)
	p.Region, p.Account, p.ResourceID = region, account, chat
	r, a, id, ok := SplitPolicyARN(p.ARN())
	if !ok || r != region || a != account || id != chat {
		t.Errorf("%s %s %s %t", r, a, id, ok)
	}
	group := strings.Replace(p.ARN(), ":resource/ecs/"+chat, ":autoScalingGroupName/g", 1)
	for _, other := range []string{"", "x", group, "arn:aws:sns:us-east-1:123456789012:t"} {
		if _, _, _, ok := SplitPolicyARN(other); ok {
			t.Errorf("%q is no policy of a service", other)
		}
	}
	if got := TargetKeyOf(&alarm.Due{Action: p.ARN(), Kind: alarm.ServicePolicy}); got != Key(region, account, chat) {
		t.Errorf("%q", got)
	}
	if got := TargetKeyOf(&alarm.Due{Action: p.ARN(), Kind: alarm.GroupPolicy}); got != "" {
		t.Errorf("%q", got)
	}
}
