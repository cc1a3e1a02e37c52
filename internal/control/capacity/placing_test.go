package capacity

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Tasks that wait are placed when an instance of their capacity provider registers, the oldest first, and when a task
// leaves one (ecs.md 1.5.1, 4.11).
func TestTasksThatWaitArePlaced(t *testing.T) {
	play(t, func(s *stage) {
		tasks := s.ask(4)
		s.expect(tasks, "-", "-", "-", "-")
		s.register("other", "")
		s.expect(tasks, "-", "-", "-", "-")
		s.register("i-1", "p")
		s.expect(tasks, "i-1", "i-1", "-", "-")
		first := s.task(tasks[0])
		if first.LastStatus != ecs.Pending || first.Waiting != nil || first.AvailabilityZone != "us-east-1a" ||
			first.Version != 2 {
			t.Errorf("the task is %+v after its placement", first)
		}
		s.end(tasks[0])
		s.expect(tasks[1:], "i-1", "i-1", "-")
		s.register("i-2", "p")
		s.expect(tasks[1:], "i-1", "i-1", "i-2")
		late := s.ask(2)
		s.expect(late, "i-2", "-")
	})
}

// An instance that comes to belong to the capacity provider, or whose agent connects, gets them too.
func TestInstancesBecomeUsable(t *testing.T) {
	play(t, func(s *stage) {
		tasks := s.ask(2)
		arn := s.register("i-1", "")
		change := func(fn func(*ecs.ContainerInstance)) {
			s.put(func(tx *state.Tx) {
				ci, _ := tx.ContainerInstances.Get(arn)
				n := *ci
				fn(&n)
				tx.ContainerInstances.Put(&n)
			})
		}
		change(func(ci *ecs.ContainerInstance) { ci.CapacityProviderName, ci.AgentConnected = "p", false })
		s.expect(tasks, "-", "-")
		change(func(ci *ecs.ContainerInstance) { ci.AgentConnected = true })
		s.expect(tasks, "i-1", "i-1")
	})
}

// A large task that finds no room does not keep a small one from the room that there is.
func TestSmallTasksPassLargeOnes(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: definitionARN + "0", NetworkMode: "bridge",
				ContainerDefinitions: []ecs.ContainerDefinition{{Name: "web", CPU: 4096, Memory: 512}}})
		})
		large := s.ask(1, func(t *ecs.Task) {
			t.TaskDefinitionARN, t.ServiceARN, t.Group = definitionARN+"0", "", "family:big"
		})
		small := s.ask(1)
		s.register("i-1", "p")
		s.expect(large, "-")
		s.expect(small, "i-1")
	})
}

// Tasks that get no address, because their subnet is full, leave their room to the others.
func TestFullSubnetHoldsNobodyUp(t *testing.T) {
	play(t, func(s *stage) {
		s.fill(0, 1)
		inSubnet := s.ask(2, s.inSubnet(0, "vpc"))
		others := s.ask(2)
		s.register("i-1", "p")
		s.expect(inSubnet, "i-1", "-")
		s.expect(others, "i-1", "-")
	})
}

// Groups that want the subnet of one that failed come after all others, even if their tasks are older.
func TestGroupsInOneFullSubnet(t *testing.T) {
	play(t, func(s *stage) {
		s.fill(0, 0)
		first, second := s.ask(2, s.inSubnet(0, "first")), s.ask(2, s.inSubnet(0, "second"))
		others := s.ask(3)
		s.register("i-1", "p")
		s.expect(append(first, second...), "-", "-", "-", "-")
		s.expect(others, "i-1", "i-1", "-")
	})
}

// A step makes two plans at most. If a group of the second fails too, its room stays free until a step with more room.
func TestTwoPlansInAStep(t *testing.T) {
	play(t, func(s *stage) {
		s.fill(0, 0)
		pack := func(t *ecs.Task) {
			t.Waiting.Strategies = []ecs.PlacementStrategy{{Type: "binpack", Field: "cpu"}} // so i-1 is first
		}
		first := s.ask(5, s.inSubnet(0, "first", 1), pack)
		second := s.ask(5, s.inSubnet(0, "second", 1), pack)
		others := s.ask(1, s.inSubnet(1, "others"))
		s.register("i-1", "p")
		inOtherZone := func(i *ecs.ContainerInstance) { i.Attributes[0].Value, i.Registered.CPU = "us-east-1b", 1536 }
		s.register("i-2", "p", inOtherZone)
		s.expect(append(first, second...), "-", "-", "-", "-", "-", "-", "-", "-", "-", "-")
		s.expect(others, "-")
		s.register("i-3", "p", inOtherZone)
		s.expect(others, "i-2")
	})
}

