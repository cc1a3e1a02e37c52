package autoscaling

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) schedules() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("PutScheduledUpdateGroupAction", a.putScheduled),
		awswire.Op("BatchPutScheduledUpdateGroupAction", a.batchPutScheduled),
		awswire.Op("DeleteScheduledAction", a.deleteScheduled),
		awswire.Op("BatchDeleteScheduledAction", a.batchDeleteScheduled),
		awswire.Op("DescribeScheduledActions", a.describeScheduled),
	}
}

func (a *api) putScheduled(
	ctx context.Context, call *awswire.Call, in *shape.PutScheduledUpdateGroupActionInput,
) (*shape.PutScheduledUpdateGroupActionOutput, error) {
	start := in.StartTime
	if start == nil {
		start = in.Time // the older name
	} else if in.Time != nil && !in.Time.Equal(*start) {
		return nil, invalid("Time and StartTime are the same parameter and must be equal.")
	}
	one := shape.ScheduledUpdateGroupActionRequest{
		ScheduledActionName: in.ScheduledActionName, DesiredCapacity: in.DesiredCapacity, MinSize: in.MinSize,
		MaxSize: in.MaxSize, Recurrence: in.Recurrence, StartTime: start, EndTime: in.EndTime, TimeZone: in.TimeZone,
	}
	id := newid.UUID(call.Random)
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := liveGroup(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		return putScheduled(tx, call, g, &one, id)
	})
}

// putScheduled makes a scheduled action, or replaces the one with its name.
func putScheduled(tx *state.Tx, call *awswire.Call, g *fleet.AutoScalingGroup,
	in *shape.ScheduledUpdateGroupActionRequest, id string,
) error {
	s := &groupscaling.Scheduled{ID: id, Region: g.Region, Account: g.Account, Group: g.Name,
		Name: *in.ScheduledActionName, Min: request.Int(in.MinSize), Max: request.Int(in.MaxSize),
		Desired:    request.Int(in.DesiredCapacity),
		Recurrence: request.Value(in.Recurrence), Timezone: request.Value(in.TimeZone),
		Start: request.Value(in.StartTime), End: request.Value(in.EndTime)}
	if err := checkScheduled(s, call.Now); err != nil {
		return err
	}
	if s.Next = s.After(call.Now); s.Next.IsZero() {
		return invalid("The scheduled action %s would never start: its recurrence has no time before its EndTime.",
			s.Name)
	}
	if old, exists := tx.GroupSchedules.Get(s.Key()); exists {
		s.ID = old.ID
	} else if count(tx.SchedulesOf(g)) >= groupscaling.MaxScheduled {
		return fault.New(shape.CodeLimitExceeded, "A group can have %d scheduled actions at most.",
			groupscaling.MaxScheduled)
	}
	tx.GroupSchedules.Put(s)
	return nil
}

func checkScheduled(s *groupscaling.Scheduled, now time.Time) error {
	if err := checkName("scheduled action name", s.Name); err != nil {
		return err
	}
	for _, size := range []*int{s.Min, s.Max, s.Desired} {
		if size != nil && *size < 0 {
			return invalid("Sizes must not be negative: %d", *size)
		}
	}
	outside := func(low, high *int) bool { return low != nil && high != nil && *low > *high }
	switch {
	case s.Min == nil && s.Max == nil && s.Desired == nil:
		return invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified.")
	case outside(s.Min, s.Max) || outside(s.Min, s.Desired) || outside(s.Desired, s.Max):
		return invalid("MinSize must not be above DesiredCapacity, and that not above MaxSize.")
	case s.Recurrence == "" && s.Start.IsZero():
		return invalid("A scheduled action needs a StartTime or a Recurrence.")
	case !s.Start.IsZero() && !s.Start.After(now):
		return invalid("Given start time is in the past")
	case !s.End.IsZero() && !s.End.After(now):
		return invalid("Given end time is in the past")
	case !s.End.IsZero() && !s.End.After(s.Start):
		return invalid("The EndTime must be after the StartTime.")
	case s.Timezone == "Local":
		return invalid("The TimeZone %q is not one of the IANA, such as Etc/GMT+9 or Pacific/Tahiti.", s.Timezone)
	}
	if _, err := time.LoadLocation(s.Timezone); err != nil {
		return invalid("The TimeZone %q is not one of the IANA, such as Etc/GMT+9 or Pacific/Tahiti.", s.Timezone)
	}
	if s.Recurrence == "" {
		return nil
	}
	if _, err := s.Schedule(); err != nil {
		return invalid("Given recurrence string: %s is invalid: %v", s.Recurrence, err)
	}
	return nil
}

