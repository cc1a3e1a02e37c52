// Package appscaling has the actions of Application Auto Scaling for the desired counts of ECS services. Actions write
// scalable targets, policies with the alarms that target tracking needs, and scheduled actions; control/scale carries
// them out. Predictive scaling and resources of other services are refused by name.
package appscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

type api struct{ store *state.Store }

// Service returns the actions of Application Auto Scaling.
func Service(store *state.Store) awswire.Service {
	a := &api{store}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.JSON11}, TargetPrefix: shape.TargetPrefix,
		TokenCode: shape.CodeInvalidNextTokenException, TokenName: "NextToken",
		Operations: []awswire.Operation{
			awswire.Op("RegisterScalableTarget", a.registerScalableTarget),
			awswire.Op("DeregisterScalableTarget", a.deregisterScalableTarget),
			awswire.Op("DescribeScalableTargets", a.describeScalableTargets),
			awswire.Op("PutScalingPolicy", a.putScalingPolicy).Refuses("PredictiveScalingPolicyConfiguration"),
			awswire.Op("DeleteScalingPolicy", a.deleteScalingPolicy),
			awswire.Op("DescribeScalingPolicies", a.describeScalingPolicies),
			awswire.Op("PutScheduledAction", a.putScheduledAction),
			awswire.Op("DeleteScheduledAction", a.deleteScheduledAction),
			awswire.Op("DescribeScheduledActions", a.describeScheduledActions),
			awswire.Op("DescribeScalingActivities", a.describeScalingActivities),
			awswire.Op("TagResource", a.tagResource),
			awswire.Op("UntagResource", a.untagResource),
			awswire.Op("ListTagsForResource", a.listTagsForResource),
			awswire.Op("GetPredictiveScalingForecast", func(context.Context, *awswire.Call,
				*shape.GetPredictiveScalingForecastInput) (*shape.GetPredictiveScalingForecastOutput, error) {
				return nil, invalid("Berth does not make forecasts: GetPredictiveScalingForecast is not there yet.")
			}).With(awswire.Refused),
		},
	}
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeValidationException, format, args...)
}

func notFound(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeObjectNotFoundException, format, args...)
}

func limit(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeLimitExceededException, format, args...)
}

// pagesOf returns the page sizes that AWS documents for a list.
func pagesOf(most int32) request.Pages {
	return request.Pages{Default: most, Least: 1, Most: most, Refuse: func(size, least, most int32) error {
		if size < least {
			return fault.Unsatisfied(shape.CodeValidationException, size, "maxResults",
				"Member must have value greater than or equal to %d", least)
		}
		return fault.Unsatisfied(shape.CodeValidationException, size, "maxResults",
			"Member must have value less than or equal to %d", most)
	}}
}

// resource is what three members of a call identify. Every call for one target has these members.
type resource struct{ id, cluster, service string }

// parseResource refuses everything except the desired count of an ECS service (ecs.md 6.1).
func parseResource(namespace string, resourceID *string, dimension string) (resource, error) {
	if namespace != appscaling.Namespace {
		return resource{}, invalid("Berth scales ECS services only: ServiceNamespace must be %s, and is %s.",
			appscaling.Namespace, namespace)
	}
	cluster, service, ok := appscaling.SplitResource(*resourceID)
	if !ok || dimension != appscaling.Dimension {
		return resource{}, invalid("Unsupported service namespace, resource type or scalable dimension: " +
			"ScalableDimension must be " + appscaling.Dimension + " and ResourceId service/CLUSTER/SERVICE.")
	}
	return resource{*resourceID, cluster, service}, nil
}

// String returns the three members in the form of AWS's errors.
func (r resource) String() string {
	return "service namespace: " + appscaling.Namespace + ", resource ID: " + r.id + ", scalable dimension: " +
		appscaling.Dimension
}

// registered returns an error unless the resource is registered. Calls that add something to a target use it.
func registered(t *state.Tables, call *awswire.Call, r resource) error {
	if _, ok := t.ScalableTargets.Get(appscaling.Key(call.Region, call.Account, r.id)); !ok {
		return notFound("No scalable target registered for %s", r)
	}
	return nil
}

// wanted says which rows a list has: those of the resources, or of all resources if there are none. nothing
// is true if no row can match, because the namespace or the dimension is not that of ECS services.
type wanted struct {
	resources []string
	nothing   bool
}

// parseList reads the members that all lists have.
func parseList(namespace string, resources []string, dimension string) (w wanted, err error) {
	if dimension != "" && len(resources) == 0 {
		return w, invalid("A ScalableDimension is specified without a ResourceId; specify both or none.")
	}
	w.resources = slices.Compact(slices.Sorted(slices.Values(resources)))
	w.nothing = namespace != appscaling.Namespace || dimension != "" && dimension != appscaling.Dimension
	return w, nil
}

// one returns the resource of a list that is for a single resource.
func one(resourceID *string) []string {
	if resourceID == nil {
		return nil
	}
	return []string{*resourceID}
}

// bound returns all filters of a list, with those of the action added. They are bound to the list's tokens.
func (w wanted) bound(namespace string, more ...string) []string {
	return append(append(append([]string{namespace}, w.resources...), "\n"), more...)
}

// rows yields the wanted rows in the order of their keys.
func rows[T any](call *awswire.Call, w wanted, table *state.Table[T]) func(func(*T) bool) {
	prefixes := []string{appscaling.Prefix(call.Region, call.Account)}
	if len(w.resources) > 0 {
		prefixes = nil
		for _, id := range w.resources {
			prefixes = append(prefixes, appscaling.Key(call.Region, call.Account, id))
		}
	}
	return func(yield func(*T) bool) {
		if w.nothing {
			return
		}
		for _, prefix := range prefixes {
			for row := range table.Prefix(prefix) {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// full reports whether there are at least most rows with a prefix. It counts them only if the whole table has
// that many.
func full[T any](table *state.Table[T], prefix string, most int) bool {
	if table.Len() < most {
		return false
	}
	n := 0
	for range table.Prefix(prefix) {
		if n++; n == most {
			return true
		}
	}
	return false
}
