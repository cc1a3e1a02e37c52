package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

const maxRevisions = 1_000_000

func (a *api) registerTaskDefinition(
	ctx context.Context, call *awswire.Call, in *shape.RegisterTaskDefinitionInput,
) (*shape.RegisterTaskDefinitionOutput, error) {
	def, err := parseTaskDefinition(in)
	if err != nil {
		return nil, err
	}
	def.RegisteredAt, def.RegisteredBy, def.Status = call.Now, call.Principal.ARN, ecs.TaskDefinitionActive

	err = a.store.Update(ctx, func(tx *state.Tx) error {
		f := &ecs.Family{Region: call.Region, Account: call.Account, Name: def.Family}
		if old, ok := tx.Families.Get(f.Key()); ok {
			f.LastRevision = old.LastRevision
		}
		if f.LastRevision >= maxRevisions {
			return client("The family %s has %d revisions and can have no more: use another family.",
				def.Family, maxRevisions)
		}
		f.LastRevision++
		tx.Families.Put(f)
		def.Revision = f.LastRevision
		def.TaskDefinitionARN = ecs.ARN(call.Region, call.Account, ecs.TypeTaskDefinition, def.Name())
		tx.TaskDefinitions.Put(def)
		return nil
	})
	return &shape.RegisterTaskDefinitionOutput{
		TaskDefinition: answerTaskDefinition(def), Tags: answerTags(def.Tags),
	}, err
}

func parseTaskDefinition(in *shape.RegisterTaskDefinitionInput) (*ecs.TaskDefinition, error) {
	for i := range in.ContainerDefinitions {
		c := &in.ContainerDefinitions[i]
		if c.Essential == nil {
			c.Essential = new(true) // ecs.md 1.4.4
		}
		if err := checkZeros(c); err != nil {
			return nil, err
		}
		// A CPU of 0 is the default and has no effect.
		if request.Value(c.Cpu) == 0 {
			c.Cpu = nil
		}
	}
	def, err := reshape.In[ecs.TaskDefinition](in)
	if err != nil {
		if e, ok := errors.AsType[*reshape.UnknownFieldError](err); ok {
			return nil, client("%s is not available yet: remove it from the task definition.", e.Path)
		}
		return nil, client("%s", err)
	}
	if def.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	// The noun's JSON has the names and the values of the request, without what is absent.
	if doc, err := json.Marshal(def); err != nil || len(doc) > ecs.MaxTaskDefinitionBytes {
		return nil, client("The task definition is larger than 64 KiB.")
	}
	if err := def.Validate(); err != nil {
		return nil, err
	}
	for _, c := range def.PlacementConstraints {
		if _, err := sched.ParseConstraint(c.Type, c.Expression); err != nil {
			return nil, client("Invalid placement constraint: %s.", err)
		}
	}
	def.Complete()
	def.Zeros = reshape.Zeros(in)
	return &def, nil
}

// checkZeros refuses what is 0 and may not be: the noun cannot tell it from what is absent and has
// a default (ecs.md 1.4.15, 1.4.16).
func checkZeros(c *shape.ContainerDefinition) error {
	var zeros []string
	note := func(name string, v *int32) {
		if v != nil && *v == 0 {
			zeros = append(zeros, name)
		}
	}
	if h := c.HealthCheck; h != nil {
		note("healthCheck.interval", h.Interval)
		note("healthCheck.timeout", h.Timeout)
		note("healthCheck.retries", h.Retries)
	}
	if r := c.RestartPolicy; r != nil {
		note("restartPolicy.restartAttemptPeriod", r.RestartAttemptPeriod)
	}
	if len(zeros) > 0 {
		return client("Invalid setting for container '%s'. '%s' must not be 0: leave it out for the default.",
			request.Value(c.Name), zeros[0])
	}
	return nil
}

func answerTaskDefinition(d *ecs.TaskDefinition) *shape.TaskDefinition {
	out := reshape.Out[shape.TaskDefinition](d)
	for i := range out.ContainerDefinitions {
		c := &out.ContainerDefinitions[i]
		// AWS always has these, empty or not.
		c.Cpu, c.Essential = new(int32(d.ContainerDefinitions[i].CPU)), new(d.ContainerDefinitions[i].Essential)
		for j := range c.PortMappings {
			if p := &c.PortMappings[j]; p.ContainerPort != nil && p.HostPort == nil {
				p.HostPort = new(int32(0))
			}
		}
	}
	reshape.Restore(&out, d.Zeros)
	return &out
}

func (a *api) deregisterTaskDefinition(
	ctx context.Context, call *awswire.Call, in *shape.DeregisterTaskDefinitionInput,
) (*shape.DeregisterTaskDefinitionOutput, error) {
	ref := request.Value(in.TaskDefinition)
	if !hasRevision(ref) {
		return nil, client("Invalid revision number. Specify the task definition as family:revision or by its ARN.")
	}
	var out *shape.TaskDefinition
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		d, ok := taskDefinition(&tx.Tables, call, ref)
		if !ok {
			return client("Unable to describe task definition.")
		}
		n := *d
		if n.Status == ecs.TaskDefinitionActive {
			n.Status, n.DeregisteredAt = ecs.TaskDefinitionInactive, call.Now
			tx.TaskDefinitions.Put(&n)
		}
		out = answerTaskDefinition(&n)
		return nil
	})
	return &shape.DeregisterTaskDefinitionOutput{TaskDefinition: out}, err
}

