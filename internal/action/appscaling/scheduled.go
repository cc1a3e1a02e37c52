package appscaling

import (
	"context"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) putScheduledAction(
	ctx context.Context, call *awswire.Call, in *shape.PutScheduledActionInput,
) (*shape.PutScheduledActionOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	if !appscaling.ValidScheduledName(*in.ScheduledActionName) {
		return nil, invalid("The value %q for parameter ScheduledActionName is invalid: it has 1 to 256 characters, "+
			"no control characters and none of :/|, and does not begin or end with a space.", *in.ScheduledActionName)
	}
	made := &appscaling.Scheduled{ID: newid.UUID(call.Random), Region: call.Region, Account: call.Account,
		ResourceID: r.id, Name: *in.ScheduledActionName, CreatedAt: call.Now}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		if err := registered(&tx.Tables, call, r); err != nil {
			return err
		}
		put := *made
		old, exists := tx.ScheduledActions.Get(made.Key())
		switch {
		case exists:
			put = *old
		case in.Schedule == nil || in.ScalableTargetAction == nil:
			return invalid("A new scheduled action needs a Schedule and a ScalableTargetAction.")
		case full(&tx.Tables.ScheduledActions, appscaling.Key(call.Region, call.Account, r.id),
			appscaling.MaxScheduled):
			return limit("A scalable target has at most %d scheduled actions, and this one has as many.",
				appscaling.MaxScheduled)
		}
		if err := changeScheduled(&put, in); err != nil {
			return err
		}
		put.ChangedAt = call.Now
		tx.ScheduledActions.Put(&put)
		return nil
	})
}

// changeScheduled writes the values of a call. Values that the call leaves out do not change, except that the
// start and the end are removed, as on AWS (ecs.md 6.13).
func changeScheduled(s *appscaling.Scheduled, in *shape.PutScheduledActionInput) error {
	s.Schedule, s.Timezone = or(in.Schedule, s.Schedule), or(in.Timezone, s.Timezone)
	s.Start, s.End = request.Value(in.StartTime), request.Value(in.EndTime)
	if _, err := appscaling.ParseSchedule(s.Schedule, s.Timezone); err != nil {
		return invalid("%v.", err)
	}
	if !s.Start.IsZero() && !s.End.IsZero() && !s.Start.Before(s.End) {
		return invalid("The StartTime must be before the EndTime: %s is not before %s.",
			s.Start.Format(time.RFC3339), s.End.Format(time.RFC3339))
	}
	if do := in.ScalableTargetAction; do != nil {
		if do.MinCapacity == nil && do.MaxCapacity == nil {
			return invalid("A ScalableTargetAction needs MinCapacity, MaxCapacity or both.")
		}
		low, high := request.Value(do.MinCapacity), or(do.MaxCapacity, request.Value(do.MinCapacity))
		if do.MinCapacity == nil {
			low = high
		}
		if err := checkBounds(do.MinCapacity, do.MaxCapacity, int(low), int(high)); err != nil {
			return err
		}
		s.Action = scaling.Scheduled{Min: request.Int(do.MinCapacity), Max: request.Int(do.MaxCapacity)}
	}
	return nil
}

func (a *api) deleteScheduledAction(
	ctx context.Context, call *awswire.Call, in *shape.DeleteScheduledActionInput,
) (*shape.DeleteScheduledActionOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		key := appscaling.ScheduledKey(call.Region, call.Account, r.id, *in.ScheduledActionName)
		if _, ok := tx.ScheduledActions.Get(key); !ok {
			return notFound("No scheduled action found for %s, scheduled action name: %s", r, *in.ScheduledActionName)
		}
		tx.ScheduledActions.Delete(key)
		return nil
	})
}

func (a *api) describeScheduledActions(
	_ context.Context, call *awswire.Call, in *shape.DescribeScheduledActionsInput,
) (*shape.DescribeScheduledActionsOutput, error) {
	if n := len(in.ScheduledActionNames); n > maxNamed {
		return nil, invalid("ScheduledActionNames has %d members; %d are allowed.", n, maxNamed)
	}
	w, err := parseList(in.ServiceNamespace, one(in.ResourceId), in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	list := request.Where(rows(call, w, &a.store.View().ScheduledActions), func(s *appscaling.Scheduled) bool {
		return len(in.ScheduledActionNames) == 0 || slices.Contains(in.ScheduledActionNames, s.Name) ||
			slices.Contains(in.ScheduledActionNames, s.ARN())
	})
	found, next, err := request.Cut(call, pagesOf(50).Ask(in.MaxResults, in.NextToken), list,
		(*appscaling.Scheduled).Key, w.bound(in.ServiceNamespace, in.ScheduledActionNames...)...)
	return &shape.DescribeScheduledActionsOutput{
		ScheduledActions: request.Answers(found, answerScheduled), NextToken: next}, err
}

func answerScheduled(s *appscaling.Scheduled) shape.ScheduledAction {
	out := shape.ScheduledAction{
		ScheduledActionARN: new(s.ARN()), ScheduledActionName: &s.Name, CreationTime: &s.CreatedAt,
		ResourceId: &s.ResourceID, ScalableDimension: appscaling.Dimension, ServiceNamespace: appscaling.Namespace,
		Schedule: &s.Schedule, Timezone: request.Optional(s.Timezone),
		ScalableTargetAction: &shape.ScalableTargetAction{
			MinCapacity: request.Int32(s.Action.Min), MaxCapacity: request.Int32(s.Action.Max)},
	}
	if !s.Start.IsZero() {
		out.StartTime = &s.Start
	}
	if !s.End.IsZero() {
		out.EndTime = &s.End
	}
	return out
}
