package why

import (
	"log/slog"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// An instance that managed draining holds says so, with the words of the activity of its termination (ecs.md 4.10).
func TestDraining(t *testing.T) {
	waits := fleet.LifecycleAction{Hook: fleet.DrainingHook}
	done := waits
	done.Result = fleet.Continue
	const message = "Amazon ECS drains the instance."
	for name, c := range map[string]struct {
		status  string
		actions []fleet.LifecycleAction
		message string
		want    string
	}{
		"held":              {ecs.InstanceDraining, []fleet.LifecycleAction{waits}, message, message[:len(message)-1]},
		"released":          {ecs.InstanceDraining, []fleet.LifecycleAction{done}, message, ""},
		"drained by a user": {ecs.InstanceDraining, nil, message, ""},
		"not yet":           {ecs.InstanceActive, []fleet.LifecycleAction{waits}, message, ""},
		"another reason":    {ecs.InstanceDraining, []fleet.LifecycleAction{{Hook: "mine"}}, message, ""},
	} {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ci := &ecs.ContainerInstance{ContainerInstanceARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/c/1",
			EC2InstanceID: "i-1", Status: c.status}
		a := &fleet.Activity{ID: "a", Region: "us-east-1", Account: "123456789012", Group: "g",
			StatusMessage: c.message}
		err = store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Activities.Put(a)
			tx.Instances.Put(&fleet.Instance{ID: "i-1", Region: "us-east-1", Account: "123456789012",
				Scaling: fleet.Membership{Actions: c.actions, TerminatedBy: a.Key()}})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := Draining(&store.View().Tables, ci); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		other := *ci
		other.EC2InstanceID = "mi-1"
		if got := Draining(&store.View().Tables, &other); got != "" {
			t.Errorf("%s: a machine that is not one of ours: %q", name, got)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
