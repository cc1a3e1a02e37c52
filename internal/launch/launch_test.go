package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region, account = "us-east-1", "123456789012"
	clusterARN      = "arn:aws:ecs:us-east-1:123456789012:cluster/c"
)

func open(t *testing.T) *state.Store {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func instance(id string) *ecs.ContainerInstance {
	return &ecs.ContainerInstance{
		ContainerInstanceARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/c/" + id,
		ClusterARN:           clusterARN, Status: ecs.InstanceActive, AgentConnected: true, Registered: ecs.Resources{
			CPU: 4096, Memory: 4096, PortsTCP: []int{22},
		}, Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: "us-east-1a"}},
	}
}

func spec(mode string) *Spec {
	d := &ecs.TaskDefinition{Family: "web", Revision: 1,
		TaskDefinitionARN: "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1",
		NetworkMode:       mode, TaskRoleARN: "r",
		ContainerDefinitions: []ecs.ContainerDefinition{
			{Name: "web", Image: "web", CPU: 256, Memory: 256, Essential: true,
				PortMappings: []ecs.PortMapping{
					{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 53, HostPort: 53, Protocol: "udp"},
				}},
			{Name: "side", Image: "side", MemoryReservation: 64, Memory: 128},
		}}
	s := &Spec{Cluster: &ecs.Cluster{ClusterARN: clusterARN, ClusterName: "c"}, Definition: d,
		Group: "family:web", LaunchType: "EC2"}
	if mode == ecs.NetworkAwsvpc {
		s.NetworkConfiguration = &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsvpcConfiguration{
			Subnets: []string{fleet.Subnets(region, account)[0].ID},
		}}
	}
	return s
}

// The free resources that the scheduler uses are those that are shown as remaining (ecs.md 1.3.5, 1.3.7).
func TestWorldCountsWhatIsLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := open(t)
		ci := instance("a")
		var cpu, memory int
		live := 0
		err := store.Update(t.Context(), func(tx *state.Tx) error {
			tx.ContainerInstances.Put(ci)
			for i := range rapid.IntRange(0, 6).Draw(rt, "tasks") {
				task := &ecs.Task{TaskARN: fmt.Sprint("t", i),
					ContainerInstanceARN: ci.ContainerInstanceARN, Group: "g",
					Need: ecs.Resources{CPU: rapid.IntRange(0, 500).Draw(rt, "cpu"),
						Memory: rapid.IntRange(0, 500).Draw(rt, "memory"), PortsTCP: []int{1000 + i}},
					LastStatus: rapid.SampledFrom([]ecs.TaskStatus{
						ecs.Pending, ecs.Running, ecs.Deactivating, ecs.Stopping, ecs.Stopped,
					}).Draw(rt, "last"),
					DesiredStatus: rapid.SampledFrom([]ecs.TaskStatus{ecs.Running, ecs.Stopped}).Draw(rt, "desired")}
				tx.Tasks.Put(task)
				if task.DesiredStatus == ecs.Running && task.LastStatus != ecs.Stopped {
					cpu, memory, live = cpu+task.Need.CPU, memory+task.Need.Memory, live+1
				}
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		snap := store.View()
		seen := Instance(&snap.Tables, ci)
		left := Remaining(&snap.Tables, ci)
		if seen.Free.CPU != 4096-cpu || seen.Free.Memory != 4096-memory || seen.TaskGroups["g"] != live ||
			len(seen.PortsTCP) != 1+live {
			rt.Fatalf("the scheduler sees %+v, want %d CPU and %d MiB less and %d tasks", seen, cpu, memory, live)
		}
		if left.CPU != seen.Free.CPU || left.Memory != seen.Free.Memory || len(left.PortsTCP) != len(seen.PortsTCP) {
			rt.Fatalf("remaining %+v, but the scheduler sees %+v", left, seen)
		}
	})
}