// hasRevision reports whether a reference names one revision, as where something is taken away it must.
func hasRevision(ref string) bool { return strings.Contains(arn.LastID(ref), ":") }

func (a *api) deleteTaskDefinitions(
	ctx context.Context, call *awswire.Call, in *shape.DeleteTaskDefinitionsInput,
) (*shape.DeleteTaskDefinitionsOutput, error) {
	if err := batch("Task definitions", len(in.TaskDefinitions), 10); err != nil {
		return nil, err
	}
	out := &shape.DeleteTaskDefinitionsOutput{}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		for _, ref := range in.TaskDefinitions {
			d, ok := taskDefinition(&tx.Tables, call, ref)
			switch {
			case !ok || !hasRevision(ref):
				out.Failures = append(out.Failures, shape.Failure{Arn: &ref, Reason: new("The specified task " +
					"definition does not exist. Specify a valid account, family, revision and try again.")})
				continue
			case d.Status == ecs.TaskDefinitionActive:
				out.Failures = append(out.Failures,
					shape.Failure{Arn: &d.TaskDefinitionARN, Reason: new("The specified task definition is " +
						"still in ACTIVE status. Please deregister the target and try again.")})
				continue
			}
			n := *d
			n.Status, n.DeleteRequestedAt = ecs.TaskDefinitionDeleteInProgress, call.Now
			tx.TaskDefinitions.Put(&n)
			out.TaskDefinitions = append(out.TaskDefinitions, *answerTaskDefinition(&n))
		}
		return nil
	})
	return out, err
}

func (a *api) describeTaskDefinition(
	_ context.Context, call *awswire.Call, in *shape.DescribeTaskDefinitionInput,
) (*shape.DescribeTaskDefinitionOutput, error) {
	snap := a.store.View()
	d, ok := taskDefinition(&snap.Tables, call, request.Value(in.TaskDefinition))
	if !ok {
		return nil, client("Unable to describe task definition.")
	}
	out := &shape.DescribeTaskDefinitionOutput{TaskDefinition: answerTaskDefinition(d)}
	if slices.Contains(in.Include, "TAGS") {
		out.Tags = answerTags(d.Tags)
	}
	return out, nil
}

func (a *api) listTaskDefinitions(
	_ context.Context, call *awswire.Call, in *shape.ListTaskDefinitionsInput,
) (*shape.ListTaskDefinitionsOutput, error) {
	status := in.Status
	if status == "" {
		status = ecs.TaskDefinitionActive
	}
	prefix := ""
	if request.Value(in.FamilyPrefix) != "" {
		prefix = *in.FamilyPrefix + ":" // the whole family name, in spite of the parameter's name
	}
	snap := a.store.View()
	var defs []*ecs.TaskDefinition
	for d := range snap.TaskDefinitions.Prefix(ecs.ARN(call.Region, call.Account, ecs.TypeTaskDefinition, prefix)) {
		if d.Status == status {
			defs = append(defs, d)
		}
	}
	// Revisions sort as numbers (ecs.md 1.1.10), which their ARNs do not.
	key := func(d *ecs.TaskDefinition) string { return fmt.Sprintf("%s\x00%07d", d.Family, d.Revision) }
	asked := pages.Ask(in.MaxResults, in.NextToken)
	asked.Descending = in.Sort == "DESC"
	page, next, err := request.Page(call, asked, defs, key, status, in.Sort, request.Value(in.FamilyPrefix))
	return &shape.ListTaskDefinitionsOutput{NextToken: next, TaskDefinitionArns: request.Answers(page,
		func(d *ecs.TaskDefinition) string { return d.TaskDefinitionARN })}, err
}

func (a *api) listTaskDefinitionFamilies(
	_ context.Context, call *awswire.Call, in *shape.ListTaskDefinitionFamiliesInput,
) (*shape.ListTaskDefinitionFamiliesOutput, error) {
	snap := a.store.View()
	active := make(map[string]bool)
	for d := range snap.TaskDefinitions.Prefix(
		ecs.ARN(call.Region, call.Account, ecs.TypeTaskDefinition, request.Value(in.FamilyPrefix))) {
		active[d.Family] = active[d.Family] || d.Status == ecs.TaskDefinitionActive
	}
	var families []string
	for f, is := range active {
		// A family without an ACTIVE revision is INACTIVE; without a status both are asked for, as
		// AWS documents the parameter.
		if in.Status == "" || in.Status == "ALL" || is == (in.Status == ecs.TaskDefinitionActive) {
			families = append(families, f)
		}
	}
	page, next, err := request.Page(call, pages.Ask(in.MaxResults, in.NextToken), families, request.Itself,
		in.Status, request.Value(in.FamilyPrefix))
	return &shape.ListTaskDefinitionFamiliesOutput{Families: page, NextToken: next}, err
}
