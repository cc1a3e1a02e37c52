package autoscaling

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) describeActivities(
	_ context.Context, call *awswire.Call, in *shape.DescribeScalingActivitiesInput,
) (*shape.DescribeScalingActivitiesOutput, error) {
	if len(in.Filters) > 0 {
		return nil, invalid("Filters are not supported in DescribeScalingActivities. Leave them out.")
	}
	view := a.store.View()
	found, err := activities(&view.Tables, call, in)
	if err != nil {
		return nil, err
	}
	page, next, err := request.Page(call, longPages.Ask(in.MaxRecords, in.NextToken), found, latestFirst,
		append([]string{request.Value(in.AutoScalingGroupName), fmt.Sprint(request.Value(in.IncludeDeletedGroups))},
			in.ActivityIds...)...)
	return &shape.DescribeScalingActivitiesOutput{NextToken: next, Activities: request.Answers(page,
		func(act *fleet.Activity) shape.Activity { return answerActivity(&view.Tables, act) })}, err
}

// activities finds those of one group or of all. Those of a deleted group are shown only on request.
func activities(
	t *state.Tables, call *awswire.Call, in *shape.DescribeScalingActivitiesInput,
) ([]*fleet.Activity, error) {
	prefix := fleet.KeyPrefix(call.Region, call.Account)
	if in.AutoScalingGroupName != nil {
		if !request.Value(in.IncludeDeletedGroups) {
			if _, err := group(t, call, in.AutoScalingGroupName); err != nil {
				return nil, err
			}
		}
		prefix = fleet.ActivityPrefix(call.Region, call.Account, *in.AutoScalingGroupName)
	}
	var found []*fleet.Activity
	for act := range t.Activities.Prefix(prefix) {
		if len(in.ActivityIds) > 0 && !slices.Contains(in.ActivityIds, act.ID) ||
			!request.Value(in.IncludeDeletedGroups) && deleted(t, act) {
			continue
		}
		if in.AutoScalingGroupName == nil || act.Group == *in.AutoScalingGroupName {
			found = append(found, act)
		}
	}
	return found, nil
}

// deleted reports whether the group of an activity was deleted; another one may have its name by now.
func deleted(t *state.Tables, act *fleet.Activity) bool {
	g, ok := t.AutoScalingGroups.Get(fleet.Key(act.Region, act.Account, act.Group))
	return !ok || g.ARN() != act.GroupARN
}

// latestFirst is a key by which activities sort from the latest to the oldest.
func latestFirst(a *fleet.Activity) string {
	return fmt.Sprintf("%019d/%s", math.MaxInt64-a.Start.UnixNano(), a.ID)
}

func answerActivity(t *state.Tables, a *fleet.Activity) shape.Activity {
	out := shape.Activity{
		ActivityId: &a.ID, AutoScalingGroupName: &a.Group, AutoScalingGroupARN: &a.GroupARN,
		Cause: &a.Cause, Description: &a.Description, Details: new(a.Details()), Progress: new(a.Progress()),
		StartTime: &a.Start, StatusCode: string(a.Status), StatusMessage: request.Optional(a.StatusMessage),
	}
	if !a.Open() {
		out.EndTime = &a.End
	}
	if deleted(t, a) {
		out.AutoScalingGroupState = new("Deleted")
	}
	return out
}
