package rollout

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
)

// elsewhere is a cluster with a DRAINING instance that has no tasks. So Next must look at each task instead
// of using only the numbers of tasks. Nothing else changes.
type elsewhere struct{ *scene }

func (elsewhere) Draining() map[string]bool { return map[string]bool{"elsewhere": true} }

// TestNumbersSuffice: a plan made from the numbers of tasks equals the plan made by looking at each task.
func TestNumbersSuffice(t *testing.T) {
	sufficed := 0
	rapid.Check(t, func(t *rapid.T) {
		v := numerableGen().Draw(t, "scene")
		shown := v.view()
		if newScheduler(&shown, epoch).numbersSuffice() {
			sufficed++
		}
		got := Next(shown, epoch)
		shown.Cluster = elsewhere{v.clone()}
		if want := Next(shown, epoch); !reflect.DeepEqual(got, want) {
			t.Fatalf("by numbers:\n%+v\ntask by task:\n%+v", got, want)
		}
	})
	if sufficed == 0 {
		t.Error("no plan was made from numbers alone")
	}
}

// numerableGen draws scenes for most of which the numbers are enough.
func numerableGen() *rapid.Generator[*scene] {
	return rapid.Custom(func(t *rapid.T) *scene {
		v := sceneGen().Draw(t, "any")
		d := v.Deployments[len(v.Deployments)-1]
		d.ContainerChecks, d.Attempts = false, rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "attempts")
		balanced(&d, 0)
		v.Deployments, v.Service.Status = []Deployment{d}, ecs.ServiceActive
		v.Service.DesiredCount = rapid.IntRange(0, 20).Draw(t, "desired")
		v.HealthyAfter = rapid.SampledFrom([]time.Duration{0, time.Second, 200 * time.Second}).Draw(t, "healthy after")
		for k := range v.Tasks {
			v.Tasks[k].StartedBy, v.Tasks[k].Draining = d.ID, false
			if v.Tasks[k].StartedAt.After(epoch) { // the clock was set back, so a plan looks at each task
				v.Tasks[k].StartedAt = epoch
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "of another deployment") == 0 && len(v.Tasks) > 0 {
			v.Tasks[0].StartedBy = "ecs-svc/gone"
		}
		return v
	})
}
