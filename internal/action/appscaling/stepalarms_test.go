package appscaling

import (
	"testing"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// A step policy is shown with the alarms of users that name it. When it is deleted they stay, without the action, and
// nothing of it is due any more (ecs.md 6.9).
func TestAlarmsOfStepPolicies(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	out, err := a.putPolicy(t, "more", step(nil))
	if err != nil || len(out.Alarms) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	row := &alarm.Alarm{ARN: alarm.ARN(call().Region, call().Account, "busy"), Name: "busy", Region: call().Region,
		Account: call().Account, ActionsEnabled: true, AlarmActions: []string{*out.PolicyARN}, UpdatedAt: now}
	a.update(t, func(tx *state.Tx) {
		tx.PutAlarm(row, now)
		s := tx.StatusOf(row)
		tx.SetAlarmStatus(row, s, s.Next(scaling.InAlarm, "", "", now))
	})
	shown, err := a.describeScalingPolicies(t.Context(), call(), &shape.DescribeScalingPoliciesInput{
		ServiceNamespace: "ecs"})
	if err != nil || len(shown.ScalingPolicies) != 1 || len(shown.ScalingPolicies[0].Alarms) != 1 ||
		request.Value(shown.ScalingPolicies[0].Alarms[0].AlarmName) != "busy" {
		t.Errorf("%+v, %v", shown, err)
	}
	if n := a.store.View().DueActions.Len(); n != 1 {
		t.Fatalf("%d actions are due", n)
	}
	if _, err := a.deleteScalingPolicy(t.Context(), call(), &shape.DeleteScalingPolicyInput{PolicyName: new("more"),
		ResourceId: new(chat), ScalableDimension: dimension, ServiceNamespace: "ecs"}); err != nil {
		t.Fatal(err)
	}
	left, _ := a.store.View().Alarms.Get(row.ARN)
	if left == nil || len(left.Actions()) != 0 || a.store.View().DueActions.Len() != 0 {
		t.Errorf("%+v, and %d actions are due", left, a.store.View().DueActions.Len())
	}
}
