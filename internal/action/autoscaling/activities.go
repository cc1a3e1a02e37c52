package autoscaling

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) describeActivities(_ context.Context, call *awswire.Call, in *shape.DescribeScalingActivitiesInput) (*shape.DescribeScalingActivitiesOutput, error) {
	limit := 100
	if in.MaxRecords != nil {
		var err error
		if limit, err = maxRecords(in.MaxRecords); err != nil {
			return nil, err
		}
	}
	if len(in.Filters) > 0 {
		return nil, invalid("Filters are not supported in DescribeScalingActivities. Leave them out.")
	}
	page, err := call.Page(in.NextToken, append([]string{str(in.AutoScalingGroupName), fmt.Sprint(value(in.IncludeDeletedGroups))}, in.ActivityIds...)...)
	if err != nil {
		return nil, err
	}
	view := a.store.View()
	found, err := activities(&view.Tables, call, in)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *fleet.Activity) int { return compare(latestFirst(a), latestFirst(b)) })
	cut, next := awswire.Cut(page, limit, slices.Values(found), latestFirst)
	out := &shape.DescribeScalingActivitiesOutput{Activities: []shape.Activity{}, NextToken: next}
	for _, act := range cut {
		out.Activities = append(out.Activities, answerActivity(&view.Tables, act))
	}
	return out, nil
}

// activities finds those of one group or of all. Those of a group that is gone are shown only on request.
func activities(t *state.Tables, call *awswire.Call, in *shape.DescribeScalingActivitiesInput) ([]*fleet.Activity, error) {
	prefix := fleet.KeyPrefix(call.Region, call.Account)
	if in.AutoScalingGroupName != nil {
		if !value(in.IncludeDeletedGroups) {
			if _, err := group(t, call, in.AutoScalingGroupName); err != nil {
				return nil, err
			}
		}
		prefix = fleet.ActivityPrefix(call.Region, call.Account, *in.AutoScalingGroupName)
	}
	var found []*fleet.Activity
	for act := range t.Activities.Prefix(prefix) {
		if len(in.ActivityIds) > 0 && !slices.Contains(in.ActivityIds, act.ID) || !value(in.IncludeDeletedGroups) && deleted(t, act) {
			continue
		}
		if in.AutoScalingGroupName == nil || act.Group == *in.AutoScalingGroupName {
			found = append(found, act)
		}
	}
	return found, nil
}

// deleted reports whether the group of an activity is gone; another one may have its name by now.
func deleted(t *state.Tables, act *fleet.Activity) bool {
	g, ok := t.AutoScalingGroups.Get(fleet.Key(act.Region, act.Account, act.Group))
	return !ok || g.ARN() != act.GroupARN
}

// latestFirst is a key by which activities sort from the latest to the oldest.
func latestFirst(a *fleet.Activity) string {
	return fmt.Sprintf("%019d/%s", math.MaxInt64-a.Start.UnixNano(), a.ID)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func answerActivity(t *state.Tables, a *fleet.Activity) shape.Activity {
	out := shape.Activity{
		ActivityId: &a.ID, AutoScalingGroupName: &a.Group, AutoScalingGroupARN: &a.GroupARN, Cause: &a.Cause, Description: &a.Description,
		Details: new(a.Details()), Progress: new(a.Progress()), StartTime: &a.Start, StatusCode: string(a.Status), StatusMessage: ptr(a.StatusMessage),
	}
	if !a.Open() {
		out.EndTime = &a.End
	}
	if deleted(t, a) {
		out.AutoScalingGroupState = new("Deleted")
	}
	return out
}