func (a *api) batchPutScheduled(
	ctx context.Context, call *awswire.Call, in *shape.BatchPutScheduledUpdateGroupActionInput,
) (*shape.BatchPutScheduledUpdateGroupActionOutput, error) {
	ids := newid.UUIDs(call.Random, len(in.ScheduledUpdateGroupActions))
	out := &shape.BatchPutScheduledUpdateGroupActionOutput{}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		out.FailedScheduledUpdateGroupActions = nil
		g, err := liveGroup(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		for n, one := range in.ScheduledUpdateGroupActions {
			if err := putScheduled(tx, call, g, &one, ids[n]); err != nil {
				out.FailedScheduledUpdateGroupActions = append(out.FailedScheduledUpdateGroupActions,
					failedScheduled(*one.ScheduledActionName, err))
			}
		}
		return nil
	})
}

// failedScheduled is the fault of one action in the answer of a batch.
func failedScheduled(name string, err error) shape.FailedScheduledUpdateGroupActionRequest {
	out := shape.FailedScheduledUpdateGroupActionRequest{ScheduledActionName: &name}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		out.ErrorCode, out.ErrorMessage = new(f.Code), new(f.Message)
	}
	return out
}

func dropScheduled(tx *state.Tx, g *fleet.AutoScalingGroup, name string) error {
	key := fleet.PartKey(g.Region, g.Account, g.Name, name)
	if _, ok := tx.GroupSchedules.Get(key); !ok {
		return invalid("Scheduled action name not found - no scheduled action %q in AutoScalingGroup %s", name, g.Name)
	}
	tx.GroupSchedules.Delete(key)
	return nil
}

func (a *api) deleteScheduled(
	ctx context.Context, call *awswire.Call, in *shape.DeleteScheduledActionInput,
) (*shape.DeleteScheduledActionOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		return dropScheduled(tx, g, *in.ScheduledActionName)
	})
}

func (a *api) batchDeleteScheduled(
	ctx context.Context, call *awswire.Call, in *shape.BatchDeleteScheduledActionInput,
) (*shape.BatchDeleteScheduledActionOutput, error) {
	out := &shape.BatchDeleteScheduledActionOutput{}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		out.FailedScheduledActions = nil
		g, err := group(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		for _, name := range in.ScheduledActionNames {
			if err := dropScheduled(tx, g, name); err != nil {
				out.FailedScheduledActions = append(out.FailedScheduledActions, failedScheduled(name, err))
			}
		}
		return nil
	})
}

func (a *api) describeScheduled(
	_ context.Context, call *awswire.Call, in *shape.DescribeScheduledActionsInput,
) (*shape.DescribeScheduledActionsOutput, error) {
	view := a.store.View()
	all := view.GroupSchedules.Prefix(fleet.KeyPrefix(call.Region, call.Account))
	bound := []string{request.Value(in.AutoScalingGroupName)}
	if in.AutoScalingGroupName != nil {
		g, err := group(&view.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return nil, err
		}
		all = view.SchedulesOf(g)
	}
	for _, t := range []*time.Time{in.StartTime, in.EndTime} {
		bound = append(bound, request.Value(t).String())
	}
	found := request.Where(all, func(s *groupscaling.Scheduled) bool {
		// Names of actions that are given make the times irrelevant, as on AWS.
		if len(in.ScheduledActionNames) > 0 {
			return slices.Contains(in.ScheduledActionNames, s.Name)
		}
		return (in.StartTime == nil || !s.Next.Before(*in.StartTime)) &&
			(in.EndTime == nil || !s.Next.After(*in.EndTime))
	})
	page, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.NextToken), found, (*groupscaling.Scheduled).Key,
		append(bound, in.ScheduledActionNames...)...)
	return &shape.DescribeScheduledActionsOutput{NextToken: next,
		ScheduledUpdateGroupActions: request.Answers(page, answerScheduled)}, err
}

// answerScheduled shows the next time as the start, as on AWS.
func answerScheduled(s *groupscaling.Scheduled) shape.ScheduledUpdateGroupAction {
	out := shape.ScheduledUpdateGroupAction{
		AutoScalingGroupName: &s.Group, ScheduledActionName: &s.Name, ScheduledActionARN: new(s.ARN()),
		MinSize: request.Int32(s.Min), MaxSize: request.Int32(s.Max), DesiredCapacity: request.Int32(s.Desired),
		Recurrence: request.Optional(s.Recurrence), TimeZone: request.Optional(s.Timezone), StartTime: &s.Next,
		Time: &s.Next,
	}
	if !s.End.IsZero() {
		out.EndTime = &s.End
	}
	return out
}
