package dispatch

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
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

// An agent reports every second while the Auto Scaling group of its instance has the pace of seconds.
func TestAgentsReportAtThePaceOfTheirGroup(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const arn = "arn:aws:ecs:us-east-1:123456789012:container-instance/c/i"
	group := &fleet.AutoScalingGroup{Region: "us-east-1", Account: "123456789012", Name: "g"}
	member := fleet.NewInstance("i-1", "r-1", fleet.Subnets(group.Region, group.Account)[0],
		fleet.LaunchData{InstanceType: "t2.micro"}, netip.MustParseAddr("127.0.1.2"), time.Unix(1, 0))
	group.Join(member, fleet.LaunchSource{}, time.Unix(1, 0))
	for _, c := range []struct {
		pace string
		want int64
	}{{"", 0}, {"seconds", 1}, {"aws", 0}, {"seconds", 1}, {"", 0}} {
		if err := store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Instances.Put(member)
			tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: arn, EC2InstanceID: "i-1"})
			g := group.Clone()
			if c.pace != "" {
				g.Tags = tag.Set{{Key: scaling.PaceTag, Value: c.pace}}
			}
			tx.AutoScalingGroups.Put(g)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		one := &telemetry{d: &Dispatcher{store: store}, instance: arn}
		if got := one.every(); got != c.want {
			t.Errorf("with the tag %q: %d", c.pace, got)
		}
	}
}
