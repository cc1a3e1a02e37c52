package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// pulledImage is an image that this agent has pulled. Images that were there before belong to others and are
// never removed.
type pulledImage struct {
	ID     string
	Names  []string // names from this agent; none if all of them have moved to newer images
	At     time.Time
	UsedAt time.Time // when a task was last seen to use it
}

// notePull notes a pulled image. If it was there before, it is ours only if we had pulled it earlier.
func (e *Engine) notePull(id string, there bool, names ...string) error {
	now := time.Now()
	p := pulledImage{ID: id}
	ours, err := e.store.Get(checkpoint.Images, id, &p)
	if err != nil {
		return err
	}
	if !ours && there {
		return nil
	}
	for _, name := range names {
		if !slices.Contains(p.Names, name) {
			p.Names = append(p.Names, name)
		}
	}
	p.At, p.UsedAt = now, now
	if err := e.store.Put(checkpoint.Images, id, p); err != nil {
		return err
	}
	all, err := e.pulledImages()
	for _, other := range all {
		before := len(other.Names)
		other.Names = slices.DeleteFunc(other.Names,
			func(n string) bool { return other.ID != id && slices.Contains(names, n) })
		if len(other.Names) != before {
			err = errors.Join(err, e.store.Put(checkpoint.Images, other.ID, other))
		}
	}
	return err
}

func (e *Engine) pulledImages() (all []pulledImage, err error) {
	err = e.store.Each(checkpoint.Images, func(_ string, decode func(any) error) error {
		var p pulledImage
		if err := decode(&p); err != nil {
			return err
		}
		all = append(all, p)
		return nil
	})
	return all, err
}

// cleanImages removes unused images until ctx ends. Like Amazon's agent, it does nothing if cached images are
// preferred.
func (e *Engine) cleanImages(ctx context.Context) {
	if e.cfg.ImageInterval == 0 || e.cfg.PullBehavior == PullPreferCached {
		return
	}
	tick := time.NewTicker(e.cfg.ImageInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.cleanImagesOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			e.log.Warn("images that are not needed any more stay for now", "error", err)
		}
	}
}

func (e *Engine) cleanImagesOnce(ctx context.Context, now time.Time) error {
	all, err := e.pulledImages()
	if err != nil {
		return err
	}
	slices.SortFunc(all,
		func(a, b pulledImage) int { return cmp.Or(a.UsedAt.Compare(b.UsedAt), cmp.Compare(a.ID, b.ID)) })
	removed := 0
	var errs []error
	for _, p := range all {
		if removed == e.cfg.ImagesPerCycle {
			break
		}
		gone, err := e.cleanImage(ctx, p, now)
		if gone {
			removed++
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// cleanImage removes an image unless it is used or too young. No pull may run at the same time, since it could
// bring the image that is being removed. While one runs, images stay until the next cycle: waiting for it would
// delay later pulls, in the worst case for hours.
func (e *Engine) cleanImage(ctx context.Context, p pulledImage, now time.Time) (gone bool, err error) {
	if !e.pulling.TryLock() {
		return false, nil
	}
	defer e.pulling.Unlock()
	image, err := e.rt.Image(ctx, p.ID)
	if errors.Is(err, runtime.ErrNotFound) && len(p.Names) > 0 {
		image, err = e.rt.Image(ctx, p.Names[0])
	}
	if errors.Is(err, runtime.ErrNotFound) {
		return false, e.store.Delete(checkpoint.Images, p.ID) // others have removed it
	}
	if err != nil {
		return false, err
	}
	used, err := e.rt.ImageUsed(ctx, p.ID)
	if err != nil {
		return false, err
	}
	if used || e.wanted(p) {
		p.UsedAt = now
		return false, e.store.Put(checkpoint.Images, p.ID, p)
	}
	// Another agent of this machine may have named it a moment ago, in order to use it.
	if now.Sub(p.At) < e.cfg.ImageMinimumAge || now.Sub(image.NamedAt) < e.cfg.ImageMinimumAge {
		return false, nil
	}
	if err := e.removeImage(ctx, p, image); err != nil {
		return false, err
	}
	e.log.Info("an image that no task uses was removed", "image", p.ID, "names", p.Names)
	return true, e.store.Delete(checkpoint.Images, p.ID)
}

// wanted reports whether a task that is not forgotten yet needs the image.
func (e *Engine) wanted(p pulledImage) bool {
	for _, r := range e.Tasks() {
		for _, b := range r.Containers {
			if b.Image == p.ID || slices.Contains(p.Names, e.images.Name(b.Def.Image)) {
				return true
			}
		}
	}
	return false
}

// removeImage removes the names that this agent gave. With the last name the image is removed; names that
// others gave keep it.
func (e *Engine) removeImage(ctx context.Context, p pulledImage, image runtime.Image) error {
	names := p.Names
	if len(names) == 0 && len(image.Names) == 0 {
		names = []string{p.ID}
	}
	for _, name := range names {
		now, err := e.rt.Image(ctx, name)
		if err == nil && now.ID == p.ID { // otherwise others have given the name to another image
			err = e.rt.RemoveImage(ctx, name)
		}
		if err != nil && !errors.Is(err, runtime.ErrNotFound) {
			return err
		}
	}
	return nil
}
