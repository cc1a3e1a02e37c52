package capacity

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// protect switches managed termination protection.
func protect(tx *state.Tx, value string) {
	p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
	n := *p
	n.AutoScalingGroupProvider.ManagedTerminationProtection = value
	tx.CapacityProviders.Put(&n)
}

// protected returns the instances of the group that are protected.
func (s *stage) protected(want ...string) {
	s.t.Helper()
	var got []string
	for i := range s.store.View().Instances.All() {
		if i.Scaling.Protected {
			got = append(got, i.ID)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("protected are %v, want %v", got, want)
	}
}

func (s *stage) inService(protected bool, ids ...string) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		for _, id := range ids {
			tx.Instances.Put(&fleet.Instance{ID: id, Region: region, Account: account, Desired: fleet.Running,
				Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService, InServiceAt: time.Now(),
					Protected: protected}})
		}
	})
}

// ecs.md 4.9: instances with a task that is not a daemon's are protected, others are not.
func TestManagedTerminationProtection(t *testing.T) {
	play(t, func(s *stage) {
		daemon := prefix + "service/c/daemon"
		s.put(func(tx *state.Tx) {
			tx.Services.Put(&ecs.Service{ServiceARN: daemon, SchedulingStrategy: ecs.Daemon, ClusterARN: clusterARN})
		})
		s.inService(true, "i-1", "i-2", "i-3")
		one, two, three := s.register("i-1", "p"), s.register("i-2", "p"), s.register("i-3", "p")
		tasks := s.run(one, 2)
		s.run(two, 1, func(t *ecs.Task) { t.ServiceARN = daemon })
		s.protected("i-1", "i-2", "i-3") // nobody has switched it on
		s.put(func(tx *state.Tx) { protect(tx, ecs.Enabled) })
		s.protected("i-1")
		later := s.run(three, 1)
		s.protected("i-1", "i-3")
		s.end(tasks[0])
		s.protected("i-1", "i-3")
		s.end(tasks[1])
		s.protected("i-3")
		s.put(func(tx *state.Tx) { // as SetInstanceProtection does
			i, _ := tx.Instances.Get(fleet.InstanceARN(region, account, "i-3"))
			n := i.Clone()
			n.Scaling.Protected = false
			tx.Instances.Put(n)
		})
		s.protected("i-3")
		s.put(func(tx *state.Tx) { protect(tx, ecs.Disabled) })
		s.end(later[0])
		s.protected("i-3") // it stays until a user changes it
	})
}

// An instance of the group is protected, as the group has set it, until its agent has had the time to register it.
func TestProtectionOfNewInstances(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) { protect(tx, ecs.Enabled) })
		s.inService(true, "i-1", "i-2")
		s.register("i-1", "p")
		s.protected("i-2")
		s.wait(registrationTime - time.Second)
		s.protected("i-2")
		s.wait(time.Second)
		s.protected()
		s.run(s.register("i-2", "p"), 1)
		s.protected("i-2")
	})
}

// Managed scaling makes a group with protected instances smaller by the empty ones only, so the group can terminate as
// many instances as managed scaling asks for.
func TestScaleInOfProtectedInstances(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			protect(tx, ecs.Enabled)
			g := s.group().Clone()
			g.Desired = 3
			tx.AutoScalingGroups.Put(g)
		})
		s.inService(true, "i-0", "i-1", "i-2")
		s.register("i-0", "p")
		s.register("i-1", "p")
		s.run(s.register("i-2", "p"), 1)
		s.wait(20 * time.Minute)
		s.fire(1)
		s.desired(2)
		members := []*fleet.Instance{}
		for i := range s.store.View().Instances.All() {
			members = append(members, i)
		}
		g := s.group().Clone()
		g.Zones, g.Policies = []string{""}, []string{fleet.PolicyNewestInstance}
		victims := fleet.Victims(g, members, 3, time.Now())
		if len(victims) != 2 || victims[0].ID == "i-2" || victims[1].ID == "i-2" {
			t.Errorf("the victims are %v", victims)
		}
	})
}

// Whatever happens in which order, and wherever the controller is killed: when it has nothing more to do, the protected
// instances are those with tasks.
func TestProtectionFollowsTasks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newByHand(t, func(e control.Env) control.Driven {
			return control.New(e, "protecting", 1, control.Planned(e, protecting{scaling.PaceOfAWS})).Manual()
		}, func(tx *state.Tx) {
			new(stage).setting(tx)
			protect(tx, ecs.Enabled)
		})
		defer b.close()
		arn := func(id string) string { return prefix + "container-instance/c/" + id }
		tasks := 0
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			on := fmt.Sprint("i-", rapid.IntRange(0, 2).Draw(rt, "instance"))
			what := rapid.SampledFrom([]string{"serve", "register", "run", "end", "delete", "unprotect", "restart",
				"step"}).Draw(rt, "what")
			switch what {
			case "restart":
				b.restart()
			case "step":
				b.run.Step(t.Context())
			default:
				b.put(func(tx *state.Tx) {
					i, exists := tx.Instances.Get(fleet.InstanceARN(region, account, on))
					_, registered := tx.ContainerInstances.Get(arn(on))
					task, runs := tx.Tasks.Get(fmt.Sprint(prefix, "task/c/", rapid.IntRange(0, tasks).Draw(rt, "task")))
					switch {
					case what == "serve" && !exists:
						tx.Instances.Put(&fleet.Instance{ID: on, Region: region, Account: account,
							Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService,
								InServiceAt: b.now, Protected: true}})
					case what == "register" && !registered:
						tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: arn(on),
							ClusterARN: clusterARN, EC2InstanceID: on, Status: ecs.InstanceActive,
							CapacityProviderName: "p"})
					case what == "run" && registered:
						tasks++
						tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprint(prefix, "task/c/", tasks), ClusterARN: clusterARN,
							ContainerInstanceARN: arn(on), LastStatus: ecs.Pending, DesiredStatus: ecs.Running})
					case what == "end" && runs:
						tx.Tasks.Put(task.Ended("", "", b.now))
					case what == "delete" && runs:
						tx.Tasks.Delete(task.TaskARN)
					case what == "unprotect" && exists:
						n := i.Clone()
						n.Scaling.Protected = false
						tx.Instances.Put(n)
					}
				})
			}
		}
		b.settle()
		b.now = b.now.Add(registrationTime)
		b.settle()
		s := b.store.View()
		for i := range s.Instances.All() {
			want := false
			for task := range s.Tasks.By(state.TasksByInstance, arn(i.ID)) {
				want = want || task.LastStatus != ecs.Stopped
			}
			if i.Scaling.Protected != want {
				rt.Fatalf("%s is protected: %v, want %v", i.ID, i.Scaling.Protected, want)
			}
		}
	})
}
