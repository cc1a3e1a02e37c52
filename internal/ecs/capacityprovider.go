package ecs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Statuses of capacity providers, and of changes of them.
const (
	CapacityProviderActive   = "ACTIVE"
	CapacityProviderInactive = "INACTIVE" // deleted; it can be described until it is reaped

	UpdateComplete   = "UPDATE_COMPLETE"
	DeleteInProgress = "DELETE_IN_PROGRESS"
	DeleteComplete   = "DELETE_COMPLETE"
)

// Values of the switches of capacity providers.
const (
	Enabled  = "ENABLED"
	Disabled = "DISABLED"
)

// Limits of capacity providers (ecs.md 2.9, 4.1, 9.1).
const (
	MaxClusterProviders = 20
	MaxStrategyItems    = 20
	MaxStrategyBase     = 100000
	MaxStrategyWeight   = 1000
	MaxProvisioning     = 500 // tasks of a cluster that wait for capacity (ecs.md 4.11)
	MaxScalingStep      = 10000
	MaxInstanceWarmup   = 10000 // seconds
)

// The capacity providers that AWS itself has. Nobody can make one with such a name (ecs.md 1.1.4).
const (
	ProviderFargate     = "FARGATE"
	ProviderFargateSpot = "FARGATE_SPOT"
)

// CapacityProvider lets a cluster's tasks run on the instances of an Auto Scaling group, and lets ECS change the
// number of those instances (ecs.md 4.1).
//
// Actions write it. control/capacity writes the end of one that is being deleted.
type CapacityProvider struct {
	CapacityProviderARN      string
	Name                     string
	Status                   string
	AutoScalingGroupProvider AutoScalingGroupProvider
	UpdateStatus             string  `json:",omitempty"` // "" until it is changed or deleted
	Tags                     tag.Set `json:",omitempty"`
	CreatedAt                time.Time
	DeletedAt                time.Time `json:",omitzero"`
	// PolicyID, HighID and LowID are the UUIDs in the names of the scaling policy and of its two alarms (ecs.md 4.6).
	PolicyID, HighID, LowID string
}

// AutoScalingGroupProvider is the group of a capacity provider, and what ECS does with it.
type AutoScalingGroupProvider struct {
	AutoScalingGroupARN          string
	ManagedScaling               ManagedScaling
	ManagedTerminationProtection string // Enabled or Disabled, as the next
	ManagedDraining              string
}

// ManagedScaling says whether and how ECS changes the number of a group's instances (ecs.md 4.1).
type ManagedScaling struct {
	Status                 string // Enabled or Disabled
	TargetCapacity         int    `json:",omitempty"` // percent; 0 while it has never been enabled
	MinimumScalingStepSize int    // instances, of scaling out only, as the next
	MaximumScalingStepSize int
	InstanceWarmupPeriod   int // seconds
}

// DefaultManagedScaling returns the settings of a capacity provider without any: ECS does not scale its group.
func DefaultManagedScaling() ManagedScaling {
	return ManagedScaling{Status: Disabled, MinimumScalingStepSize: 1, MaximumScalingStepSize: MaxScalingStep,
		InstanceWarmupPeriod: 300}
}

// Check returns an error for a setting outside of its range.
func (m ManagedScaling) Check() error {
	switch {
	case m.Status == Enabled && (m.TargetCapacity < 1 || m.TargetCapacity > 100):
		return fmt.Errorf("targetCapacity must be between 1 and 100, not %d", m.TargetCapacity)
	case m.MinimumScalingStepSize < 1 || m.MinimumScalingStepSize > MaxScalingStep:
		return fmt.Errorf("minimumScalingStepSize must be between 1 and %d, not %d", MaxScalingStep,
			m.MinimumScalingStepSize)
	case m.MaximumScalingStepSize < 1 || m.MaximumScalingStepSize > MaxScalingStep:
		return fmt.Errorf("maximumScalingStepSize must be between 1 and %d, not %d", MaxScalingStep,
			m.MaximumScalingStepSize)
	case m.MinimumScalingStepSize > m.MaximumScalingStepSize:
		return fmt.Errorf("minimumScalingStepSize must not be more than maximumScalingStepSize; %d is more than %d",
			m.MinimumScalingStepSize, m.MaximumScalingStepSize)
	case m.InstanceWarmupPeriod < 0 || m.InstanceWarmupPeriod > MaxInstanceWarmup:
		return fmt.Errorf("instanceWarmupPeriod must be between 0 and %d seconds, not %d", MaxInstanceWarmup,
			m.InstanceWarmupPeriod)
	}
	return nil
}