func TestWorldHasThePresentInstancesOfTheCluster(t *testing.T) {
	store := open(t)
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		for i, status := range []string{ecs.InstanceActive, ecs.InstanceDraining, ecs.InstanceInactive} {
			ci := instance(fmt.Sprint(i))
			ci.Status = status
			tx.ContainerInstances.Put(ci)
		}
		other := instance("other")
		other.ClusterARN += "2"
		tx.ContainerInstances.Put(other)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := World(&store.View().Tables, clusterARN); len(w.Instances) != 2 {
		t.Errorf("%d instances, want the ACTIVE and the DRAINING one", len(w.Instances))
	}
}

// ecs.md 1.3.6
func TestRequest(t *testing.T) {
	r, err := spec(ecs.NetworkBridge).Request(3)
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 3 || r.Needs != (sched.Resources{CPU: 256, Memory: 320}) || r.PortsTCP[0] != 8080 ||
		r.PortsUDP[0] != 53 || len(r.Zones) != 0 {
		t.Errorf("request %+v", r)
	}
	if r, err = spec(ecs.NetworkAwsvpc).Request(1); err != nil || r.Needs.ENI != 1 || len(r.PortsTCP) != 0 ||
		r.Zones[0] != "us-east-1a" {
		t.Errorf("request %+v, %v", r, err)
	}
	s := spec(ecs.NetworkAwsvpc)
	s.NetworkConfiguration = nil
	if _, err := s.Request(1); !errors.Is(err, fault.New("InvalidParameterException", "")) {
		t.Errorf("err = %v", err)
	}
}

// Ids that are derived from a task's id are the same each time. Secret ones are random.
func TestTask(t *testing.T) {
	store := open(t)
	now := time.Unix(5, 0)
	ids := []IDs{NewIDs(rand.Reader), NewIDs(rand.Reader)}
	one, err := spec(ecs.NetworkBridge).taskIn(store, instance("a"), ids[0], now)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := spec(ecs.NetworkBridge).taskIn(store, instance("a"), ids[0], now)
	two, _ := spec(ecs.NetworkBridge).taskIn(store, instance("a"), ids[1], now)
	if one.Containers[0].ContainerARN != again.Containers[0].ContainerARN ||
		one.Containers[0].ContainerARN == two.Containers[0].ContainerARN ||
		one.Containers[0].ContainerARN == one.Containers[1].ContainerARN {
		t.Errorf("container ARNs %s, %s, %s", one.Containers[0].ContainerARN,
			again.Containers[0].ContainerARN, two.Containers[0].ContainerARN)
	}
	if one.CredentialsID == "" || one.CredentialsID == two.CredentialsID ||
		one.ExecutionCredentialsID != "" || strings.Contains(one.CredentialsID, ids[0].Task) {
		t.Errorf("credentials %q, %q, execution %q", one.CredentialsID, two.CredentialsID, one.ExecutionCredentialsID)
	}
	if one.LastStatus != ecs.Pending || one.CPU != "256" || one.Memory != "320" ||
		one.Containers[1].Memory != "128" || one.Containers[1].MemoryReservation != "64" {
		t.Errorf("task %+v", one)
	}
}

// Addresses are in the subnet, unique, and not one of the five reserved ones. When none is left, that is an error.
func TestAddresses(t *testing.T) {
	a := arn.New("ecs", region, account, "x")
	small := netip.MustParsePrefix("10.0.0.0/28")
	store := open(t)
	taken := make(map[string]bool)
	for i := range 11 {
		ip, ok := freeAddress(&store.View().Tables, a, small, fmt.Sprint("task", i))
		last := ip.As4()[3]
		if !ok || taken[ip.String()] || !small.Contains(ip) || last < 4 || last == 15 {
			t.Fatalf("address %d is %s, %v; taken: %v", i, ip, ok, taken)
		}
		taken[ip.String()] = true
		err := store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/c/%d", i),
				LastStatus: ecs.Running,
				Attachments: []ecs.Attachment{{Type: "ElasticNetworkInterface", Details: []ecs.KeyValuePair{
					{Name: "privateIPv4Address", Value: ip.String()},
				}}}})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if ip, ok := freeAddress(&store.View().Tables, a, small, "one more"); ok {
		t.Errorf("a twelfth address %s of eleven", ip)
	}
	// The address of a task that has stopped can be used again.
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		task, _ := tx.Tasks.Get("arn:aws:ecs:us-east-1:123456789012:task/c/3")
		n := *task
		n.LastStatus = ecs.Stopped
		tx.Tasks.Put(&n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := freeAddress(&store.View().Tables, a, small, "one more"); !ok {
		t.Error("the address of a stopped task is not free")
	}
}

