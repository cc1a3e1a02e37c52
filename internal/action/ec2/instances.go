package ec2

import (
	"context"
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// instanceLister finds instances by all that DescribeInstances knows.
func instanceLister(t *state.Tables) lister[*fleet.Instance] {
	return lister[*fleet.Instance]{
		id: func(i *fleet.Instance) string { return i.ID }, missing: missingInstances, sample: &fleet.Instance{},
		tags:   func(i *fleet.Instance) tag.Set { return i.Tags },
		fields: func(i *fleet.Instance) map[string][]string { return instanceFields(t, i) },
		also:   map[string]func(*fleet.Instance, []string) bool{"tag-value": hasTagValue},
	}
}

func hasTagValue(i *fleet.Instance, values []string) bool {
	var have []string
	for _, t := range i.Tags {
		have = append(have, t.Value)
	}
	return matchesAny(values, have)
}

func missingInstances(ids []string) error {
	for _, id := range ids {
		if !fleet.WellFormedID("i", id) {
			return fault.New("InvalidInstanceID.Malformed", "Invalid id: %q", id)
		}
	}
	return notFound("InvalidInstanceID.NotFound", "instance ID")(ids)
}

// instancesOf are the instances of the call's region and account.
func instancesOf(t *state.Tables, call *awswire.Call) iter.Seq[*fleet.Instance] {
	return t.Instances.Prefix(fleet.InstancePrefix(call.Region, call.Account))
}

// named finds instances by their ids, in the order given.
func named(t *state.Tables, call *awswire.Call, ids []string) ([]*fleet.Instance, error) {
	var found []*fleet.Instance
	var missing []string
	for _, id := range ids {
		if i, ok := t.Instances.Get(fleet.InstanceARN(call.Region, call.Account, id)); ok {
			found = append(found, i)
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, missingInstances(missing)
	}
	return found, nil
}

func (a *api) describeInstances(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstancesInput,
) (*shape.DescribeInstancesOutput, error) {
	t := &a.store.View().Tables
	found, next, err := instanceLister(t).find(call, slices.Collect(instancesOf(t, call)),
		query{in.InstanceIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeInstancesOutput{NextToken: next}
	for _, i := range found {
		at := slices.IndexFunc(out.Reservations,
			func(r shape.Reservation) bool { return *r.ReservationId == i.ReservationID })
		if at < 0 {
			at = len(out.Reservations)
			out.Reservations = append(out.Reservations,
				shape.Reservation{ReservationId: &i.ReservationID, OwnerId: &i.Account})
		}
		r := &out.Reservations[at]
		r.Instances = append(r.Instances, answerInstance(t, i))
	}
	return out, nil
}

func (a *api) describeInstanceStatus(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstanceStatusInput,
) (*shape.DescribeInstanceStatusOutput, error) {
	t := &a.store.View().Tables
	l := lister[*fleet.Instance]{
		id: func(i *fleet.Instance) string { return i.ID }, missing: missingInstances,
		sample: &fleet.Instance{}, tags: func(i *fleet.Instance) tag.Set { return i.Tags },
		fields: func(i *fleet.Instance) map[string][]string {
			all := instanceFields(t, i)
			s := answerStatus(i)
			fields := map[string][]string{"instance-status.status": {s.InstanceStatus.Status},
				"system-status.status":         {s.SystemStatus.Status},
				"instance-status.reachability": {s.InstanceStatus.Details[0].Status},
				"system-status.reachability":   {s.SystemStatus.Details[0].Status}, "event.code": nil}
			for _, name := range []string{"availability-zone", "instance-state-name", "instance-state-code"} {
				fields[name] = all[name]
			}
			return fields
		},
	}
	all := slices.Collect(instancesOf(t, call))
	if !request.Value(in.IncludeAllInstances) && len(in.InstanceIds) == 0 {
		all = slices.DeleteFunc(all, func(i *fleet.Instance) bool { return i.Described() != fleet.Running })
	}
	found, next, err := l.find(call, all, query{in.InstanceIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeInstanceStatusOutput{NextToken: next}
	for _, i := range found {
		if request.Value(in.IncludeAllInstances) || i.Described() == fleet.Running {
			out.InstanceStatuses = append(out.InstanceStatuses, answerStatus(i))
		}
	}
	return out, err
}

// answerStatus tells the status checks: the system's is this machine, the instance's is its agent.
func answerStatus(i *fleet.Instance) shape.InstanceStatus {
	check := func(status, reachability string) *shape.InstanceStatusSummary {
		return &shape.InstanceStatusSummary{Status: status,
			Details: []shape.InstanceStatusDetails{{Name: "reachability", Status: reachability}}}
	}
	out := shape.InstanceStatus{InstanceId: &i.ID, AvailabilityZone: &i.Zone, InstanceState: answerState(i.Described())}
	switch {
	case i.Described() != fleet.Running:
		out.InstanceStatus, out.SystemStatus = check("not-applicable", "insufficient-data"),
			check("not-applicable", "insufficient-data")
	case i.Impaired():
		out.InstanceStatus, out.SystemStatus = check("impaired", "failed"), check("ok", "passed")
		out.InstanceStatus.Details[0].ImpairedSince = new(impairedSince(i))
	case i.Machine.Phase == fleet.PhaseUp:
		out.InstanceStatus, out.SystemStatus = check("ok", "passed"), check("ok", "passed")
	default:
		out.InstanceStatus, out.SystemStatus = check("initializing", "initializing"), check("ok", "passed")
	}
	return out
}

// changeEach runs fn on a copy of each named instance and tells the states before and after.
func (a *api) changeEach(
	ctx context.Context, call *awswire.Call, ids []string, fn func(*fleet.Instance) error,
) ([]shape.InstanceStateChange, error) {
	var changes []shape.InstanceStateChange
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		changes = nil
		found, err := named(&tx.Tables, call, slices.Compact(slices.Sorted(slices.Values(ids))))
		if err != nil {
			return err
		}
		for _, i := range found {
			c := i.Clone()
			if err := fn(c); err != nil {
				return err
			}
			tx.Instances.Put(c)
			changes = append(changes, shape.InstanceStateChange{InstanceId: &c.ID,
				PreviousState: answerState(i.Described()), CurrentState: answerState(c.Described())})
		}
		return nil
	})
	return changes, err
}

func (a *api) terminateInstances(
	ctx context.Context, call *awswire.Call, in *shape.TerminateInstancesInput,
) (*shape.TerminateInstancesOutput, error) {
	changes, err := a.changeEach(ctx, call, in.InstanceIds, func(i *fleet.Instance) error {
		if i.DisableAPITerm {
			return fault.New("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its "+
				"'disableApiTermination' instance attribute and try again.", i.ID)
		}
		if i.Desired != fleet.Terminated {
			i.AskTermination(call.Now)
		}
		return nil
	})
	return &shape.TerminateInstancesOutput{TerminatingInstances: changes}, err
}

func (a *api) stopInstances(
	ctx context.Context, call *awswire.Call, in *shape.StopInstancesInput,
) (*shape.StopInstancesOutput, error) {
	changes, err := a.changeEach(ctx, call, in.InstanceIds, func(i *fleet.Instance) error {
		switch s := i.Described(); {
		case s == fleet.Stopped || s == fleet.Stopping:
			return nil
		case s != fleet.Running:
			return fault.New("IncorrectInstanceState",
				"This instance '%s' is not in a state from which it can be stopped.", i.ID)
		case i.DisableAPIStop:
			return fault.New("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its "+
				"'disableApiStop' instance attribute and try again.", i.ID)
		}
		i.Desired, i.Reason = fleet.Stopped, fleet.UserInitiated()
		i.TransitionReason = "User initiated (" + call.Now.UTC().Format("2006-01-02 15:04:05") + " GMT)"
		return nil
	})
	return &shape.StopInstancesOutput{StoppingInstances: changes}, err
}

func (a *api) startInstances(
	ctx context.Context, call *awswire.Call, in *shape.StartInstancesInput,
) (*shape.StartInstancesOutput, error) {
	changes, err := a.changeEach(ctx, call, in.InstanceIds, func(i *fleet.Instance) error {
		switch i.Described() {
		case fleet.Running, fleet.Pending:
			return nil
		case fleet.Stopped:
			i.Desired, i.LaunchedAt = fleet.Running, call.Now
			return nil
		}
		return fault.New("IncorrectInstanceState",
			"The instance '%s' is not in a state from which it can be started.", i.ID)
	})
	return &shape.StartInstancesOutput{StartingInstances: changes}, err
}

func (a *api) rebootInstances(
	ctx context.Context, call *awswire.Call, in *shape.RebootInstancesInput,
) (*shape.RebootInstancesOutput, error) {
	_, err := a.changeEach(ctx, call, in.InstanceIds, func(i *fleet.Instance) error {
		if s := i.Described(); s != fleet.Running {
			return fault.New("IncorrectInstanceState",
				"The instance '%s' is not in a state from which it can be rebooted.", i.ID)
		}
		i.Reboot = true
		return nil
	})
	return nil, err
}

func (a *api) monitor(
	ctx context.Context, call *awswire.Call, ids []string, on bool,
) ([]shape.InstanceMonitoring, error) {
	changes, err := a.changeEach(ctx, call, ids, func(i *fleet.Instance) error {
		i.Launch.Monitoring = &on
		return nil
	})
	var out []shape.InstanceMonitoring
	for _, c := range changes {
		out = append(out, shape.InstanceMonitoring{InstanceId: c.InstanceId,
			Monitoring: answerMonitoring(&fleet.Instance{Launch: fleet.LaunchData{Monitoring: &on}})})
	}
	return out, err
}

func (a *api) monitorInstances(
	ctx context.Context, call *awswire.Call, in *shape.MonitorInstancesInput,
) (*shape.MonitorInstancesOutput, error) {
	out, err := a.monitor(ctx, call, in.InstanceIds, true)
	return &shape.MonitorInstancesOutput{InstanceMonitorings: out}, err
}

func (a *api) unmonitorInstances(
	ctx context.Context, call *awswire.Call, in *shape.UnmonitorInstancesInput,
) (*shape.UnmonitorInstancesOutput, error) {
	out, err := a.monitor(ctx, call, in.InstanceIds, false)
	return &shape.UnmonitorInstancesOutput{InstanceMonitorings: out}, err
}

func (a *api) getConsoleOutput(
	_ context.Context, call *awswire.Call, in *shape.GetConsoleOutputInput,
) (*shape.GetConsoleOutputOutput, error) {
	found, err := named(&a.store.View().Tables, call, []string{request.Value(in.InstanceId)})
	if err != nil {
		return nil, err
	}
	out := &shape.GetConsoleOutputOutput{InstanceId: in.InstanceId, Output: new("")}
	text, at, err := a.host.ConsoleOutput(found[0].ID)
	if err != nil {
		return nil, err
	}
	if len(text) > 0 {
		out.Output, out.Timestamp = new(base64.StdEncoding.EncodeToString(text)), &at
	}
	return out, nil
}

func (a *api) describeCredits(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstanceCreditSpecificationsInput,
) (*shape.DescribeInstanceCreditSpecificationsOutput, error) {
	t := &a.store.View().Tables
	l := instanceLister(t)
	l.fields = func(i *fleet.Instance) map[string][]string { return map[string][]string{"instance-id": {i.ID}} }
	found, next, err := l.find(call, slices.Collect(instancesOf(t, call)),
		query{in.InstanceIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeInstanceCreditSpecificationsOutput{NextToken: next}
	for _, i := range found {
		typ, _ := fleet.FindInstanceType(i.Launch.InstanceType)
		if !typ.Burstable {
			continue
		}
		credits := i.Launch.Credits
		if credits == "" {
			credits = "unlimited"
			if strings.HasPrefix(typ.Name, "t2.") {
				credits = "standard"
			}
		}
		out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications,
			shape.InstanceCreditSpecification{InstanceId: &i.ID, CpuCredits: &credits})
	}
	return out, err
}
