package dispatch

import (
	"log/slog"
	"testing"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/tag"
)

// An agent reports every second only while a task of a service that is scaled at the pace of seconds is on its instance
// (issue 9, section 5).
func TestAgentsReportAtThePaceOfTheirServices(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put := func(status ecs.TaskStatus, pace string) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx *state.Tx) error {
			tx.ScalableTargets.Put(&appscaling.Target{Region: "us-east-1", Account: "123456789012",
				ResourceID: "service/c/web", Tags: tag.Set{{Key: scaling.PaceTag, Value: pace}}})
			tx.Tasks.Put(&ecs.Task{TaskARN: "t", ContainerInstanceARN: "i", LastStatus: status,
				ServiceARN: "arn:aws:ecs:us-east-1:123456789012:service/c/web"})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		server   scaling.Pace
		instance string
		status   ecs.TaskStatus
		pace     string
		want     int64
	}{
		{"", "i", ecs.Running, "seconds", 1}, {"", "other", ecs.Running, "seconds", 0},
		{"", "i", ecs.Stopped, "seconds", 0}, {"", "i", ecs.Running, "aws", 0},
		{scaling.PaceOfSeconds, "other", ecs.Running, "aws", 1},
	} {
		put(c.status, c.pace)
		one := &telemetry{d: &Dispatcher{store: store, cfg: Config{Pace: c.server}}, instance: c.instance}
		if got := one.every(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
