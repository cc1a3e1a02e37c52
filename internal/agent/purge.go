package agent

import (
	"context"
	"errors"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/redirect"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// Purge removes everything an agent has made on its machine: containers, volumes
// of tasks, its bridge network, its redirections. The agent must not be running.
// It works without the agent's data directory.
func Purge(ctx context.Context, instanceID string, cfg Config, rt runtime.Runtime) error {
	containers, err := rt.List(ctx, engine.LabelInstance, instanceID)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		errs = append(errs, rt.Remove(ctx, c.ID))
	}
	for _, c := range containers {
		if task := c.Labels[engine.LabelTask]; task != "" {
			errs = append(errs, engine.RemoveGroup(cgroupRoot, task))
		}
	}
	volumes, err := rt.VolumesWith(ctx, engine.LabelInstance, instanceID)
	errs = append(errs, err)
	for _, v := range volumes {
		errs = append(errs, rt.RemoveVolume(ctx, v))
	}
	network := engine.Config{NetworkPrefix: cfg.NetworkPrefix, Instance: instanceID}.BridgeNetwork()
	errs = append(errs, rt.RemoveNetwork(ctx, network.Name), redirect.New(instanceID).Clear(ctx))
	return errors.Join(errs...)
}
