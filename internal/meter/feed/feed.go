// Package feed writes to the meter what Berth measures itself: reports of agents about tasks, and of edges
// about load balancers.
//
// Reports stay in memory, so a caller never waits for the disk. Run writes one point a minute for each
// metric, right after the end of the minute. So a crash loses the reports since the last full minute. Reports
// that have no effect are counted by reason (gather.Reason).
//
// A Feed is safe for concurrent use.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
)

// Points stores points; *meter.Store implements it.
type Points interface {
	Put(now time.Time, data []meter.Datum) error
	Tick(now time.Time) error
}

// Feed collects reports. Make one with New.
type Feed struct {
	points Points
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	minutes *gather.Minutes
	seconds *gather.Minutes // of the metrics that quick accepts; nil without quick
	quick   func(gather.Name) bool
}

// New returns a Feed that writes to points. now is the clock.
func New(points Points, now func() time.Time, log *slog.Logger) *Feed {
	return &Feed{points: points, now: now, log: log, minutes: gather.New(now())}
}

// Seconds makes the feed write a point a second, too, of sampled metrics that quick accepts (gather.NewSeconds). quick
// must be fast. Seconds must be called before Run, and before anything is reported.
func (f *Feed) Seconds(quick func(gather.Name) bool) {
	f.quick, f.seconds = quick, gather.NewSeconds(f.now())
}

// Sample adds what a member of a group has used. age is how long ago that was measured.
func (f *Feed) Sample(age time.Duration, name gather.Name, s gather.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.minutes.Sample(now.Add(-max(age, 0)), name, s)
	if f.seconds != nil && f.quick(name) {
		f.seconds.Sample(now, name, s) // in the second in which it arrives: the one before has its point already
	}
}

// Merge adds values that were measured now.
func (f *Feed) Merge(name gather.Name, s meter.Summary) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes.Merge(f.now(), name, s)
}

// Drop counts n reports that have no effect.
func (f *Feed) Drop(why gather.Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes.Drop(why, 1)
}

// Dropped returns how many reports had no effect since the start, by reason.
func (f *Feed) Dropped() [gather.Reasons]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	dropped := f.minutes.Dropped()
	if f.seconds != nil {
		for i, n := range f.seconds.Dropped() {
			dropped[i] += n
		}
	}
	return dropped
}

// Forget drops the reports since the last full minute.
func (f *Feed) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes.Forget()
	if f.seconds != nil {
		f.seconds.Forget()
	}
}

// Run writes points at the end of each minute until ctx ends. At that end it also writes the merged values of
// the unfinished minute. If the server starts again in the same minute, later values are added to them.
func (f *Feed) Run(ctx context.Context) {
	length := time.Minute
	if f.seconds != nil {
		length = time.Second
	}
	for {
		now := f.now()
		timer := time.NewTimer(now.Truncate(length).Add(length).Sub(now))
		select {
		case <-timer.C:
			f.storeSeconds()
			if f.now().Truncate(time.Minute).After(now.Truncate(time.Minute)) {
				f.Store()
			}
		case <-ctx.Done():
			timer.Stop()
			f.write(func(g *gather.Minutes, now time.Time) []meter.Datum { return append(g.Take(now), g.Rest()...) })
			return
		}
	}
}

// storeSeconds stores the points of the seconds that have ended. They are written to the disk with those of minutes.
func (f *Feed) storeSeconds() {
	if f.seconds == nil {
		return
	}
	f.mu.Lock()
	now := f.now()
	points := f.seconds.Take(now)
	f.mu.Unlock()
	if len(points) == 0 {
		return
	}
	if err := f.points.Put(now, points); err != nil {
		f.log.Error("points of a second could not be stored", "error", err)
	}
}

// Store stores the points of the minutes that have ended. Run calls it at the end of each minute; a caller that has no
// goroutine for Run does so instead.
func (f *Feed) Store() { f.write((*gather.Minutes).Take) }

// write stores the points that take returns. New reports are accepted meanwhile.
func (f *Feed) write(take func(*gather.Minutes, time.Time) []meter.Datum) {
	f.mu.Lock()
	now := f.now()
	points := take(f.minutes, now)
	f.mu.Unlock()
	if len(points) == 0 {
		return
	}
	if err := errors.Join(f.points.Put(now, points), f.points.Tick(now)); err != nil {
		f.log.Error("points of measured metrics could not be stored", "error", err)
	}
}
