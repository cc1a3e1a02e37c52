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

// Task definitions as people write them, with AWS's answers: those that issue trackers quote, and ecs.md 1.4.8 for a
// port of both protocols.
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

// written reads a definition in AWS's own spelling; containers are essential, as they are when nothing is said.
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

// ecs.md 1.4.8: a container port may be of both protocols. Each of its mappings is counted, takes its own host port of
// its own protocol, and has the protocol that was given for it once the definition is complete.
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
		if d.NetworkMode == NetworkAwsvpc { // its ports are those of its own network interface
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

// The ports of a range have no mapping of their own, so a load balancer cannot use them.
func TestRangesAreNoPorts(t *testing.T) {
	c := &ContainerDefinition{PortMappings: []PortMapping{{ContainerPortRange: "52-54"}, {ContainerPort: 80}}}
	for port, want := range map[int]int{52: 0, 53: 0, 54: 0, 80: 1, 81: 0} {
		if got := c.MappingsOf(port); got != want {
			t.Errorf("port %d has %d mappings, want %d", port, got, want)
		}
	}
}
