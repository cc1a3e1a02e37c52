package service

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// A step starts only a limited number of tasks in one transaction, and the next step starts more at once.
func TestManyTasksAreStartedInBatches(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.changeInstance("a", func(ci *ecs.ContainerInstance) {
			ci.Registered = ecs.Resources{CPU: 1 << 20, Memory: 1 << 20}
		})
		w.service(2*StartsPerStep+1, nil)
		settle(5 * time.Second)
		if got := w.running(all)["all"]; got != 2*StartsPerStep+1 {
			t.Errorf("%d tasks run, want %d", got, 2*StartsPerStep+1)
		}
		var started []int
		for _, m := range w.events() {
			var n int
			if _, err := fmt.Sscanf(m, "(service web) has started %d tasks", &n); err == nil {
				started = append(started, n)
			}
		}
		if want := []int{StartsPerStep, StartsPerStep, 1}; fmt.Sprint(started) != fmt.Sprint(want) {
			t.Errorf("steps started %v tasks, want %v", started, want)
		}
	})
}

// A step stops no more tasks than one transaction is to have, and the next step stops more at once.
func TestManyTasksAreStoppedInBatches(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.changeInstance("a", func(ci *ecs.ContainerInstance) {
			ci.Registered = ecs.Resources{CPU: 1 << 20, Memory: 1 << 20}
		})
		w.service(2*StopsPerStep+1, nil)
		settle(5 * time.Second)
		w.change(func(s *ecs.Service) { s.DesiredCount = 0 })
		settle(5 * time.Second)
		if got := w.running(all)["all"]; got != 0 {
			t.Errorf("%d tasks run, want none", got)
		}
		var stopped []int
		for _, m := range w.events() {
			var n int
			if _, err := fmt.Sscanf(m, "(service web) has stopped %d running tasks", &n); err == nil {
				stopped = append(stopped, n)
			}
		}
		if want := []int{StopsPerStep, StopsPerStep, 1}; fmt.Sprint(stopped) != fmt.Sprint(want) {
			t.Errorf("steps stopped %v tasks, want %v", stopped, want)
		}
	})
}
