package ecs

import (
	"github.com/berthhq/berth/internal/alarm"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
)

// parseDeployment fills in the strategy's defaults and takes over what is given.
func parseDeployment(s *ecs.Service, in *shape.CreateServiceInput) error {
	s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200}
	if s.SchedulingStrategy == ecs.Daemon {
		// ecs.md 3.3
		s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 0, MaximumPercent: 100}
		if len(s.PlacementStrategy) > 0 {
			return invalid("The daemon scheduling strategy does not support placement strategies: a task " +
				"runs on each instance that meets the constraints.")
		}
	}
	return setDeploymentConfiguration(s, in.DeploymentConfiguration)
}

// setDeploymentConfiguration takes over what is given and checks the whole (ecs.md 3.2.1, 3.3).
func setDeploymentConfiguration(s *ecs.Service, in *shape.DeploymentConfiguration) error {
	c := &s.DeploymentConfiguration
	if in != nil {
		if in.MinimumHealthyPercent != nil {
			c.MinimumHealthyPercent = int(*in.MinimumHealthyPercent)
		}
		if in.MaximumPercent != nil {
			c.MaximumPercent = int(*in.MaximumPercent)
		}
		if err := setCircuitBreaker(c, in.DeploymentCircuitBreaker); err != nil {
			return err
		}
		if err := setAlarms(c, in.Alarms); err != nil {
			return err
		}
		switch in.Strategy {
		case "":
		case "ROLLING":
			c.Strategy = in.Strategy
		default:
			return invalid("The deployment strategy %s is not available yet: use ROLLING.", in.Strategy)
		}
	}
	switch {
	case c.MinimumHealthyPercent < 0 || c.MinimumHealthyPercent > 100:
		return invalid("minimumHealthyPercent must be between 0 and 100, not %d.", c.MinimumHealthyPercent)
	case s.SchedulingStrategy == ecs.Daemon && c.MaximumPercent != 100:
		return invalid("The daemon scheduling strategy requires a maximumPercent of 100, not %d.", c.MaximumPercent)
	case c.MaximumPercent < 100:
		return invalid("maximumPercent must be at least 100, not %d.", c.MaximumPercent)
	case c.MinimumHealthyPercent == 100 && c.MaximumPercent == 100:
		return invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return nil
}

// setCircuitBreaker is ecs.md 3.5.1.
func setCircuitBreaker(c *ecs.DeploymentConfiguration, in *shape.DeploymentCircuitBreaker) error {
	if in == nil {
		return nil
	}
	b, err := parsed[ecs.CircuitBreaker](in)
	if err != nil {
		return err
	}
	if t := b.ThresholdConfiguration; t != nil &&
		(t.Value < 1 || t.Type == shape.ThresholdTypeBoundedPercent && t.Value > 100) {
		return invalid("The circuit breaker's threshold value must be at least 1, and at most 100 with "+
			"BOUNDED_PERCENT, not %d.", t.Value)
	}
	c.DeploymentCircuitBreaker = &b
	return nil
}

// setAlarms is ecs.md 3.5.3. The alarms need not exist.
func setAlarms(c *ecs.DeploymentConfiguration, in *shape.DeploymentAlarms) error {
	if in == nil {
		return nil
	}
	a := ecs.DeploymentAlarms{AlarmNames: in.AlarmNames, Enable: *in.Enable, Rollback: *in.Rollback}
	if a.Enable && len(a.AlarmNames) == 0 {
		return invalid("deploymentConfiguration.alarms.alarmNames cannot be empty when alarms are enabled.")
	}
	for _, name := range a.AlarmNames {
		if !alarm.ValidName(name) {
			return invalid("Invalid alarm name %q: up to %d characters are allowed, and no control characters.",
				name, alarm.MaxName)
		}
	}
	c.Alarms = &a
	return nil
}
