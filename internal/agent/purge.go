package agent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/redirect"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// Purge removes everything that an agent has created on its machine: containers, volumes of tasks, its bridge
// network, its rules of iptables. The agent must not be running; its data directory is not needed. Removing
// takes the runtime much longer than killing. dead is called when no process of the containers is alive, or
// never if that is not certain.
func Purge(ctx context.Context, instanceID string, rt runtime.Runtime, dead func()) error {
	containers, err := rt.List(ctx, engine.LabelInstance, instanceID)
	if err != nil {
		return err
	}
	return errors.Join(
		destroy(ctx, containers, rt, dead),
		removeGroups(containers), removeVolumes(ctx, instanceID, rt), removeRules(ctx, instanceID),
		removeNetwork(ctx, instanceID, rt),
	)
}

// removeRules removes the instance's rules of iptables.
func removeRules(ctx context.Context, instanceID string) error {
	rules := redirect.New(instanceID)
	return errors.Join(unlessNoRules(rules.Clear(ctx)), unlessNoRules(rules.Unguard(ctx)))
}

// unlessNoRules returns err unless it means that the agent cannot have made rules either: where there is no iptables,
// and without root, when nobody may even list them.
func unlessNoRules(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil && os.Geteuid() != 0 && strings.Contains(err.Error(), "Permission denied") {
		return nil
	}
	return err
}

// removeNetwork removes the instance's bridge network, whatever its prefix.
func removeNetwork(ctx context.Context, instanceID string, rt runtime.Runtime) error {
	networks, err := rt.NetworksWith(ctx, engine.LabelInstance)
	errs := []error{err}
	for _, n := range networks {
		if n.Labels[engine.LabelInstance] == instanceID {
			errs = append(errs, rt.RemoveNetwork(ctx, n.Name))
		}
	}
	return errors.Join(errs...)
}

// destroy removes all containers at the same time.
func destroy(ctx context.Context, containers []runtime.Container, rt runtime.Runtime, dead func()) error {
	var living atomic.Int64
	living.Store(int64(len(containers)))
	if len(containers) == 0 {
		dead()
	}
	errs := make([]error, len(containers))
	var all sync.WaitGroup
	for i, c := range containers {
		all.Go(func() {
			errs[i] = rt.Destroy(ctx, c.ID, func() {
				if living.Add(-1) == 0 {
					dead()
				}
			})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func removeGroups(containers []runtime.Container) error {
	var errs []error
	for _, c := range containers {
		if task := c.Labels[engine.LabelTask]; task != "" {
			errs = append(errs, engine.RemoveGroup(cgroupRoot, task))
		}
	}
	return errors.Join(errs...)
}

func removeVolumes(ctx context.Context, instanceID string, rt runtime.Runtime) error {
	volumes, err := rt.VolumesWith(ctx, engine.LabelInstance, instanceID)
	errs := []error{err}
	for _, v := range volumes {
		errs = append(errs, rt.RemoveVolume(ctx, v))
	}
	return errors.Join(errs...)
}
