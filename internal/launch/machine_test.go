package launch

import (
	"fmt"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Only one of the local instances gets a task in network mode host with a port, whatever the strategy, because they
// share the machine's network. The other tasks are refused with AWS's reason. In mode bridge each instance gets one,
// and so does each instance on a machine of its own.
func TestHostPortsOfOneMachine(t *testing.T) {
	for _, c := range []struct {
		name, mode, address, strategy string
		before                        int // tasks placed earlier
		want                          int
	}{
		{"host, local", ecs.NetworkHost, "127.0.1.%d", "spread", 0, 1},
		{"host, local, binpack", ecs.NetworkHost, "127.0.1.%d", "binpack", 0, 1},
		{"host, local, random", ecs.NetworkHost, "127.0.1.%d", "random", 0, 1},
		{"host, local, one runs", ecs.NetworkHost, "127.0.1.%d", "spread", 1, 0},
		{"bridge, local", ecs.NetworkBridge, "127.0.1.%d", "spread", 0, 3},
		{"host, machines", ecs.NetworkHost, "10.0.0.%d", "spread", 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := open(t)
			s := spec(c.mode)
			err := store.Update(t.Context(), func(tx *state.Tx) error {
				tx.TaskDefinitions.Put(s.Definition)
				for i := range 3 {
					ci := instance(fmt.Sprint(i))
					ci.Address = fmt.Sprintf(c.address, i+1)
					tx.ContainerInstances.Put(ci)
					if i < c.before {
						tx.Tasks.Put(&ecs.Task{
							TaskARN: "running", ContainerInstanceARN: ci.ContainerInstanceARN,
							TaskDefinitionARN: s.Definition.TaskDefinitionARN,
							Need:              s.Definition.Need(s.Overrides), LastStatus: ecs.Running,
							DesiredStatus: ecs.Running,
						})
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Request(4)
			if err != nil {
				t.Fatal(err)
			}
			r.Strategies = nil
			fields := map[string]string{"spread": "instanceId", "binpack": "cpu"}
			strategy, err := sched.ParseStrategy(c.strategy, fields[c.strategy])
			if err != nil {
				t.Fatal(err)
			}
			r.Strategies = append(r.Strategies, strategy)
			out := sched.Plan(World(&store.View().Tables, clusterARN), []sched.Request{r})
			if len(out.Placements) != c.want || len(out.Failures) != 4-c.want ||
				out.Failures[0].Reason != sched.ReasonPorts {
				t.Errorf("placements %v, failures %+v, want %d placed", out.Placements, out.Failures, c.want)
			}
		})
	}
}
