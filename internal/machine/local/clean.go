package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// Clean stops and forgets every instance that has a directory and is not to be kept, known to this driver or not, all at the same time. It
// calls dead once none of their processes lives, and not at all when that cannot be said; what a container runtime has to forget takes longer.
// keep is asked when the directories have been listed. It must not call the driver.
// No agent starts before Clean has returned, so that nothing new meets what is left of the old. What another Clean has in hand is left to it.
func (d *Driver) Clean(ctx context.Context, keep func(id string) bool, dead func()) error {
	d.gate.close()
	defer d.gate.open()
	ids, err := d.take(keep)
	if err != nil {
		return err
	}
	defer d.release(ids)
	zones := d.zones(ids)
	var living atomic.Int64
	living.Store(int64(len(ids)) + 1)
	died := func() {
		if living.Add(-1) == 0 {
			dead()
		}
	}
	died()
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			died := sync.OnceFunc(died)
			if errs[i] = d.stop(ctx, id, died); errs[i] == nil {
				died()
				errs[i] = d.Forget(ctx, id)
			}
		})
	}
	all.Wait()
	if len(zones) > 0 && d.cfg.CleanupZones != nil {
		d.cfg.CleanupZones(ctx, zones)
	}
	return errors.Join(errs...)
}

// take lists the instances to clean and makes them this caller's, until release.
func (d *Driver) take(keep func(id string) bool) ([]string, error) {
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []string
	for _, e := range entries {
		if id := e.Name(); !keep(id) && !d.cleaning[id] {
			d.cleaning[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (d *Driver) release(ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.cleaning, id)
	}
}

// zones are where the instances are, as far as their directories tell.
func (d *Driver) zones(ids []string) (zones []string) {
	for _, id := range ids {
		var identity struct{ AvailabilityZone string }
		data, err := os.ReadFile(identityFile(d.dir(id)))
		if err == nil && json.Unmarshal(data, &identity) == nil && identity.AvailabilityZone != "" {
			zones = append(zones, identity.AvailabilityZone)
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}
