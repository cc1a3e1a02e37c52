package agent

import (
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Config is an agent's settings. The fields say which variable sets them, with
// its default; ecs-agent.md 1.5 has the meaning of those of Amazon's agent.
type Config struct {
	Cluster     string            // ECS_CLUSTER (default), a name or an ARN
	BackendHost string            // ECS_BACKEND_HOST: URL of the API; AWS_ENDPOINT_URL if unset
	Region      string            // AWS_DEFAULT_REGION or AWS_REGION
	Credentials sigv4.Credentials // AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
	// CredentialsFile is read for each signature where there are none of those: BERTH_CREDENTIALS_FILE, JSON as of AWS's credential_process.
	CredentialsFile string
	DataDir         string // ECS_DATADIR (/data)

	Attributes map[string]string // ECS_INSTANCE_ATTRIBUTES ({}): JSON object
	Tags       map[string]string // ECS_CONTAINER_INSTANCE_TAGS ({}): JSON object

	ReservedPorts    []int // ECS_RESERVED_PORTS ([22,2375,2376,51678,51679])
	ReservedPortsUDP []int // ECS_RESERVED_PORTS_UDP ([])
	ReservedMemory   int64 // ECS_RESERVED_MEMORY (0): MiB

	DynamicPortFirst int // ECS_DYNAMIC_HOST_PORT_RANGE (the kernel's): FIRST-LAST
	DynamicPortLast  int

	PullBehavior   string        // ECS_IMAGE_PULL_BEHAVIOR (default)
	PullTimeout    time.Duration // ECS_IMAGE_PULL_TIMEOUT (2h)
	CreateTimeout  time.Duration // ECS_CONTAINER_CREATE_TIMEOUT (4m)
	StartTimeout   time.Duration // ECS_CONTAINER_START_TIMEOUT (3m)
	StopTimeout    time.Duration // ECS_CONTAINER_STOP_TIMEOUT (30s), at least 1s
	CleanupWait    time.Duration // ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION (3h), at least 1s
	MaxStopped     int           // BERTH_MAX_STOPPED_TASKS (50): stopped tasks, with their containers, that are kept that long
	ImageInterval  time.Duration // ECS_IMAGE_CLEANUP_INTERVAL (30m), at least 10m; 0 with ECS_DISABLE_IMAGE_CLEANUP (false)
	ImageMinimum   time.Duration // ECS_IMAGE_MINIMUM_CLEANUP_AGE (1h), at least 1m
	ImagesPerCycle int           // ECS_NUM_IMAGES_DELETE_PER_CYCLE (5), at least 1
	LoggingDrivers []string      // ECS_AVAILABLE_LOGGING_DRIVERS: JSON array; the default is that of Amazon's machine image

	TaskRole            bool // ECS_ENABLE_TASK_IAM_ROLE (true)
	TaskRoleNetworkHost bool // ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST (true)
	TaskLimits          bool // ECS_ENABLE_TASK_CPU_MEM_LIMIT (true)
	DisableMetrics      bool // ECS_DISABLE_METRICS (false)
	DockerHost          string

	// Tasks in network modes bridge and awsvpc do not reach the metadata service of the machine's
	// cloud (169.254.169.254) unless BlockIMDS is false; BlockIMDSAwsvpc keeps those in mode awsvpc
	// from it even then, as Amazon's setting does. Tasks in mode host are on the machine's own network.
	BlockIMDS       bool // BERTH_BLOCK_IMDS (true)
	BlockIMDSAwsvpc bool // ECS_AWSVPC_BLOCK_IMDS (false)

	// MetadataRPS and MetadataBurst bound the task metadata requests of one
	// container: ECS_TASK_METADATA_RPS_LIMIT (40,60).
	MetadataRPS, MetadataBurst int

	// What follows tells agents of one machine apart; Amazon's agent has no such
	// settings. All may be empty on a machine of its own.

	InstanceID       string     // BERTH_INSTANCE_ID
	InstanceType     string     // BERTH_INSTANCE_TYPE
	ImageID          string     // BERTH_IMAGE_ID
	Zone             string     // BERTH_AVAILABILITY_ZONE
	VPC              string     // BERTH_VPC_ID
	Subnet           string     // BERTH_SUBNET_ID
	Architecture     string     // BERTH_ARCHITECTURE (this machine's): x86_64 or arm64
	BindAddress      netip.Addr // BERTH_BIND_ADDR (all): host ports are published here
	CPU              int64      // BERTH_CPU (the machine's): CPU units
	Memory           int64      // BERTH_MEMORY (the machine's): MiB
	IdentityDocument string     // BERTH_IDENTITY_DOCUMENT: file or URL
	NetworkPrefix    string     // BERTH_NETWORK_PREFIX (berth): begins names of docker networks
	Server           string     // BERTH_SERVER: tells the server's networks from those of others on the machine

	// Ignored names ECS_ and BERTH_ variables that are set and mean nothing here.
	Ignored []string
}

// Version is what the agent calls itself.
const (
	Version = "1.105.0-berth"
	Hash    = acs.BerthAgent
	// NetworkPrefix begins the names of an agent's Docker networks unless BERTH_NETWORK_PREFIX says otherwise.
	NetworkPrefix = "berth"
)

const userAgent = "Berth ECS Agent - v" + Version + " (linux)"
