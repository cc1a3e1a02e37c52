package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent/engine"
)

// ReadSettings reads the lines NAME=VALUE of an ecs.config file. It skips empty lines and those that begin with
// #. It expands nothing and keeps quotes, as Amazon's agent does.
func ReadSettings(r io.Reader) ([]string, error) {
	var out []string
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(line, "=") {
			return nil, fmt.Errorf("line %d: %q is not NAME=VALUE", n, line)
		}
		out = append(out, line)
	}
	return out, lines.Err()
}

// NewConfig parses an agent's settings from lists of NAME=VALUE; later lists override earlier ones. The error
// joins everything that is wrong.
func NewConfig(lists ...[]string) (Config, error) {
	s := settings{values: map[string]string{}}
	for _, list := range lists {
		for _, line := range list {
			name, value, _ := strings.Cut(line, "=")
			s.values[name] = value
		}
	}
	c := s.config()
	c.Ignored = s.unread()
	return c, errors.Join(s.faults...)
}

var errNoRegion = errors.New("AWS_DEFAULT_REGION is not set: it must name the region of the control plane")

// settings reads values from the environment and remembers which.
type settings struct {
	values map[string]string
	read   []string
	faults []error
}

func (s *settings) config() Config {
	c := Config{
		Cluster:        s.text("ECS_CLUSTER", "default"),
		BackendHost:    s.backend(),
		Region:         s.text("AWS_DEFAULT_REGION", s.text("AWS_REGION", "")),
		DataDir:        s.text("ECS_DATADIR", "/data"),
		ReservedPorts:  s.ports("ECS_RESERVED_PORTS", []int{22, 2375, 2376, 51678, 51679}),
		ReservedMemory: s.number("ECS_RESERVED_MEMORY", 0),
		PullBehavior: s.oneOf("ECS_IMAGE_PULL_BEHAVIOR", engine.PullDefault, engine.PullAlways,
			engine.PullOnce, engine.PullPreferCached),
		PullTimeout:   s.duration("ECS_IMAGE_PULL_TIMEOUT", 2*time.Hour, time.Second),
		CreateTimeout: s.duration("ECS_CONTAINER_CREATE_TIMEOUT", 4*time.Minute, time.Second),
		StartTimeout:  s.duration("ECS_CONTAINER_START_TIMEOUT", 3*time.Minute, time.Second),
		StopTimeout:   s.duration("ECS_CONTAINER_STOP_TIMEOUT", 30*time.Second, time.Second),
		MaxStopped:    int(s.number("BERTH_MAX_STOPPED_TASKS", 50)),
		CleanupWait:   s.duration("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", 3*time.Hour, time.Second),

		TaskRole:            s.yes("ECS_ENABLE_TASK_IAM_ROLE", true),
		TaskRoleNetworkHost: s.yes("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", true),
		TaskLimits:          s.yes("ECS_ENABLE_TASK_CPU_MEM_LIMIT", true),
		DisableMetrics:      s.yes("ECS_DISABLE_METRICS", false),
		DockerHost:          s.text("DOCKER_HOST", ""),
		BlockIMDS:           s.yes("BERTH_BLOCK_IMDS", true),
		BlockIMDSAwsvpc:     s.yes("ECS_AWSVPC_BLOCK_IMDS", false),
	}
	s.images(&c)
	s.json("ECS_INSTANCE_ATTRIBUTES", &c.Attributes)
	s.json("ECS_CONTAINER_INSTANCE_TAGS", &c.Tags)
	s.json("ECS_RESERVED_PORTS_UDP", &c.ReservedPortsUDP)
	c.LoggingDrivers = []string{"json-file", "syslog", "awslogs", "fluentd", "none"} // Amazon's ECS-optimized image
	s.json("ECS_AVAILABLE_LOGGING_DRIVERS", &c.LoggingDrivers)
	c.DynamicPortFirst, c.DynamicPortLast = s.portRange("ECS_DYNAMIC_HOST_PORT_RANGE")
	c.MetadataRPS, c.MetadataBurst = s.pair("ECS_TASK_METADATA_RPS_LIMIT", 40, 60)
	c.Credentials.AccessKeyID = s.text("AWS_ACCESS_KEY_ID", "")
	c.Credentials.SecretAccessKey = s.text("AWS_SECRET_ACCESS_KEY", "")
	c.Credentials.SessionToken = s.text("AWS_SESSION_TOKEN", "")
	c.CredentialsFile = s.text("BERTH_CREDENTIALS_FILE", "")
	if c.Region == "" {
		s.faults = append(s.faults, errNoRegion)
	}
	s.local(&c)
	return c
}

// images reads when images are removed.
func (s *settings) images(c *Config) {
	c.ImageInterval = s.duration("ECS_IMAGE_CLEANUP_INTERVAL", 30*time.Minute, 10*time.Minute)
	if s.yes("ECS_DISABLE_IMAGE_CLEANUP", false) {
		c.ImageInterval = 0
	}
	c.ImageMinimum = s.duration("ECS_IMAGE_MINIMUM_CLEANUP_AGE", time.Hour, time.Minute)
	c.ImagesPerCycle = int(s.number("ECS_NUM_IMAGES_DELETE_PER_CYCLE", 5))
	if c.ImagesPerCycle < 1 {
		s.faults = append(s.faults, fmt.Errorf("ECS_NUM_IMAGES_DELETE_PER_CYCLE is %d: it must be at least "+
			"1, or set ECS_DISABLE_IMAGE_CLEANUP", c.ImagesPerCycle))
	}
}