func TestExplain(t *testing.T) {
	refusal := func(id string, details ...string) sched.Refusal {
		r := sched.Refusal{InstanceARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/c/" + id}
		for _, d := range details {
			r.Reasons = append(r.Reasons, sched.Reason{Detail: d})
		}
		return r
	}
	for _, tt := range []struct {
		refusals []sched.Refusal
		want     string
	}{
		{nil, "the cluster has no ACTIVE container instance"},
		{[]sched.Refusal{refusal("a", "x", "y"), refusal("b", "z")},
			"container-instance b: z; container-instance a: x, and y"},
	} {
		if got := Explain(tt.refusals, refusal("b").InstanceARN); got != tt.want {
			t.Errorf("Explain = %q, want %q", got, tt.want)
		}
	}
	var many []sched.Refusal
	for i := range 14 {
		many = append(many, refusal(fmt.Sprint(i), "full"))
	}
	if got := Explain(many, ""); !strings.HasSuffix(got, "container-instance 9: full; and 4 more container instances") {
		t.Errorf("Explain of many = %q", got)
	}
}

// ecs.md 2.8
func TestCheckRebalancing(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*ecs.Service)
		want string // "" = it can be
	}{
		"plain": {func(*ecs.Service) {}, ""},
		"zone first": {func(s *ecs.Service) {
			s.PlacementStrategy = []ecs.PlacementStrategy{
				{Type: "spread", Field: "attribute:ecs.availability-zone"}, {Type: "random"},
			}
		}, ""},
		"distinct": {func(s *ecs.Service) {
			s.PlacementConstraints = []ecs.PlacementConstraint{{Type: "distinctInstance"}}
		}, ""},
		"daemon":   {func(s *ecs.Service) { s.SchedulingStrategy = ecs.Daemon }, "daemon"},
		"external": {func(s *ecs.Service) { s.LaunchType = "EXTERNAL" }, "EXTERNAL"},
		"no room":  {func(s *ecs.Service) { s.DeploymentConfiguration.MaximumPercent = 100 }, "maximumPercent"},
		"zone last": {func(s *ecs.Service) {
			s.PlacementStrategy = []ecs.PlacementStrategy{
				{Type: "random"}, {Type: "spread", Field: "attribute:ecs.availability-zone"},
			}
		}, "first placement strategy"},
		"zone given": {func(s *ecs.Service) {
			s.PlacementConstraints = []ecs.PlacementConstraint{
				{Type: "memberOf", Expression: "attribute:ecs.availability-zone in [a]"},
			}
		}, "names ecs.availability-zone"},
	} {
		s := &ecs.Service{SchedulingStrategy: ecs.Replica, LaunchType: "EC2",
			DeploymentConfiguration: ecs.DeploymentConfiguration{MaximumPercent: 200}}
		tt.edit(s)
		if err := CheckRebalancing(s); (err == nil) != (tt.want == "") ||
			err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// taskIn makes a task as a transaction on the store's content would.
func (s *Spec) taskIn(
	store *state.Store, ci *ecs.ContainerInstance, ids IDs, now time.Time,
) (task *ecs.Task, err error) {
	_, err = store.View().Draft(func(tx *state.Tx) (err error) {
		task, err = s.Task(tx, ci, ids, now)
		return err
	})
	return task, err
}
