package ecs

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// noSuchProvider is the error of UpdateCapacityProvider and DeleteCapacityProvider.
func noSuchProvider() *fault.Error {
	return client("The specified capacity provider does not exist. Specify a valid name or ARN and try again.")
}

// noRoomForAlarms is the error when the alarms of managed scaling cannot be made.
func noRoomForAlarms() *fault.Error {
	return fault.New(shape.CodeLimitExceededException, "There is no room for the two alarms of managed scaling: "+
		"the account has as many alarms as it can have. Delete some.")
}

func (a *api) createCapacityProvider(
	ctx context.Context, call *awswire.Call, in *shape.CreateCapacityProviderInput,
) (*shape.CreateCapacityProviderOutput, error) {
	want, err := parseProvider(call, in)
	if err != nil {
		return nil, err
	}
	want.PolicyID, want.HighID, want.LowID = threeUUIDs(call.Random)
	var out shape.CapacityProvider
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		p := *want
		if old, ok := tx.CapacityProviders.Get(p.CapacityProviderARN); ok && old.Status == ecs.CapacityProviderActive {
			return client("The specified capacity provider already exists. To change the configuration of an " +
				"existing " +
				"capacity provider, update the capacity provider.")
		}
		g, err := groupFor(&tx.Tables, call, request.Value(in.AutoScalingGroupProvider.AutoScalingGroupArn))
		if err != nil {
			return err
		}
		p.AutoScalingGroupProvider.AutoScalingGroupARN = g.ARN()
		if err := checkProtection(&p, g); err != nil {
			return err
		}
		for range tx.CapacityProviders.By(state.CapacityProvidersByGroup, g.ARN()) {
			return client("The specified Auto Scaling group ARN is already being used by another capacity provider. " +
				"Specify a unique Auto Scaling group ARN and try again.")
		}
		tx.CapacityProviders.Put(&p)
		if !provider.Follow(tx, &p, call.Now) {
			return noRoomForAlarms()
		}
		out = answerProvider(&p, true)
		return nil
	})
	return &shape.CreateCapacityProviderOutput{CapacityProvider: &out}, err
}

func threeUUIDs(random io.Reader) (a, b, c string) {
	ids := newid.UUIDs(random, 3)
	return ids[0], ids[1], ids[2]
}

// parseProvider checks everything about a capacity provider that does not need the state.
func parseProvider(call *awswire.Call, in *shape.CreateCapacityProviderInput) (*ecs.CapacityProvider, error) {
	p := &ecs.CapacityProvider{Name: request.Value(in.Name), Status: ecs.CapacityProviderActive, CreatedAt: call.Now}
	if !ecs.ValidProviderName(p.Name) {
		return nil, client("The specified capacity provider name is invalid: %q. Up to 255 letters, numbers, hyphens, "+
			"and underscores are allowed, and the name cannot begin with \"aws\", \"ecs\", or \"fargate\".", p.Name)
	}
	if in.AutoScalingGroupProvider == nil {
		return nil, invalid("The capacity provider needs an autoScalingGroupProvider: other kinds are not available.")
	}
	p.CapacityProviderARN = ecs.ARN(call.Region, call.Account, ecs.TypeCapacityProvider, p.Name)
	asked := in.AutoScalingGroupProvider
	p.AutoScalingGroupProvider = ecs.AutoScalingGroupProvider{
		ManagedScaling:               ecs.DefaultManagedScaling(),
		ManagedTerminationProtection: ecs.Disabled, ManagedDraining: ecs.Enabled,
	}
	err := setProvider(p, &shape.AutoScalingGroupProviderUpdate{ManagedDraining: asked.ManagedDraining,
		ManagedScaling: asked.ManagedScaling, ManagedTerminationProtection: asked.ManagedTerminationProtection})
	if err != nil {
		return nil, err
	}
	p.Tags, err = parseTags(in.Tags)
	return p, err
}

// setProvider takes over the settings that are given (ecs.md 4.1).
func setProvider(p *ecs.CapacityProvider, in *shape.AutoScalingGroupProviderUpdate) error {
	g := &p.AutoScalingGroupProvider
	if in.ManagedDraining != "" {
		g.ManagedDraining = in.ManagedDraining
	}
	if in.ManagedTerminationProtection != "" {
		g.ManagedTerminationProtection = in.ManagedTerminationProtection
	}
	if m := in.ManagedScaling; m != nil {
		setScaling(&g.ManagedScaling, m)
	}
	if err := g.ManagedScaling.Check(); err != nil {
		return invalid("The managed scaling settings of the capacity provider are not valid: %s.", err)
	}
	return nil
}

