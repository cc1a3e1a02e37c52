package agent

import (
	"context"
	"errors"
	"sync"

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
	// Docker takes its time with each, so all go at once.
	errs := make([]error, len(containers)+1)
	var all sync.WaitGroup
	for i, c := range containers {
		all.Go(func() { errs[i] = rt.Remove(ctx, c.ID) })
	}
	all.Go(func() { errs[len(containers)] = redirect.New(instanceID).Clear(ctx) })
	all.Wait()
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
	errs = append(errs, rt.RemoveNetwork(ctx, network.Name))
	return errors.Join(errs...)
}
