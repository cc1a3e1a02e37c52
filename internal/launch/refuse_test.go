package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Every request that cannot be carried out is refused with a message before anything is placed: ecs.md 1.6.3, and the
// rules for placement constraints and strategies.
func TestRequestRefuses(t *testing.T) {
	const none = ""
	awsvpc := func(change func(*ecs.AwsvpcConfiguration)) *Spec {
		s := spec(ecs.NetworkAwsvpc)
		change(s.NetworkConfiguration.AwsvpcConfiguration)
		return s
	}
	bridge := func(change func(*Spec)) *Spec {
		s := spec(ecs.NetworkBridge)
		change(s)
		return s
	}
	subnet := fleet.Subnets(region, account)[0].ID
	for name, c := range map[string]struct {
		spec *Spec
		want string
	}{
		"sixteen subnets": {
			awsvpc(func(c *ecs.AwsvpcConfiguration) { c.Subnets = slices.Repeat([]string{subnet}, 16) }), none,
		},
		"seventeen subnets": {awsvpc(func(c *ecs.AwsvpcConfiguration) {
			c.Subnets = slices.Repeat([]string{subnet}, 17)
		}), "at most 16 subnets and 5 security groups"},
		"five groups": {awsvpc(func(c *ecs.AwsvpcConfiguration) {
			c.SecurityGroups = slices.Repeat([]string{"sg-1"}, 5)
		}), none},
		"six groups": {awsvpc(func(c *ecs.AwsvpcConfiguration) {
			c.SecurityGroups = slices.Repeat([]string{"sg-1"}, 6)
		}), "at most 16 subnets and 5 security groups"},
		"no subnet": {awsvpc(func(c *ecs.AwsvpcConfiguration) { c.Subnets = nil }),
			"Network Configuration must be provided when networkMode 'awsvpc' is specified."},
		"unknown subnet": {awsvpc(func(c *ecs.AwsvpcConfiguration) { c.Subnets = []string{"subnet-0"} }),
			"Error retrieving subnet information for [subnet-0]: The subnet ID 'subnet-0' does not exist."},
		"network of another mode": {
			bridge(func(s *Spec) { s.NetworkConfiguration = spec(ecs.NetworkAwsvpc).NetworkConfiguration }),
			"Network Configuration is not valid for the given networkMode of this task definition."},
		"constraint of the definition": {bridge(func(s *Spec) {
			s.Definition.PlacementConstraints = []ecs.PlacementConstraint{
				{Type: "memberOf", Expression: "attribute:a =="},
			}
		}), "invalid expression: at position 15"},
		"constraint of the call": {bridge(func(s *Spec) {
			s.Constraints = []ecs.PlacementConstraint{{Type: "near"}}
		}), `unknown placement constraint type "near"`},
		"strategy": {bridge(func(s *Spec) {
			s.Strategies = []ecs.PlacementStrategy{{Type: "binpack", Field: "disk"}}
		}), "disk"},
		"EXTERNAL": {bridge(func(s *Spec) { s.LaunchType = "EXTERNAL" }), none},
		"EXTERNAL in awsvpc": {func() *Spec { s := spec(ecs.NetworkAwsvpc); s.LaunchType = "EXTERNAL"; return s }(),
			"The launch type EXTERNAL supports neither the awsvpc network mode nor load balancers."},
		"EXTERNAL behind a load balancer": {
			bridge(func(s *Spec) { s.LaunchType = "EXTERNAL"; s.LoadBalancers = []ecs.LoadBalancer{{}} }),
			"The launch type EXTERNAL supports neither the awsvpc network mode nor load balancers."},
	} {
		_, err := c.spec.Request(1)
		switch {
		case c.want == none && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != none && (!errors.Is(err, fault.New("InvalidParameterException", "")) ||
			!strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Tasks of launch type EXTERNAL are placed on machines outside EC2 only.
func TestExternalTasksAskForExternalInstances(t *testing.T) {
	for launchType, external := range map[string]bool{"EXTERNAL": true, "EC2": false} {
		s := spec(ecs.NetworkBridge)
		s.LaunchType = launchType
		r, err := s.Request(1)
		if err != nil {
			t.Fatal(err)
		}
		outside := sched.Instance{ARN: "outside", Zone: "us-east-1a", Status: sched.StatusActive,
			AgentConnected: true, Free: sched.Resources{CPU: 4096, Memory: 4096},
			Attributes: map[string]string{ecs.AttributeExternal: ""}, PortsTCP: sched.Ports{},
			PortsUDP: sched.Ports{}, TaskGroups: map[string]int{}}
		inside := outside
		inside.ARN, inside.Attributes = "inside", map[string]string{}
		for _, i := range []*sched.Instance{&inside, &outside} {
			plan := sched.Plan(sched.World{Instances: []*sched.Instance{i}}, []sched.Request{r})
			if placed, want := len(plan.Placements) == 1, i.ARN == "outside" || !external; placed != want {
				t.Errorf("launch type %s is placed %s EC2: %v, want %v", launchType, i.ARN, placed, want)
			}
		}
	}
}

// An awsvpc task has a network interface in the subnet of its instance's zone, with AWS's names. If no subnet is in
// the zone, that is an error.
func TestTaskInAwsvpcMode(t *testing.T) {
	store := open(t)
	subnets := fleet.Subnets(region, account)
	s := spec(ecs.NetworkAwsvpc)
	s.NetworkConfiguration.AwsvpcConfiguration.Subnets = []string{subnets[1].ID, subnets[0].ID}
	ids := NewIDs(rand.Reader)
	var task *ecs.Task
	if err := store.Update(t.Context(), func(tx *state.Tx) (err error) {
		task, err = s.Task(tx, instance("a"), ids, time.Unix(5, 0))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n, ok := store.View().Networks.Get((&fleet.Network{Region: region, Account: account}).Key()); !ok ||
		n.CIDR.String() != "172.31.0.0/16" {
		t.Errorf("the region's network is %v", n)
	}
	if len(task.Attachments) != 1 {
		t.Fatalf("attachments %+v", task.Attachments)
	}
	at := task.Attachments[0]
	ip, err := netip.ParseAddr(at.Detail("privateIPv4Address"))
	if err != nil || !netip.MustParsePrefix("172.31.0.0/20").Contains(ip) || at.Detail("subnetId") != subnets[0].ID {
		t.Errorf("the address is %v in %s, want one of %s", ip, at.Detail("subnetId"), subnets[0].ID)
	}
	if want := "ip-" + strings.ReplaceAll(ip.String(), ".", "-") +
		".ec2.internal"; at.Detail("privateDnsName") != want {
		t.Errorf("the DNS name is %s, want %s", at.Detail("privateDnsName"), want)
	}
	var mac [6]byte
	if n, err := fmt.Sscanf(at.Detail("macAddress"), "%02x:%02x:%02x:%02x:%02x:%02x", &mac[0], &mac[1],
		&mac[2], &mac[3], &mac[4], &mac[5]); n != 6 || err != nil || mac[0] != 2 {
		t.Errorf("the MAC address is %s, want a local one", at.Detail("macAddress"))
	}
	for _, c := range task.Containers {
		if len(c.NetworkInterfaces) != 1 || c.NetworkInterfaces[0].PrivateIPv4Address != ip.String() ||
			c.NetworkInterfaces[0].AttachmentID != at.ID {
			t.Errorf("%s has the interfaces %+v", c.Name, c.NetworkInterfaces)
		}
	}
	if again, err := s.taskIn(store, instance("a"), ids, time.Unix(6, 0)); err != nil ||
		again.Attachments[0].ID != at.ID || again.Address() != ip.String() {
		t.Errorf("the same task has another interface the second time: %+v, %v", again, err)
	}
	s.NetworkConfiguration.AwsvpcConfiguration.Subnets = []string{subnets[1].ID}
	if _, err := s.taskIn(store, instance("a"), ids, time.Unix(5, 0)); err == nil ||
		!strings.Contains(err.Error(), "None of the given subnets lies in the availability zone us-east-1a") {
		t.Errorf("a subnet in another zone: %v", err)
	}
}

// Overrides replace values of the task definition, both sizes and roles (ecs.md 1.6).
func TestOverridesOfATask(t *testing.T) {
	store := open(t)
	s := spec(ecs.NetworkBridge)
	s.Definition.CPU, s.Definition.Memory, s.Definition.TaskRoleARN = "512", "1024", ""
	ids := NewIDs(rand.Reader)
	plain, err := s.taskIn(store, instance("a"), ids, time.Unix(5, 0))
	if err != nil {
		t.Fatal(err)
	}
	if plain.CPU != "512" || plain.Memory != "1024" || plain.CredentialsID != "" || plain.ExecutionCredentialsID != "" {
		t.Errorf("without overrides: %s CPU, %s memory, credentials %q and %q", plain.CPU, plain.Memory,
			plain.CredentialsID, plain.ExecutionCredentialsID)
	}
	s.Overrides = ecs.Overrides{CPU: "256", Memory: "2048", TaskRoleARN: "role", ExecutionRoleARN: "execution"}
	other, err := s.taskIn(store, instance("a"), ids, time.Unix(5, 0))
	if err != nil {
		t.Fatal(err)
	}
	if other.CPU != "256" || other.Memory != "2048" || other.CredentialsID != ids.Credentials ||
		other.ExecutionCredentialsID != ids.Execution {
		t.Errorf("with overrides: %s CPU, %s memory, credentials %q and %q", other.CPU, other.Memory,
			other.CredentialsID, other.ExecutionCredentialsID)
	}
	if other.Need.CPU != 256 || other.Need.Memory != 2048 {
		t.Errorf("the overridden task takes %+v", other.Need)
	}
}

func TestExplainFailures(t *testing.T) {
	failure := func(id, detail string) sched.Failure {
		return sched.Failure{
			InstanceARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/c/" + id, Detail: detail,
		}
	}
	if got, want := ExplainFailures([]sched.Failure{failure("a", "x"), failure("b", "y")}),
		"container-instance a: x; container-instance b: y"; got != want {
		t.Errorf("ExplainFailures = %q, want %q", got, want)
	}
	if got := ExplainFailures(slices.Repeat([]sched.Failure{failure("a", "x")}, 11)); !strings.HasSuffix(got,
		"; and 1 more container instances") {
		t.Errorf("ExplainFailures of many = %q", got)
	}
}