// checkProtection reports what managed termination protection needs and is missing (ecs.md 4.1).
func checkProtection(p *ecs.CapacityProvider, g *fleet.AutoScalingGroup) error {
	switch s := p.AutoScalingGroupProvider; {
	case s.ManagedTerminationProtection != ecs.Enabled:
		return nil
	case s.ManagedScaling.Status != ecs.Enabled:
		return client("The managed termination protection setting for the capacity provider is invalid. To enable " +
			"managed termination protection for a capacity provider, managed scaling must be enabled.")
	case !g.NewProtected:
		return client("The managed termination protection setting for the capacity provider is invalid. To enable " +
			"managed termination protection for a capacity provider, the Auto Scaling group must have instance " +
			"protection from scale in enabled.")
	}
	return nil
}

// setScaling takes over the settings of managed scaling that are given. Who gives some and does not say whether it is
// enabled wants it.
func setScaling(to *ecs.ManagedScaling, in *shape.ManagedScaling) {
	switch {
	case in.Status != "":
		to.Status = in.Status
	default:
		to.Status = ecs.Enabled
	}
	for _, x := range []struct {
		to *int
		in *int32
	}{{&to.TargetCapacity, in.TargetCapacity}, {&to.MinimumScalingStepSize, in.MinimumScalingStepSize},
		{&to.MaximumScalingStepSize, in.MaximumScalingStepSize}, {&to.InstanceWarmupPeriod, in.InstanceWarmupPeriod}} {
		if x.in != nil {
			*x.to = int(*x.in)
		}
	}
	if to.Status == ecs.Enabled && in.TargetCapacity == nil && to.TargetCapacity == 0 {
		to.TargetCapacity = 100
	}
}

// groupFor finds the Auto Scaling group that a caller names by its ARN or, as the CDK does, by its name.
func groupFor(t *state.Tables, call *awswire.Call, ref string) (*fleet.AutoScalingGroup, error) {
	key, byARN := fleet.Key(call.Region, call.Account, ref), arn.Is(ref)
	if byARN {
		var ok bool
		if key, ok = fleet.GroupKeyFromARN(ref); !ok {
			return nil, client("The specified Auto Scaling group ARN is not valid: %s.", ref)
		}
	}
	g, ok := t.AutoScalingGroups.Get(key)
	switch {
	case !ok || byARN && g.ARN() != ref || g.Region != call.Region || g.Account != call.Account ||
		g.Status == fleet.DeleteInProgress:
		return nil, client("The specified Auto Scaling group was not found: %s. Specify a group of this region and "+
			"account and try again.", ref)
	case g.Max == 0: // ecs.md 4.1
		return nil, client("The Auto Scaling group %s has a maximum size of 0: a capacity provider needs more.", g.Name)
	}
	return g, nil
}

func (a *api) updateCapacityProvider(
	ctx context.Context, call *awswire.Call, in *shape.UpdateCapacityProviderInput,
) (*shape.UpdateCapacityProviderOutput, error) {
	if in.AutoScalingGroupProvider == nil {
		return nil, invalid("Name what to change with autoScalingGroupProvider.")
	}
	var out shape.CapacityProvider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := activeProvider(&tx.Tables, call, in.Name)
		if err != nil {
			return err
		}
		p := *old
		p.UpdateStatus = ecs.UpdateComplete
		if err := setProvider(&p, in.AutoScalingGroupProvider); err != nil {
			return err
		}
		g, ok := provider.Group(&tx.Tables, &p)
		if !ok {
			return client("The Auto Scaling group of the capacity provider does not exist any more.")
		}
		if err := checkProtection(&p, g); err != nil {
			return err
		}
		if err := oneCluster(&tx.Tables, &p); err != nil {
			return err
		}
		tx.CapacityProviders.Put(&p)
		if !provider.Follow(tx, &p, call.Now) {
			return noRoomForAlarms()
		}
		out = answerProvider(&p, true)
		return nil
	})
	return &shape.UpdateCapacityProviderOutput{CapacityProvider: &out}, err
}

// activeProvider finds one that is not being deleted.
func activeProvider(t *state.Tables, call *awswire.Call, ref *string) (*ecs.CapacityProvider, error) {
	p, ok := t.CapacityProviders.Get(providerARN(call, request.Value(ref)))
	switch {
	case !ok || p.Status != ecs.CapacityProviderActive:
		return nil, noSuchProvider()
	case p.UpdateStatus == ecs.DeleteInProgress:
		return nil, fault.New(shape.CodeUpdateInProgressException, "The capacity provider %s is being deleted.", p.Name)
	}
	return p, nil
}