// local reads the settings that distinguish the agents of one machine.
func (s *settings) local(c *Config) {
	c.InstanceID = s.text("BERTH_INSTANCE_ID", "")
	c.InstanceType = s.text("BERTH_INSTANCE_TYPE", "")
	c.ImageID = s.text("BERTH_IMAGE_ID", "")
	c.Zone = s.text("BERTH_AVAILABILITY_ZONE", "")
	c.VPC = s.text("BERTH_VPC_ID", "")
	c.Subnet = s.text("BERTH_SUBNET_ID", "")
	c.Architecture = s.text("BERTH_ARCHITECTURE", map[string]string{"amd64": "x86_64"}[runtime.GOARCH])
	if c.Architecture == "" {
		c.Architecture = runtime.GOARCH
	}
	c.IdentityDocument = s.text("BERTH_IDENTITY_DOCUMENT", "")
	c.NetworkPrefix = s.text("BERTH_NETWORK_PREFIX", NetworkPrefix)
	c.Server = s.text("BERTH_SERVER", "")
	c.CPU = s.number("BERTH_CPU", int64(runtime.NumCPU())*1024)
	c.Memory = s.number("BERTH_MEMORY", memoryMiB())
	if bind := s.text("BERTH_BIND_ADDR", ""); bind != "" {
		address, err := netip.ParseAddr(bind)
		s.check("BERTH_BIND_ADDR", bind, err)
		c.BindAddress = address
	}
	// For other programs of the machine; the agent does not use them.
	for _, name := range []string{
		"BERTH_ACCOUNT", "BERTH_ZONE_ID", "BERTH_SUBNET_CIDR", "BERTH_INSTANCE_ROOT", "BERTH_CI",
	} {
		s.text(name, "")
	}
}

// backend returns the API's address; without a scheme it is https, as with Amazon's agent.
func (s *settings) backend() string {
	host := s.text("ECS_BACKEND_HOST", s.text("AWS_ENDPOINT_URL", ""))
	switch {
	case host == "":
		s.faults = append(s.faults, errors.New("ECS_BACKEND_HOST is not set: it must be the URL of the control plane"))
	case !strings.Contains(host, "://"):
		host = "https://" + host
	}
	return strings.TrimSuffix(host, "/")
}

func (s *settings) text(name, otherwise string) string {
	s.read = append(s.read, name)
	if v, ok := s.values[name]; ok && v != "" {
		return v
	}
	return otherwise
}

func (s *settings) check(name, value string, err error) {
	if err != nil {
		s.faults = append(s.faults, fmt.Errorf("%s=%s: %w", name, value, err))
	}
}

func (s *settings) number(name string, otherwise int64) int64 {
	text := s.text(name, "")
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n < 0 {
		err = errors.New("it must not be negative")
	}
	s.check(name, text, err)
	return n
}

func (s *settings) yes(name string, otherwise bool) bool {
	text := s.text(name, "")
	if text == "" {
		return otherwise
	}
	v, err := strconv.ParseBool(text)
	s.check(name, text, err)
	return v
}

func (s *settings) duration(name string, otherwise, least time.Duration) time.Duration {
	text := s.text(name, "")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	s.check(name, text, err)
	return max(d, least)
}

func (s *settings) json(name string, into any) {
	if text := s.text(name, ""); text != "" {
		s.check(name, text, json.Unmarshal([]byte(text), into))
	}
}

func (s *settings) ports(name string, otherwise []int) []int {
	ports := otherwise
	if s.text(name, "") != "" {
		ports = nil
		s.json(name, &ports)
	}
	return ports
}

func (s *settings) oneOf(name string, values ...string) string {
	v := s.text(name, values[0])
	if !slices.Contains(values, v) {
		s.check(name, v, fmt.Errorf("it must be one of %s", strings.Join(values, ", ")))
	}
	return v
}

// portRange parses FIRST-LAST; by default it is the kernel's range (ecs.md 1.4.9).
func (s *settings) portRange(name string) (first, last int) {
	text := s.text(name, "")
	if text == "" {
		data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
		if _, scanErr := fmt.Sscan(string(data), &first, &last); err != nil || scanErr != nil {
			return 49153, 65535
		}
		return first, last
	}
	_, err := fmt.Sscanf(text, "%d-%d", &first, &last)
	if err == nil && (first < 1 || last < first || last > 65535) {
		err = errors.New("it must be FIRST-LAST")
	}
	s.check(name, text, err)
	return first, last
}

func (s *settings) pair(name string, a, b int) (int, int) {
	if text := s.text(name, ""); text != "" {
		_, err := fmt.Sscanf(text, "%d,%d", &a, &b)
		s.check(name, text, err)
	}
	return a, b
}

// unread returns settings of an agent that were not read.
func (s *settings) unread() []string {
	var out []string
	for name := range s.values {
		ours := strings.HasPrefix(name, "ECS_") || strings.HasPrefix(name, "BERTH_")
		if ours && !slices.Contains(s.read, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func memoryMiB() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(data)) {
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kib); n == 1 {
			return kib >> 10
		}
	}
	return 0
}
