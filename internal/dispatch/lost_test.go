package dispatch_test

import (
	"testing"
	"testing/synctest"

	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/ecs"
)

// An agent whose data directory was lost removes the containers that it had started before, and then accepts tasks,
// which may need the same ports. It does not touch containers of other agents of the machine. If it starts again with
// its data directory, it removes nothing.
func TestLostDataDirectoryLeavesNoContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, 1, func(c *agent.Config) { c.InstanceID = "i-1" })
		left := func(name, instance string) string {
			id, err := r.engine.Create(t.Context(), runtime.Spec{
				Name: name, Image: "serve:1", Labels: map[string]string{engine.LabelInstance: instance,
					engine.LabelTask: "arn:aws:ecs:us-east-1:1:task/agt/" + name},
			})
			if err == nil {
				err = r.engine.Start(t.Context(), id)
			}
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		of := func(instance string) int {
			all, err := r.engine.List(t.Context(), engine.LabelInstance, instance)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		left("lost", "i-1")
		left("others", "i-2")
		r.run()
		stop := r.startAgent()
		ci := r.waitInstance()
		if own, others := of("i-1"), of("i-2"); own != 0 || others != 1 {
			t.Errorf("%d containers of the lost life and %d of another agent", own, others)
		}
		arn := r.place(ci, r.define(definition("serve", "serve:1")), "new", nil)
		r.waitStatus(arn, ecs.Running)
		stop()
		r.startAgent()
		r.waitInstance()
		if n := of("i-1"); n != 1 || r.task(arn).LastStatus != ecs.Running {
			t.Errorf("after a restart %d containers, the task is %s", n, r.task(arn).LastStatus)
		}
	})
}
