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
}

// New returns a Feed that writes to points. now is the clock.
func New(points Points, now func() time.Time, log *slog.Logger) *Feed {
	return &Feed{points: points, now: now, log: log, minutes: gather.New(now())}
}

// Sample adds what a member of a group has used. age is how long ago that was measured.
func (f *Feed) Sample(age time.Duration, name gather.Name, s gather.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes.Sample(f.now().Add(-max(age, 0)), name, s)
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
	return f.minutes.Dropped()
}

// Forget drops the reports since the last full minute.
func (f *Feed) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes.Forget()
}

// Run writes points at the end of each minute until ctx ends. At that end it also writes the merged values of
// the unfinished minute. If the server starts again in the same minute, later values are added to them.
func (f *Feed) Run(ctx context.Context) {
	for {
		now := f.now()
		timer := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-timer.C:
			f.Store()
		case <-ctx.Done():
			timer.Stop()
			f.write(func(g *gather.Minutes, now time.Time) []meter.Datum { return append(g.Take(now), g.Rest()...) })
			return
		}
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