// providerARN is the ARN meant by a capacity provider's name or ARN.
func providerARN(call *awswire.Call, ref string) string {
	if arn.Is(ref) {
		return ref
	}
	return ecs.ARN(call.Region, call.Account, ecs.TypeCapacityProvider, ref)
}

func (a *api) deleteCapacityProvider(
	ctx context.Context, call *awswire.Call, in *shape.DeleteCapacityProviderInput,
) (*shape.DeleteCapacityProviderOutput, error) {
	ref := request.Value(in.CapacityProvider)
	if reservedProvider(arn.LastID(ref)) {
		return nil, client("The %s capacity provider is reserved and cannot be deleted.", arn.LastID(ref))
	}
	var out shape.CapacityProvider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := activeProvider(&tx.Tables, call, &ref)
		if err != nil {
			return err
		}
		if _, used := provider.Cluster(&tx.Tables, old); used {
			return client("Cannot delete a capacity provider while it is associated with a cluster. Remove the " +
				"capacity " +
				"provider from the cluster and try again.")
		}
		p := *old
		p.UpdateStatus = ecs.DeleteInProgress
		tx.CapacityProviders.Put(&p)
		out = answerProvider(&p, true)
		return nil
	})
	return &shape.DeleteCapacityProviderOutput{CapacityProvider: &out}, err
}

// reservedProvider reports whether a name is that of one of AWS's own capacity providers.
func reservedProvider(name string) bool {
	return name == ecs.ProviderFargate || name == ecs.ProviderFargateSpot
}

// noFargate is the error when a call names one of AWS's own capacity providers.
func noFargate(name string) *fault.Error {
	return invalid("The capacity provider %s is not available yet: use the capacity provider of an Auto Scaling group.",
		name)
}

func (a *api) describeCapacityProviders(
	_ context.Context, call *awswire.Call, in *shape.DescribeCapacityProvidersInput,
) (*shape.DescribeCapacityProvidersOutput, error) {
	if len(in.CapacityProviders) > 100 {
		return nil, invalid("capacityProviders cannot have more than 100 elements.")
	}
	snap := a.store.View()
	keep := func(*ecs.CapacityProvider) bool { return true }
	if in.Cluster != nil {
		c, err := cluster(&snap.Tables, call, in.Cluster)
		if err != nil {
			return nil, err
		}
		keep = func(p *ecs.CapacityProvider) bool { return slices.Contains(c.CapacityProviders, p.Name) }
	}
	out := &shape.DescribeCapacityProvidersOutput{}
	found := request.Where(snap.CapacityProviders.Prefix(providerARN(call, "")), keep)
	if len(in.CapacityProviders) > 0 {
		var named []*ecs.CapacityProvider
		for _, ref := range in.CapacityProviders {
			p, ok := snap.CapacityProviders.Get(providerARN(call, ref))
			if !ok || !strings.HasPrefix(p.CapacityProviderARN, providerARN(call, "")) || !keep(p) {
				out.Failures = append(out.Failures, missing(ref))
				continue
			}
			named = append(named, p)
		}
		slices.SortFunc(named, func(a, b *ecs.CapacityProvider) int {
			return strings.Compare(a.CapacityProviderARN, b.CapacityProviderARN)
		})
		found = slices.Values(slices.Compact(named))
	}
	page, next, err := request.Cut(call, providerPages.Ask(in.MaxResults, in.NextToken), found,
		func(p *ecs.CapacityProvider) string { return p.CapacityProviderARN },
		append([]string{request.Value(in.Cluster)}, in.CapacityProviders...)...)
	if err != nil {
		return nil, err
	}
	tags := slices.Contains(in.Include, shape.CapacityProviderFieldTags)
	out.CapacityProviders = request.Answers(page, func(p *ecs.CapacityProvider) shape.CapacityProvider {
		return answerProvider(p, tags)
	})
	out.NextToken = next
	return out, nil
}

func answerProvider(p *ecs.CapacityProvider, tags bool) shape.CapacityProvider {
	plain := *p
	plain.Tags = nil
	out := reshape.Out[shape.CapacityProvider](&plain)
	m := p.AutoScalingGroupProvider.ManagedScaling
	s := out.AutoScalingGroupProvider.ManagedScaling
	s.InstanceWarmupPeriod, s.TargetCapacity = new(int32(m.InstanceWarmupPeriod)), new(int32(m.TargetCapacity))
	out.Type = shape.CapacityProviderTypeEc2Autoscaling
	if tags {
		out.Tags = answerTags(p.Tags)
	}
	return out
}
