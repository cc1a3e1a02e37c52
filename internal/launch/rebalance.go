package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
)

// CheckRebalancing returns an error which says why the service's tasks cannot be rebalanced over
// the availability zones; nil if they can. It does not matter whether the service asks for that
// (ecs.md 2.8).
func CheckRebalancing(s *ecs.Service) error {
	switch {
	case s.SchedulingStrategy == ecs.Daemon:
		return errors.New("the daemon scheduling strategy runs a task on each instance")
	case s.LaunchType == "EXTERNAL":
		return errors.New("the launch type EXTERNAL knows no availability zones")
	case len(s.CapacityProviderStrategy) > 1:
		return errors.New("its tasks are divided over more than one capacity provider, whose instances may be in " +
			"different zones")
	case s.DeploymentConfiguration.MaximumPercent <= 100:
		return fmt.Errorf("a maximumPercent of %d leaves no room to start a task before one is stopped: "+
			"use more than 100", s.DeploymentConfiguration.MaximumPercent)
	case slices.ContainsFunc(s.PlacementConstraints, func(c ecs.PlacementConstraint) bool {
		return strings.Contains(c.Expression, ecs.AttributeZone)
	}):
		return fmt.Errorf("a placement constraint names %s", ecs.AttributeZone)
	}
	strategies, err := ParseStrategies(s.PlacementStrategy)
	if err != nil {
		return err
	}
	if !sched.SpreadsZones(strategies, true) {
		return fmt.Errorf("the first placement strategy must be a spread over attribute:%s", ecs.AttributeZone)
	}
	return nil
}
