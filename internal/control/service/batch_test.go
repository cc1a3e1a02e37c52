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