// ScalesGroup reports whether ECS changes the number of the group's instances.
func (p *CapacityProvider) ScalesGroup() bool {
	return p.Status == CapacityProviderActive && p.AutoScalingGroupProvider.ManagedScaling.Status == Enabled
}

// ProtectsTasks reports whether instances with tasks are protected from a scale-in of the group (ecs.md 4.9).
func (p *CapacityProvider) ProtectsTasks() bool {
	return p.ScalesGroup() && p.AutoScalingGroupProvider.ManagedTerminationProtection == Enabled
}

// Drains reports whether the tasks of an instance that is about to end are moved first (ecs.md 4.10).
func (p *CapacityProvider) Drains() bool {
	return p.Status == CapacityProviderActive && p.AutoScalingGroupProvider.ManagedDraining == Enabled
}

// PolicyName returns the name of the scaling policy that managed scaling makes (ecs.md 4.6).
func (p *CapacityProvider) PolicyName() string { return "ECSManagedAutoScalingPolicy-" + p.PolicyID }

// PolicyARN returns the ARN of the scaling policy on the group.
func (p *CapacityProvider) PolicyARN() string {
	place, group, _ := strings.Cut(p.AutoScalingGroupProvider.AutoScalingGroupARN, ":autoScalingGroup:")
	_, name, _ := strings.Cut(group, ":autoScalingGroupName/")
	return place + ":scalingPolicy:" + p.PolicyID + ":autoScalingGroupName/" + name + ":policyName/" + p.PolicyName()
}

// ManagedScalingState is how far the managed scaling of a capacity provider has come. control/capacity writes it.
type ManagedScalingState struct {
	CapacityProviderARN string
	ScaledOutAt         time.Time `json:",omitzero"` // when the group was last made larger
	// Held is why the group does not have as many instances as its tasks need; "" if nothing is in the way.
	Held string `json:",omitempty"`
}

// ValidProviderName reports whether a capacity provider may be made with the name (ecs.md 1.1.4).
func ValidProviderName(name string) bool {
	lower := strings.ToLower(name)
	for _, reserved := range []string{"aws", "ecs", "fargate"} {
		if strings.HasPrefix(lower, reserved) {
			return false
		}
	}
	return ValidName(name)
}

// StrategyItem is one capacity provider of a strategy. Tasks fill Base first; the others are divided by the ratio
// of the weights (ecs.md 2.9).
type StrategyItem struct {
	CapacityProvider string // name
	Base             int    `json:",omitempty"`
	Weight           int    `json:",omitempty"`
}

// CheckStrategy returns an error if no strategy can be like this (ecs.md 2.9).
func CheckStrategy(items []StrategyItem) error {
	if len(items) > MaxStrategyItems {
		return fmt.Errorf("a capacity provider strategy can contain at most %d capacity providers, not %d",
			MaxStrategyItems, len(items))
	}
	bases, seen := 0, make(map[string]bool)
	for _, i := range items {
		switch {
		case i.CapacityProvider == "":
			return errors.New("each item of a capacity provider strategy must name a capacity provider")
		case seen[i.CapacityProvider]:
			return fmt.Errorf("the capacity provider %s is in the strategy twice", i.CapacityProvider)
		case i.Base < 0 || i.Base > MaxStrategyBase:
			return fmt.Errorf("the base of a capacity provider must be between 0 and %d, not %d", MaxStrategyBase,
				i.Base)
		case i.Weight < 0 || i.Weight > MaxStrategyWeight:
			return fmt.Errorf("the weight of a capacity provider must be between 0 and %d, not %d", MaxStrategyWeight,
				i.Weight)
		case i.Base > 0:
			bases++
		}
		seen[i.CapacityProvider] = true
	}
	if bases > 1 {
		return errors.New("only one capacity provider of a strategy can have a base")
	}
	return nil
}

// UsableStrategy reports whether tasks can be started by a strategy: one without weights starts none (ecs.md 2.9).
func UsableStrategy(items []StrategyItem) bool {
	for _, i := range items {
		if i.Weight > 0 {
			return true
		}
	}
	return false
}

// ProviderEntry is the index entry for what uses a capacity provider in a cluster; "" for a name of "".
func ProviderEntry(clusterARN, provider string) string {
	if provider == "" {
		return ""
	}
	return clusterARN + " " + provider
}

// ProviderARN returns the ARN of the capacity provider with a name that a cluster can have.
func ProviderARN(clusterARN, name string) string {
	region, account := placeOf(clusterARN)
	return ARN(region, account, TypeCapacityProvider, name)
}
