package ecs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

// Task definitions as people write them, with AWS's answers. They are quoted in issue trackers; the case of a
// port with both protocols is from ecs.md 1.4.8.
func TestDefinitionsAsPeopleWriteThem(t *testing.T) {
	container := func(more string) string {
		return `{"family":"kinds","containerDefinitions":[{"name":"web","image":"nginx:1.27","memory":128` +
			more + `}]}`
	}
	logs := func(options string) string {
		return container(`,"logConfiguration":{"logDriver":"awslogs","options":{` + options + `}}`)
	}
	for name, c := range map[string]struct{ text, want string }{
		"a server of DNS": {container(`,"portMappings":[{"containerPort":53,"hostPort":53,"protocol":"tcp"},
			{"containerPort":53,"hostPort":53,"protocol":"udp"}]`), ""},
		"HTTP/3 beside HTTP/2, at any host port": {container(
			`,"portMappings":[{"containerPort":443},{"containerPort":443,"protocol":"udp"}]`), ""},
		"no network mode": {container(""), ""},
		"a protocol that is none": {container(`,"portMappings":[{"containerPort":8080,"protocol":"http"}]`),
			""}, // terraform-provider-aws#3645
		"a container larger than its task": {`{"memory":"100",` + container("")[1:], // pulumi-awsx#188
			"The 'memory' setting for container 'web' is greater than for the task."},
		"awslogs with nothing but a mode": {logs(`"mode":"non-blocking"`), // cfn-lint#1787
			"Log driver awslogs requires options: awslogs-region, awslogs-group"},
		"awslogs with an empty group": {logs(`"awslogs-group":"","awslogs-region":"us-east-1"`),
			"Log driver awslogs option 'awslogs-group' should not be null or empty."}, // terraform-aws-ecs#206
		"a port mapping without the container's port": {container(`,"portMappings":[{"hostPort":7000}]`),
			"Invalid 'containerPort' setting for container 'web'."}, // aws-cli#7288
		"eleven containers": {`{"family":"kinds","containerDefinitions":[` + strings.TrimSuffix(
			strings.Repeat(`{"name":"a","image":"b","memory":6},`, 11), ",") + `]}`,
			"Too many containers."}, // amazon-ecs-cli#184
	} {
		d := written(t, c.text)
		err := d.Validate()
		if c.want == "" && err != nil || c.want != "" &&
			(!errors.Is(err, fault.New("ClientException", "")) || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// written reads a definition in AWS's JSON. Containers are essential, since that is the default.
func written(t *testing.T, text string) *TaskDefinition {
	t.Helper()
	d := &TaskDefinition{}
	if err := json.Unmarshal([]byte(text), d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for i := range d.ContainerDefinitions {
		d.ContainerDefinitions[i].Essential = true
	}
	return d
}

// ecs.md 1.4.8: a container port may be mapped with both protocols. Each mapping counts, uses a host port of
// its own for its protocol, and has the given protocol after Complete.
func TestPortsOfBothProtocols(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &TaskDefinition{Family: "f", NetworkMode: rapid.SampledFrom([]string{"", NetworkBridge, NetworkHost,
			NetworkAwsvpc}).Draw(t, "mode"), ContainerDefinitions: []ContainerDefinition{
			{Name: "c", Image: "i", Memory: 6, Essential: true}}}
		c := &d.ContainerDefinitions[0]
		var tcp, udp []int
		for _, port := range rapid.SliceOfNDistinct(rapid.IntRange(1, 65535), 1, 4, rapid.ID[int]).Draw(t, "ports") {
			protocols := rapid.SampledFrom([][]string{
				{"tcp"}, {"udp"}, {"", "udp"}, {"udp", "http"}}).Draw(t, "protocols")
			for _, p := range protocols {
				c.PortMappings = append(c.PortMappings, PortMapping{ContainerPort: port, HostPort: port, Protocol: p})
				if p == "udp" {
					udp = append(udp, port)
				} else {
					tcp = append(tcp, port)
				}
			}
			if n := c.MappingsOf(port); n != len(protocols) {
				t.Fatalf("port %d has %d mappings, want %d", port, n, len(protocols))
			}
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("%+v: %v", c.PortMappings, err)
		}
		if c.MappingsOf(0) != 0 {
			t.Fatal("there is a mapping of no port")
		}
		d.Complete()
		slices.Sort(tcp)
		slices.Sort(udp)
		if d.NetworkMode == NetworkAwsvpc { // the ports are those of the task's own network interface
			tcp, udp = nil, nil
		}
		if n := d.Need(Overrides{}); !slices.Equal(n.PortsTCP, tcp) || !slices.Equal(n.PortsUDP, udp) {
			t.Fatalf("%+v takes %v and %v, want %v and %v", c.PortMappings, n.PortsTCP, n.PortsUDP, tcp, udp)
		}
		for _, p := range c.PortMappings {
			if p.Protocol != "tcp" && p.Protocol != "udp" {
				t.Fatalf("a complete mapping is %+v", p)
			}
		}
	})
}

// A load balancer cannot use a port of a range, since such a port has no mapping of its own.
func TestRangesAreNoPorts(t *testing.T) {
	c := &ContainerDefinition{PortMappings: []PortMapping{{ContainerPortRange: "52-54"}, {ContainerPort: 80}}}
	for port, want := range map[int]int{52: 0, 53: 0, 54: 0, 80: 1, 81: 0} {
		if got := c.MappingsOf(port); got != want {
			t.Errorf("port %d has %d mappings, want %d", port, got, want)
		}
	}
}
