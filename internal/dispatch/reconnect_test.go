package dispatch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// After a restart of the control plane, its agents connect again, and changes that were requested meanwhile are
// carried out.
func TestControlPlaneComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, 1, nil)
		stop := r.run()
		r.startAgent()
		ci := r.waitInstance()
		d := r.define(definition("serve", "serve:1"))
		stays, leaves := r.place(ci, d, "stays", nil), r.place(ci, d, "leaves", nil)
		r.waitStatus(stays, ecs.Running)
		r.waitStatus(leaves, ecs.Running)
		stop()
		time.Sleep(10 * time.Minute)
		fresh := r.place(ci, d, "fresh", nil)
		r.stop(leaves)
		began := time.Now()
		r.run()
		r.waitStatus(fresh, ecs.Running)
		r.waitStatus(leaves, ecs.Stopped)
		if waited := time.Since(began); waited > 13*time.Second {
			t.Errorf("that took %v", waited)
		}
		if c := r.containers(stays); len(c) != 1 || r.task(stays).LastStatus != ecs.Running {
			t.Errorf("a task without changes has the containers %+v and is %s", c, r.task(stays).LastStatus)
		}
		r.waitInstance()
	})
}

// Heartbeats keep a session open for half an hour. When nothing arrives any more, one of the ends notices it, and the
// agent reconnects within two minutes (ecs-agent.md 4.4).
func TestAgentLeavesASilentControlPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, 1, nil)
		r.run()
		r.startAgent()
		r.waitInstance()
		time.Sleep(25 * time.Minute)
		if n := r.storm.opened("/acs/ws"); n != 1 {
			t.Errorf("%d ACS connections in 25 minutes of heartbeats", n)
		}
		time.Sleep(10 * time.Minute)
		if n := r.storm.opened("/acs/ws"); n != 2 {
			t.Errorf("%d ACS connections in 35 minutes", n)
		}
		r.storm.silence()
		before := r.storm.opened("/acs/ws")
		time.Sleep(35 * time.Second)
		if n := r.storm.opened("/acs/ws") - before; n != 0 {
			t.Errorf("%d new connections after 35 s of silence", n)
		}
		time.Sleep(87 * time.Second)
		if n := r.storm.opened("/acs/ws") - before; n == 0 {
			t.Error("no new connection after two minutes of silence")
		}
	})
}

// An agent whose instance was deregistered does not connect for an hour (ecs-agent.md 4.4).
func TestAgentOfADeregisteredInstanceStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, 1, nil)
		r.run()
		r.startAgent()
		ci := r.waitInstance()
		r.update(func(tx *state.Tx) {
			n, _ := tx.ContainerInstances.Get(ci.ContainerInstanceARN)
			c := *n
			c.Status, c.AgentConnected = ecs.InstanceInactive, false
			tx.ContainerInstances.Put(&c)
		})
		time.Sleep(59 * time.Minute)
		if n := r.storm.opened("/acs/ws"); n != 2 {
			t.Errorf("%d ACS connections, want the first and one that was refused", n)
		}
		time.Sleep(2 * time.Minute)
		if n := r.storm.opened("/acs/ws"); n != 3 {
			t.Errorf("%d ACS connections after an hour, want one more", n)
		}
	})
}
