package appscaling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/appscaling"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

type scheduledIn = shape.PutScheduledActionInput

// schedule makes a scheduled action for chat that runs every night at eight. edit changes the input.
func (a *api) schedule(t *testing.T, name string, edit func(*scheduledIn)) error {
	t.Helper()
	in := &scheduledIn{ScheduledActionName: &name, ResourceId: new(chat), ScalableDimension: dimension,
		ServiceNamespace: "ecs", Schedule: new("cron(0 20 * * ? *)"),
		ScalableTargetAction: &shape.ScalableTargetAction{MinCapacity: new(int32(1)), MaxCapacity: new(int32(2))}}
	if edit != nil {
		edit(in)
	}
	_, err := a.putScheduledAction(t.Context(), call(), in)
	return err
}

func TestScheduledActionsByAWSCLI(t *testing.T) {
	a := newAPI(t)
	d := a.desk(t)
	put := []string{"application-autoscaling", "put-scheduled-action", "--service-namespace", "ecs", "--resource-id",
		chat, "--scalable-dimension", dimension, "--scheduled-action-name", "night"}
	first := append(put, "--schedule", "cron(0 20 * * ? *)", "--timezone", "Europe/Paris", "--start-time",
		"2026-12-01T00:00:00Z", "--end-time", "2027-01-01T00:00:00Z", "--scalable-target-action", "MinCapacity=1")
	d.Refused(t, "(ObjectNotFoundException) when calling the PutScheduledAction operation: No scalable target "+
		"registered for service namespace: ecs, resource ID: service/prod/chat", first...)
	a.register(t, chat)
	d.AWS(t, first...)
	shown := func(want string) {
		t.Helper()
		got := d.JSON(t, prefix+"describe-scheduled-actions --service-namespace ecs --scheduled-action-names night "+
			"--query ScheduledActions[].[Schedule,Timezone,StartTime,EndTime,ScalableTargetAction]")
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	shown(`[["cron(0 20 * * ? *)","Europe/Paris","2026-12-01T00:00:00+00:00","2027-01-01T00:00:00+00:00",` +
		`{"MinCapacity":1}]]`)
	// An update changes nothing that the call leaves out, except that it removes the start and the end
	// (ecs.md 6.13).
	d.AWS(t, append(put, "--scalable-target-action", "MaxCapacity=3")...)
	shown(`[["cron(0 20 * * ? *)","Europe/Paris",null,null,{"MaxCapacity":3}]]`)
	if got := d.JSON(t, prefix+"describe-scheduled-actions --service-namespace ecs --query "+
		"ScheduledActions[0].ScheduledActionARN"); !strings.HasSuffix(got,
		`:resource/ecs/service/prod/chat:scheduledActionName/night"`) {
		t.Error(got)
	}
	d.AWS(t, prefix+"delete-scheduled-action --scheduled-action-name night"+these)
	d.Refused(t, "(ObjectNotFoundException) when calling the DeleteScheduledAction operation: No scheduled action "+
		"found for service namespace: ecs, resource ID: service/prod/chat, scalable dimension: "+
		"ecs:service:DesiredCount, scheduled action name: night",
		prefix+"delete-scheduled-action --scheduled-action-name night"+these)
}

// ecs.md 6.13: at, rate and cron expressions, with time zones, with a start and an end, set one bound or
// both.
func TestSchedules(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	at := func(hour int) *time.Time { return new(time.Date(2026, 12, 1, hour, 0, 0, 0, time.UTC)) }
	do := func(low, high *int32) func(*scheduledIn) {
		return func(in *scheduledIn) {
			in.ScalableTargetAction = &shape.ScalableTargetAction{MinCapacity: low, MaxCapacity: high}
		}
	}
	when := func(schedule, zone string) func(*scheduledIn) {
		return func(in *scheduledIn) { in.Schedule, in.Timezone = &schedule, &zone }
	}
	const v = "ValidationException: "
	for _, c := range []struct {
		what string
		edit func(*scheduledIn)
		want string
	}{
		{"a name with a slash", func(in *scheduledIn) { in.ScheduledActionName = new("a/b") },
			v + "The value \"a/b\" for parameter ScheduledActionName is invalid"},
		{"no schedule", func(in *scheduledIn) { in.Schedule = nil },
			v + "A new scheduled action needs a Schedule and a ScalableTargetAction."},
		{"no action", func(in *scheduledIn) { in.ScalableTargetAction = nil },
			v + "A new scheduled action needs a Schedule and a ScalableTargetAction."},
		{"no bounds", do(nil, nil), v + "A ScalableTargetAction needs MinCapacity, MaxCapacity or both."},
		{"a negative bound", do(new(int32(-1)), nil), v + "MinCapacity must be greater than or equal to 0, and is -1."},
		{"another negative bound", do(nil, new(int32(-1))), v + "MaxCapacity must be greater than or equal to 0"},
		{"crossed bounds", do(new(int32(3)), new(int32(2))),
			v + "Maximum capacity cannot be less than minimum capacity"},
		{"a word", when("daily", "UTC"), v + `"daily" is not a schedule: a schedule is at(yyyy-mm-ddThh:mm:ss), rate(`},
		{"five fields", when("cron(0 8 * * *)", "UTC"),
			v + `"cron(0 8 * * *)" is not a schedule: a cron expression has`},
		{"a wrong unit", when("rate(1 weeks)", "UTC"), v + `"rate(1 weeks)" is not a schedule: the unit of a rate is`},
		{"no zone", when("rate(1 day)", "Mars/Olympus"), v + `"Mars/Olympus" is not a time zone of the IANA`},
		{"an end before the start", func(in *scheduledIn) { in.StartTime, in.EndTime = at(9), at(8) },
			v + "The StartTime must be before the EndTime: 2026-12-01T09:00:00Z is not before 2026-12-01T08:00:00Z."},
		{"an end at the start", func(in *scheduledIn) { in.StartTime, in.EndTime = at(9), at(9) },
			v + "The StartTime must be before the EndTime"},
		{"once", when("at(2026-12-24T20:00:00)", "Pacific/Tahiti"), ""},
		{"again and again", when("rate(5 minutes)", "UTC"), ""},
		{"workdays", when("cron(30 8 ? * MON-FRI *)", "Europe/Paris"), ""},
		{"only a maximum", do(nil, new(int32(0))), ""},
		{"between", func(in *scheduledIn) { in.StartTime, in.EndTime = at(8), at(9) }, ""},
	} {
		refused(t, c.what, a.schedule(t, "x "+c.what, c.edit), c.want)
	}
	if n := a.store.View().ScheduledActions.Len(); n != 5 {
		t.Errorf("%d scheduled actions, want 5", n)
	}
}

// ecs.md 6.1: a target has at most 200 scheduled actions.
func TestLimitOfScheduledActions(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	a.update(t, func(tx *state.Tx) {
		for i := range appscaling.MaxScheduled {
			tx.ScheduledActions.Put(&appscaling.Scheduled{Region: desktest.Region, Account: desktest.Account,
				ResourceID: chat, Name: fmt.Sprintf("s%03d", i), Schedule: "rate(1 day)"})
		}
	})
	refused(t, "one more", a.schedule(t, "more", nil), "LimitExceededException: A scalable target has at most 200 "+
		"scheduled actions, and this one has as many.")
	refused(t, "one of them", a.schedule(t, "s000", nil), "")
	type in = shape.DescribeScheduledActionsInput
	out, err := a.describeScheduledActions(t.Context(), call(), &in{ServiceNamespace: "ecs", ResourceId: new(chat)})
	if err != nil || len(out.ScheduledActions) != 50 || out.NextToken == nil {
		t.Errorf("%+v %v", out, err)
	}
	_, err = a.describeScheduledActions(t.Context(), call(), &in{ServiceNamespace: "ecs",
		ScheduledActionNames: make([]string, 51)})
	refused(t, "51 names", err, "ValidationException: ScheduledActionNames has 51 members; 50 are allowed.")
}

// ecs.md 6.7: activities of the last six weeks, the latest first. Activities that did not scale are listed
// only on request.
func TestActivities(t *testing.T) {
	a := newAPI(t)
	d := a.desk(t)
	begin := time.Now().Truncate(time.Second)
	add := func(resourceID, cause string, before time.Duration, why ...appscaling.NotScaled) {
		a.update(t, func(tx *state.Tx) {
			tx.AddScalingActivity(&appscaling.Activity{ID: cause, Region: desktest.Region, Account: desktest.Account,
				ResourceID: resourceID, Cause: cause, Description: "Setting desired count to 4.",
				Start: begin.Add(-before), End: begin, Status: appscaling.Successful, NotScaled: why})
		})
	}
	add(chat, "old", appscaling.KeptFor+time.Hour)
	add(chat, "first", 3*time.Hour)
	add("service/prod/web", "other", 2*time.Hour)
	add(chat, "last", time.Hour)
	add(chat, "not", time.Minute, appscaling.NotScaled{Code: scaling.AlreadyAtMax, Max: new(4), Current: new(4)})
	const describe = prefix + "describe-scaling-activities --service-namespace ecs "
	if got := d.JSON(t, describe+"--query ScalingActivities[].Cause"); got != `["last","other","first"]` {
		t.Error(got)
	}
	if got := d.JSON(t, describe+"--query ScalingActivities[].[Cause,StatusCode,Description,EndTime] --max-items 1 "+
		"--resource-id "+chat); got != `[["last","Successful","Setting desired count to 4.","`+
		begin.UTC().Format("2006-01-02T15:04:05+00:00")+`"]]` {
		t.Error(got)
	}
	var pages []string
	type in = shape.DescribeScalingActivitiesInput
	for token, more := (*string)(nil), true; more; {
		current := desktest.Call(time.Now())
		out, err := a.describeScalingActivities(t.Context(), current, &in{ServiceNamespace: "ecs", NextToken: token,
			MaxResults: new(int32(1)), IncludeNotScaledActivities: new(true), ResourceId: new(chat)})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range out.ScalingActivities {
			pages = append(pages, *one.Cause)
			if why := one.NotScaledReasons; (*one.Cause == "not") != (len(why) == 1) || len(why) == 1 &&
				(*why[0].Code != "AlreadyAtMaxCapacity" || *why[0].MaxCapacity != 4 || why[0].MinCapacity != nil) {
				t.Errorf("%+v", why)
			}
		}
		token, more = out.NextToken, out.NextToken != nil
	}
	if got := strings.Join(pages, " "); got != "not last first" {
		t.Error(got)
	}
}

// Only the newest 200 activities of a target are stored.
func TestActivitiesAreBounded(t *testing.T) {
	a := newAPI(t)
	for i := range appscaling.KeptActivities + 50 {
		a.update(t, func(tx *state.Tx) {
			tx.AddScalingActivity(&appscaling.Activity{ID: fmt.Sprint(i), Region: desktest.Region,
				Account: desktest.Account, ResourceID: chat, Start: now})
		})
	}
	n, first := 0, ""
	for one := range a.store.View().ScalingActivities.All() {
		if n++; n == 1 {
			first = one.ID
		}
	}
	if n != appscaling.KeptActivities || first != "50" {
		t.Errorf("%d activities, from %s", n, first)
	}
}
