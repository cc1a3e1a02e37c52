package ecs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// mostDescribed is how many service deployments, or service revisions, one call may describe (ecs.md 3.6).
const mostDescribed = 20

// deploymentPages are those of ListServiceDeployments.
var deploymentPages = pagesOf(20, 100)

func (a *api) listServiceDeployments(
	_ context.Context, call *awswire.Call, in *shape.ListServiceDeploymentsInput,
) (*shape.ListServiceDeploymentsOutput, error) {
	between, err := parseBetween(in.CreatedAt)
	if err != nil {
		return nil, err
	}
	snap := a.store.View()
	s, err := service(&snap.Tables, call, in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	var list []*ecs.ServiceDeployment
	for d := range snap.ServiceDeployments.By(state.ServiceDeploymentsByService, s.ServiceARN) {
		if between.has(d.CreatedAt) && (len(in.Status) == 0 || slices.Contains(in.Status, d.Status)) {
			list = append(list, d)
		}
	}
	asked := deploymentPages.Ask(in.MaxResults, in.NextToken)
	asked.Descending = true // the newest first
	page, next, err := request.Page(call, asked, list, byCreation,
		append([]string{s.ServiceARN, between.String()}, in.Status...)...)
	return &shape.ListServiceDeploymentsOutput{
		ServiceDeployments: request.Answers(page, answerBrief), NextToken: next,
	}, err
}

// byCreation is a key that puts service deployments in the order of their creation.
func byCreation(d *ecs.ServiceDeployment) string {
	return d.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000") + " " + d.ServiceDeploymentARN
}

// between is a span of time; a zero end is open.
type between struct{ after, before time.Time }

func parseBetween(in *shape.CreatedAt) (between, error) {
	if in == nil {
		return between{}, nil
	}
	b := between{request.Value(in.After), request.Value(in.Before)}
	if !b.after.IsZero() && !b.before.IsZero() && b.before.Before(b.after) {
		return b, invalid("createdAt.before must not be earlier than createdAt.after.")
	}
	return b, nil
}

func (b between) has(t time.Time) bool {
	return (b.after.IsZero() || t.After(b.after)) && (b.before.IsZero() || t.Before(b.before))
}

func (b between) String() string { return b.after.String() + " " + b.before.String() }

func answerBrief(d *ecs.ServiceDeployment) shape.ServiceDeploymentBrief {
	return shape.ServiceDeploymentBrief{
		ServiceDeploymentArn: &d.ServiceDeploymentARN, ServiceArn: &d.ServiceARN, ClusterArn: &d.ClusterARN,
		CreatedAt: &d.CreatedAt, StartedAt: &d.StartedAt, FinishedAt: request.Optional(d.FinishedAt),
		Status: d.Status, StatusReason: request.Optional(d.StatusReason),
		TargetServiceRevisionArn: &d.TargetServiceRevision.ARN,
	}
}

func (a *api) describeServiceDeployments(
	_ context.Context, call *awswire.Call, in *shape.DescribeServiceDeploymentsInput,
) (*shape.DescribeServiceDeploymentsOutput, error) {
	if err := checkHistory(call, "serviceDeploymentArns", ecs.TypeServiceDeployment,
		in.ServiceDeploymentArns); err != nil {
		return nil, err
	}
	t := &a.store.View().Tables
	out := &shape.DescribeServiceDeploymentsOutput{}
	out.ServiceDeployments, out.Failures = describe(t, t.ServiceDeployments, in.ServiceDeploymentArns,
		func(d *ecs.ServiceDeployment) string { return d.ServiceARN }, answerServiceDeployment)
	return out, nil
}

// describe answers the rows of a table with the given ARNs. The history of a service is deleted with it (ecs.md 3.6):
// its rows are MISSING then, although they stay as long as the service itself can be described.
func describe[R, S any](
	t *state.Tables, table state.Table[R], arns []string, serviceOf func(*R) string, answer func(*state.Tables, *R) S,
) (found []S, failures []shape.Failure) {
	for _, key := range arns {
		row, ok := table.Get(key)
		if ok && hasStatus(t, serviceOf(row), ecs.ServiceActive, ecs.ServiceDraining) {
			found = append(found, answer(t, row))
		} else {
			failures = append(failures, missing(key))
		}
	}
	return found, failures
}

// hasStatus reports whether a service exists and has one of the statuses.
func hasStatus(t *state.Tables, serviceARN string, statuses ...string) bool {
	s, ok := t.Services.Get(serviceARN)
	return ok && slices.Contains(statuses, s.Status)
}

// checkHistory refuses a list of ARNs that is empty or too long, and ARNs that are not of the type, or of another
// region or account.
func checkHistory(call *awswire.Call, member, resourceType string, arns []string) error {
	if err := batch(member, len(arns), mostDescribed); err != nil {
		return err
	}
	for _, key := range arns {
		if err := checkHistoryARN(call, resourceType, key); err != nil {
			return err
		}
	}
	return nil
}

func checkHistoryARN(call *awswire.Call, resourceType, key string) error {
	a, err := arn.Parse(key)
	if err != nil || a.Service != "ecs" || a.Type() != resourceType || strings.Count(a.Resource, "/") != 3 {
		return invalid("Invalid ARN '%s': it should look like arn:aws:ecs:%s:%s:%s/CLUSTER/SERVICE/ID.",
			key, call.Region, call.Account, resourceType)
	}
	if a.Region != call.Region || a.Account != call.Account {
		return invalid("'%s' belongs to region %s and account %s; this call was signed for %s and %s.",
			key, a.Region, a.Account, call.Region, call.Account)
	}
	return nil
}

// answerServiceDeployment gives a service deployment with the counts of the moment, or those of its end.
func answerServiceDeployment(t *state.Tables, d *ecs.ServiceDeployment) shape.ServiceDeployment {
	counted := *d
	if !d.Ended() {
		progress := t.Progress(d.ServiceARN)
		counted.Count(func(arn string) ecs.ServiceRevisionSummary { return t.RevisionSummary(progress, arn) })
	}
	out := shape.ServiceDeployment{
		ServiceDeploymentArn: &d.ServiceDeploymentARN, ServiceArn: &d.ServiceARN, ClusterArn: &d.ClusterARN,
		CreatedAt: &d.CreatedAt, StartedAt: &d.StartedAt, UpdatedAt: &d.UpdatedAt,
		FinishedAt: request.Optional(d.FinishedAt), StoppedAt: request.Optional(d.StoppedAt),
		Status: d.Status, StatusReason: request.Optional(d.StatusReason),
		DeploymentConfiguration:  answerDeploymentConfiguration(d.DeploymentConfiguration),
		DeploymentCircuitBreaker: answerBreaker(t, &counted),
		SourceServiceRevisions:   request.Answers(counted.SourceServiceRevisions, answerSummary),
		TargetServiceRevision:    new(answerSummary(counted.TargetServiceRevision)),
	}
	if a := d.DeploymentConfiguration.Alarms; a != nil {
		out.Alarms = &shape.ServiceDeploymentAlarms{
			AlarmNames: a.AlarmNames, Status: d.AlarmStatus(), TriggeredAlarmNames: d.TriggeredAlarms,
		}
	}
	if d.Rollback != nil {
		out.Rollback = new(reshape.Out[shape.Rollback](d.Rollback))
	}
	return out
}

func answerSummary(s ecs.ServiceRevisionSummary) shape.ServiceRevisionSummary {
	return shape.ServiceRevisionSummary{
		Arn: &s.ARN, RequestedTaskCount: new(int32(s.RequestedTaskCount)),
		RunningTaskCount: new(int32(s.RunningTaskCount)), PendingTaskCount: new(int32(s.PendingTaskCount)),
	}
}

// answerBreaker says what the circuit breaker counted, and whether it failed the deployment (ecs.md 3.6).
func answerBreaker(t *state.Tables, d *ecs.ServiceDeployment) *shape.ServiceDeploymentCircuitBreaker {
	failed := d.FailedTasks
	if target := t.Progress(d.ServiceARN).DeploymentOf(d.TargetServiceRevision.ARN); target != nil && !d.Ended() {
		failed = max(failed, target.FailedTasks)
	}
	b := d.DeploymentConfiguration.Breaker()
	desired := d.TargetServiceRevision.RequestedTaskCount
	for _, source := range d.SourceServiceRevisions {
		desired = max(desired, source.RequestedTaskCount) // the target's is lower after a rollback
	}
	return &shape.ServiceDeploymentCircuitBreaker{
		Status: d.BreakerStatus(), FailureCount: new(int32(failed)), Threshold: new(int32(b.Threshold(desired))),
	}
}

func (a *api) describeServiceRevisions(
	_ context.Context, call *awswire.Call, in *shape.DescribeServiceRevisionsInput,
) (*shape.DescribeServiceRevisionsOutput, error) {
	if err := checkHistory(call, "serviceRevisionArns", ecs.TypeServiceRevision, in.ServiceRevisionArns); err != nil {
		return nil, err
	}
	t := &a.store.View().Tables
	out := &shape.DescribeServiceRevisionsOutput{}
	out.ServiceRevisions, out.Failures = describe(t, t.ServiceRevisions, in.ServiceRevisionArns,
		func(r *ecs.ServiceRevision) string { return r.ServiceARN }, answerServiceRevision)
	return out, nil
}

func answerServiceRevision(t *state.Tables, r *ecs.ServiceRevision) shape.ServiceRevision {
	out := shape.ServiceRevision{
		ServiceRevisionArn: &r.ServiceRevisionARN, ServiceArn: &r.ServiceARN, ClusterArn: &r.ClusterARN,
		TaskDefinition: &r.TaskDefinition, LaunchType: r.LaunchType, CreatedAt: &r.CreatedAt,
		CapacityProviderStrategy: answerStrategy(r.CapacityProviderStrategy),
		LoadBalancers:            reshape.Out[[]shape.LoadBalancer](r.LoadBalancers),
	}
	if r.NetworkConfiguration != nil {
		out.NetworkConfiguration = new(reshape.Out[shape.NetworkConfiguration](r.NetworkConfiguration))
	}
	if def, ok := t.TaskDefinitions.Get(r.TaskDefinition); ok {
		for _, c := range def.ContainerDefinitions {
			out.ContainerImages = append(out.ContainerImages,
				shape.ContainerImage{ContainerName: &c.Name, Image: &c.Image})
		}
	}
	return out
}

// stopServiceDeployment asks for the rollback of a deployment in progress. control/service carries it out (ecs.md 3.6).
func (a *api) stopServiceDeployment(
	ctx context.Context, call *awswire.Call, in *shape.StopServiceDeploymentInput,
) (*shape.StopServiceDeploymentOutput, error) {
	if err := checkHistoryARN(call, ecs.TypeServiceDeployment, *in.ServiceDeploymentArn); err != nil {
		return nil, err
	}
	if in.StopType == shape.StopServiceDeploymentStopTypeAbort {
		return nil, invalid("The stop type ABORT is not supported: use ROLLBACK, " +
			"which returns the service to its last completed revision.")
	}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		d, ok := tx.ServiceDeployments.Get(*in.ServiceDeploymentArn)
		if !ok {
			return fault.New(shape.CodeServiceDeploymentNotFoundException, "The service deployment was not found.")
		}
		switch {
		case d.Ended():
			return conflict("The service deployment has ended: it is %s.", d.Status)
		case d.Status != ecs.ServiceDeploymentInProgress:
			return nil // a rollback is under way
		case !hasStatus(&tx.Tables, d.ServiceARN, ecs.ServiceActive):
			return conflict("The service is being deleted.")
		case !tx.Progress(d.ServiceARN).CanRollBack():
			return conflict("The service deployment cannot be rolled back: " +
				"no completed deployment is left to return to.")
		}
		stopping := *d
		stopping.RequestRollback(call.Now)
		tx.ServiceDeployments.Put(&stopping)
		return nil
	})
	return &shape.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, err
}

func conflict(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeConflictException, format, args...)
}
