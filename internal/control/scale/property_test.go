package scale

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/scaling"
)

// checks sets how many cases the properties of a test draw, unless -rapid.checks does.
func checks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

// Issue 9, section 7: whatever the load, the bounds, the policies and the times at which the server is killed are, the
// desired count stays within the bounds, and under a constant load it settles: there is no flapping.
func TestSettlesWithinBounds(t *testing.T) {
	checks(t, 15) // each simulates hours
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		w.tick = 20 * time.Second
		least := rapid.IntRange(0, 3).Draw(r, "least")
		b := scaling.Bounds{Min: least, Max: least + rapid.IntRange(1, 20).Draw(r, "more")}
		w.starts = time.Duration(rapid.IntRange(0, 300).Draw(r, "seconds to start")) * time.Second
		w.serve(rapid.IntRange(b.Min, b.Max).Draw(r, "first"), b)
		for i := range rapid.IntRange(1, 2).Draw(r, "policies") {
			w.cpu(fmt.Sprint(i), rapid.Float64Range(10, 90).Draw(r, "target"), func(t *appscaling.Tracking) {
				t.OutCooldown = rapid.Ptr(rapid.IntRange(0, 600), true).Draw(r, "out cooldown")
				t.InCooldown = rapid.Ptr(rapid.IntRange(0, 600), true).Draw(r, "in cooldown")
				t.DisableScaleIn = rapid.Bool().Draw(r, "never in")
			})
		}
		const phase = 2 * time.Hour
		until, within := time.Duration(0), func() {
			if n := w.desired(); n < b.Min || n > b.Max {
				r.Fatalf("%d is not within %+v: %s", n, b, w.history())
			}
		}
		for range rapid.IntRange(1, 2).Draw(r, "loads") {
			w.load = rapid.Float64Range(0, 1500).Draw(r, "load")
			kill := time.Duration(rapid.IntRange(1, 60).Draw(r, "killed after")) * time.Minute
			w.run(until + kill)
			w.restart()
			within()
			w.run(until + phase - 40*time.Minute)
			settled := len(w.changes)
			w.run(until + phase)
			if within(); len(w.changes) > settled {
				r.Fatalf("under a constant load it still changes: %s", w.history())
			}
			until += phase
		}
		open := 0
		for _, a := range w.activities() {
			if a.Status == appscaling.InProgress {
				open++
			}
		}
		if open > 0 && w.running() == w.desired() {
			r.Fatalf("%d activities are in progress, and all tasks run: %s", open, w.told())
		}
	})
}

// Issue 9, section 7: a server that is killed between deciding and writing loses nothing and does nothing twice. Here
// the disk refuses every write of one moment, at each moment of the story in turn.
func TestKilledBeforeItHasWritten(t *testing.T) {
	story := func(killed int) (told, changes string, writes int) {
		w := newWorld(t)
		w.serve(4, scaling.Bounds{Min: 2, Max: 10})
		w.cpu("cpu", 60)
		w.at("later", "at(2026-11-29T08:06:30)", new(7), nil)
		w.load = 4 * 90
		for w.now.Before(begin.Add(8 * time.Minute)) {
			rev := w.store.View().Rev
			w.run(w.now.Sub(begin) + time.Second)
			if w.store.View().Rev == rev {
				continue
			}
			if writes++; writes == killed {
				w.restart()
			}
		}
		return w.told(), w.history(), writes
	}
	told, changes, writes := story(0)
	if writes < 4 || !strings.Contains(changes, "6 at ") || !strings.Contains(changes, "7 at ") {
		t.Fatalf("%d writes: %s", writes, changes)
	}
	for n := 1; n <= writes; n++ {
		if again, other, _ := story(n); again != told || other != changes {
			t.Errorf("restarted after write %d: %s %s\nwant %s %s", n, other, again, changes, told)
		}
	}
}

// The decision is made and the disk refuses it: nothing has happened, and after a restart it is made once.
func TestRefusedByTheDisk(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 2, Max: 10})
	w.cpu("cpu", 60)
	w.load = 4 * 90
	alarms, scale := w.loops[0], w.loops[1]
	w.loops = []control.Driven{alarms} // only alarms are evaluated
	for w.store.View().DueActions.Len() == 0 {
		w.run(w.now.Sub(begin) + time.Second)
	}
	w.disk.fails = true
	for scale.Step(context.Background()) {
	}
	if w.desired() != 4 || w.store.View().DueActions.Len() != 1 || len(w.activities()) != 0 {
		t.Fatalf("something of a refused step is there: %d, %s", w.desired(), w.told())
	}
	w.loops = []control.Driven{alarms, scale}
	w.restart()
	w.run(w.now.Sub(begin) + 50*time.Second)
	if w.desired() != 6 || len(w.activities()) != 1 || w.store.View().DueActions.Len() != 0 {
		t.Errorf("%s: %s", w.history(), w.told())
	}
}
