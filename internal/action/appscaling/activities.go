package appscaling

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
)

// describeScalingActivities lists the activities of the last six weeks, the latest first. Activities that did
// not change a capacity are listed only on request (ecs.md 6.7).
func (a *api) describeScalingActivities(
	_ context.Context, call *awswire.Call, in *shape.DescribeScalingActivitiesInput,
) (*shape.DescribeScalingActivitiesOutput, error) {
	w, err := parseList(in.ServiceNamespace, one(in.ResourceId), in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	all := request.Value(in.IncludeNotScaledActivities)
	list := request.Where(rows(call, w, &a.store.View().ScalingActivities), func(act *appscaling.Activity) bool {
		return !act.Expired(call.Now) && (all || len(act.NotScaled) == 0)
	})
	found, next, err := request.Page(call, pagesOf(50).Ask(in.MaxResults, in.NextToken), slices.Collect(list),
		latestFirst, w.bound(in.ServiceNamespace, strconv.FormatBool(all))...)
	return &shape.DescribeScalingActivitiesOutput{
		ScalingActivities: request.Answers(found, answerActivity), NextToken: next}, err
}

// latestFirst returns a sort key that puts later activities first.
func latestFirst(a *appscaling.Activity) string {
	return fmt.Sprintf("%019d/%019d/%s", math.MaxInt64-a.Start.UnixNano(), math.MaxInt64-a.Sequence, a.ID)
}

func answerActivity(a *appscaling.Activity) shape.ScalingActivity {
	out := shape.ScalingActivity{
		ActivityId: &a.ID, Description: &a.Description, Cause: &a.Cause, StartTime: &a.Start,
		ResourceId: &a.ResourceID, ScalableDimension: appscaling.Dimension, ServiceNamespace: appscaling.Namespace,
		StatusCode: string(a.Status), StatusMessage: request.Optional(a.StatusMessage),
	}
	if !a.End.IsZero() {
		out.EndTime = &a.End
	}
	for _, why := range a.NotScaled {
		out.NotScaledReasons = append(out.NotScaledReasons, shape.NotScaledReason{Code: new(string(why.Code)),
			MinCapacity: request.Int32(why.Min), MaxCapacity: request.Int32(why.Max),
			CurrentCapacity: request.Int32(why.Current)})
	}
	return out
}