// inSubnet makes tasks of a service with addresses in a subnet.
func (s *stage) inSubnet(subnet int, service string, more ...int) func(*ecs.Task) {
	var ids []string
	for _, k := range append([]int{subnet}, more...) {
		ids = append(ids, fleet.Subnets(region, account)[k].ID)
	}
	return func(t *ecs.Task) {
		t.TaskDefinitionARN, t.ServiceARN, t.Group = definitionARN+"0", prefix+"service/c/"+service, "service:"+service
		t.Waiting.NetworkConfiguration = &ecs.NetworkConfiguration{
			AwsvpcConfiguration: &ecs.AwsvpcConfiguration{Subnets: ids}}
	}
}

// fill takes the addresses of a subnet except for some.
func (s *stage) fill(subnet, free int) {
	s.put(func(tx *state.Tx) {
		tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: definitionARN + "0",
			NetworkMode:          ecs.NetworkAwsvpc,
			ContainerDefinitions: []ecs.ContainerDefinition{{Name: "web", CPU: 512, Memory: 512}}})
		network := &fleet.Network{Region: region, Account: account, CIDR: netip.MustParsePrefix("172.31.0.0/16")}
		tx.Networks.Put(network)
		part := network.Part(fleet.Subnets(region, account)[subnet])
		first := part.Addr()
		for range 4 + free { // the first four are reserved
			first = first.Next()
		}
		for a := first; part.Contains(a); a = a.Next() {
			tx.Tasks.Put(&ecs.Task{TaskARN: prefix + "task/c/" + a.String(), LastStatus: ecs.Running,
				Attachments: []ecs.Attachment{{ID: a.String(), Type: "ElasticNetworkInterface",
					Details: []ecs.KeyValuePair{{Name: "privateIPv4Address", Value: a.String()}}}}})
		}
	})
}

// A task keeps the constraints that it was made with.
func TestConstraintsOfTasksThatWait(t *testing.T) {
	play(t, func(s *stage) {
		apart := s.ask(2, func(t *ecs.Task) {
			t.Waiting.Constraints = []ecs.PlacementConstraint{{Type: "distinctInstance"}}
		})
		s.register("i-1", "p")
		s.expect(apart, "i-1", "-")
		s.register("i-2", "p")
		s.expect(apart, "i-1", "i-2")
	})
}

// After 15 minutes without room a task is stopped, with AWS's reason (ecs.md 1.6.1).
func TestTasksDoNotWaitForever(t *testing.T) {
	play(t, func(s *stage) {
		first := s.ask(1)
		s.wait(5 * time.Minute)
		second := s.ask(1)
		s.wait(ecs.ProvisioningTimeout - 5*time.Minute - time.Second)
		if got := s.task(first[0]); !got.Provisioning() {
			t.Fatalf("the task ended too early: %s", got.StoppedReason)
		}
		s.wait(time.Second)
		ended := func(arn, reason string) {
			t.Helper()
			got := s.task(arn)
			if got.LastStatus != ecs.Stopped || got.StopCode != ecs.TaskFailedToStart || got.StoppedReason != reason {
				t.Errorf("the task is %s, %s: %s; want %s", got.LastStatus, got.StopCode, got.StoppedReason, reason)
			}
		}
		ended(first[0], "TaskFailedToStart: EMPTY CAPACITY PROVIDER")
		s.put(func(tx *state.Tx) { // an instance that has not registered
			tx.Instances.Put(&fleet.Instance{ID: "i-1", Region: region, Account: account,
				Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService}})
		})
		s.wait(5 * time.Minute)
		ended(second[0], "TaskFailedToStart: NO ACTIVE INSTANCES")
		s.register("i-1", "p")
		third := s.ask(3)
		s.expect(third, "i-1", "i-1", "-")
		s.wait(ecs.ProvisioningTimeout)
		ended(third[2], "TaskFailedToStart: RESOURCE:CPU")
	})
}

