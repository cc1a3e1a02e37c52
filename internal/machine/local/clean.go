package local

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
)

// Clean implements machine.Site. It ends all instances at the same time: those that this driver knows, and
// those that only have a directory. No agent starts before Clean has returned, so a new instance cannot collide
// with the remains of an old one. Instances that another Clean is removing are left to it.
func (d *Driver) Clean(ctx context.Context, keep func(id string) bool, dead func()) error {
	d.starts.close()
	defer d.starts.open()
	ids, err := d.take(keep)
	if err != nil {
		return err
	}
	defer d.release(ids)
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
	if d.cfg.Containers != nil {
		var zones map[string]bool
		if d.cfg.Zones != nil {
			zones = d.cfg.Zones()
		}
		errs = append(errs, d.cfg.Containers.RemoveShared(ctx, zones))
	}
	return errors.Join(errs...)
}

// take lists the instances to clean and reserves them for this caller until release.
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
