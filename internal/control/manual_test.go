package control_test

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// opener opens each service a minute after it was made, and makes a task for it. closer ends each task and
// its service an hour after the task was made. Neither uses the other.
type opener struct{}

func (opener) Keys(c state.Change, _ *state.Snapshot) []string {
	if c, ok := c.(state.Changed[ecs.Service]); ok {
		return []string{c.Key}
	}
	return nil
}

func (opener) All(s *state.Snapshot) (keys []string) {
	for v := range s.Services.All() {
		keys = append(keys, v.ServiceARN)
	}
	return keys
}

func (opener) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	v, ok := tx.Services.Get(key)
	if !ok || v.Status != "" {
		return 0, nil
	}
	if wait := v.CreatedAt.Add(time.Minute).Sub(m.Now); wait > 0 {
		return wait, nil
	}
	next := *v
	next.Status = ecs.ServiceActive
	tx.Services.Put(&next)
	tx.Tasks.Put(&ecs.Task{TaskARN: newID(m), ServiceARN: key, CreatedAt: m.Now})
	return 0, nil
}

type closer struct{}

type taskKey struct{ arn string }

func (closer) Keys(c state.Change, _ *state.Snapshot) []taskKey {
	if c, ok := c.(state.Changed[ecs.Task]); ok {
		return []taskKey{{c.Key}}
	}
	return nil
}

func (closer) All(s *state.Snapshot) (keys []taskKey) {
	for v := range s.Tasks.All() {
		keys = append(keys, taskKey{v.TaskARN})
	}
	return keys
}

func (closer) Step(tx *state.Tx, key taskKey, m control.Moment) (time.Duration, error) {
	v, ok := tx.Tasks.Get(key.arn)
	if !ok {
		return 0, nil
	}
	if wait := v.CreatedAt.Add(time.Hour).Sub(m.Now); wait > 0 {
		return wait, nil
	}
	tx.Tasks.Delete(key.arn)
	if s, ok := tx.Services.Get(v.ServiceARN); ok {
		next := *s
		next.Status = ecs.ServiceInactive
		tx.Services.Put(&next)
	}
	return 0, nil
}

// Two controllers run on the test's goroutine until nothing is left to do. This takes no real time, and every
// run has the same result.
func TestControllersRunByHand(t *testing.T) {
	first := drive(t)
	if second := drive(t); first != second {
		t.Errorf("two runs with the same seed ended differently:\n%s\n%s", first, second)
	}
}

func drive(t *testing.T) string {
	store := open(t)
	defer store.Close()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	env := control.System(store, slog.New(slog.DiscardHandler))
	env.Now = func() time.Time { return now }
	env.Random = rand.NewChaCha8([32]byte{1})
	for _, arn := range []string{"s1", "s2", "s3"} {
		if err := store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Services.Put(&ecs.Service{ServiceARN: arn, CreatedAt: now})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	opens := control.New(env, "open", 1, control.Planned(env, opener{})).Manual()
	defer opens.Close()
	closes := control.New(env, "close", 1, control.Planned(env, closer{})).Manual()
	defer closes.Close()
	began, trace := now, ""
	for range 10 {
		next, waits := control.Drain(t.Context(), opens, closes)
		v := store.View()
		trace += now.Sub(began).String() + " "
		for task := range v.Tasks.All() {
			trace += task.TaskARN + " "
		}
		if stacks := goroutines(); strings.Contains(stacks, "internal/control.") {
			t.Fatalf("a goroutine of the loop runs:\n%s", stacks)
		}
		if !waits {
			break
		}
		now = next
	}
	v := store.View()
	for s := range v.Services.All() {
		if s.Status != ecs.ServiceInactive {
			t.Errorf("service %s is %q", s.ServiceARN, s.Status)
		}
	}
	if took := now.Sub(began); took != time.Hour+time.Minute || v.Tasks.Len() != 0 {
		t.Errorf("nothing left to do after %v, with %d tasks", took, v.Tasks.Len())
	}
	return trace
}

// goroutines returns the stacks of all goroutines.
func goroutines() string {
	all := make([]byte, 1<<20)
	return string(all[:runtime.Stack(all, true)])
}