// A task that is stopped while it waits stays stopped, and a server that starts again places what waited before.
func TestPlacingStartsAgain(t *testing.T) {
	var c placing
	play(t, func(s *stage) {
		tasks := s.ask(1)
		if keys := c.All(s.store.View()); len(keys) != 1 || keys[0] != clusterARN {
			t.Errorf("a start looks at %v", keys)
		}
		s.put(func(tx *state.Tx) {
			task, _ := tx.Tasks.Get(tasks[0])
			tx.Tasks.Put(task.Stop(ecs.UserInitiated, "enough", time.Now()))
		})
		s.register("i-1", "p")
		s.expect(tasks, "-")
		if keys := c.All(s.store.View()); len(keys) != 0 {
			t.Errorf("a start looks at %v although nothing waits", keys)
		}
	})
}

// The deletion of a capacity provider ends here: the group is not marked any more (ecs.md 4.6).
func TestDeletionOfAProvider(t *testing.T) {
	play(t, func(s *stage) {
		group := func() *fleet.AutoScalingGroup {
			g, _ := s.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "g"))
			return g
		}
		if _, marked := group().Tags.Get("AmazonECSManaged"); !marked || s.store.View().Alarms.Len() != 2 {
			t.Fatalf("the group has the tags %v, and there are %d alarms", group().Tags, s.store.View().Alarms.Len())
		}
		s.put(func(tx *state.Tx) {
			c, _ := tx.Clusters.Get(clusterARN)
			n := *c
			n.CapacityProviders = nil
			tx.Clusters.Put(&n)
			p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
			q := *p
			q.UpdateStatus = ecs.DeleteInProgress
			tx.CapacityProviders.Put(&q)
			tx.ManagedScaling.Put(&ecs.ManagedScalingState{CapacityProviderARN: q.CapacityProviderARN, Held: "x"})
		})
		if n := s.store.View().ManagedScaling.Len(); n != 0 {
			t.Errorf("%d states of managed scaling are left", n)
		}
		p, _ := s.store.View().CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
		if p.Status != ecs.CapacityProviderInactive || p.UpdateStatus != ecs.DeleteComplete || p.DeletedAt.IsZero() {
			t.Errorf("the capacity provider is %+v", p)
		}
		if _, marked := group().Tags.Get("AmazonECSManaged"); marked || s.store.View().Alarms.Len() != 0 {
			t.Errorf("the group has the tags %v, and there are %d alarms", group().Tags, s.store.View().Alarms.Len())
		}
	})
}

// A group that is deleted takes the alarms with it.
func TestDeletionOfTheGroup(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) { tx.AutoScalingGroups.Delete(fleet.Key(region, account, "g")) })
		if n := s.store.View().Alarms.Len(); n != 0 {
			t.Errorf("%d alarms are left", n)
		}
	})
}

// A group whose capacity provider finds no room for its alarms has the tag and the lifecycle hook all the same.
func TestGroupIsMarkedWithoutAlarms(t *testing.T) {
	play(t, func(s *stage) {
		var group *fleet.AutoScalingGroup
		s.put(func(tx *state.Tx) {
			group, _ = tx.AutoScalingGroups.Get(fleet.Key(region, account, "g"))
			tx.AutoScalingGroups.Delete(group.Key())
			p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
			n := *p
			n.AutoScalingGroupProvider.ManagedDraining = ecs.Enabled
			tx.CapacityProviders.Put(&n)
		})
		s.put(func(tx *state.Tx) {
			for i := range alarm.Max {
				tx.Alarms.Put(&alarm.Alarm{ARN: alarm.ARN(region, account, fmt.Sprint("other-", i))})
			}
			group = group.Clone()
			group.Tags = nil
			tx.AutoScalingGroups.Put(group)
		})
		now := s.store.View()
		group, _ = now.AutoScalingGroups.Get(group.Key())
		_, marked := group.Tags.Get("AmazonECSManaged")
		_, hooked := now.LifecycleHooks.Get(fleet.PartKey(region, account, "g", fleet.DrainingHook))
		if !marked || !hooked || now.Alarms.Len() != alarm.Max {
			t.Errorf("the group has the tag: %v, and the hook: %v; there are %d alarms", marked, hooked,
				now.Alarms.Len())
		}
	})
}
