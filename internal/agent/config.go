package agent

import (
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Config is an agent's settings. Each field says which variable sets it, with the default; ecs-agent.md 1.5
// describes the variables of Amazon's agent.
type Config struct {
	Cluster     string            // ECS_CLUSTER (default), a name or an ARN
	BackendHost string            // ECS_BACKEND_HOST: URL of the API; AWS_ENDPOINT_URL if unset
	Region      string            // AWS_DEFAULT_REGION or AWS_REGION
	Credentials sigv4.Credentials // AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
	// CredentialsFile is read for each signature when there are no Credentials: BERTH_CREDENTIALS_FILE, in the
	// JSON of AWS's credential_process.
	CredentialsFile string
	DataDir         string // ECS_DATADIR (/data)

	Attributes map[string]string // ECS_INSTANCE_ATTRIBUTES ({}): JSON object
	Tags       map[string]string // ECS_CONTAINER_INSTANCE_TAGS ({}): JSON object

	ReservedPorts    []int // ECS_RESERVED_PORTS ([22,2375,2376,51678,51679])
	ReservedPortsUDP []int // ECS_RESERVED_PORTS_UDP ([])
	ReservedMemory   int64 // ECS_RESERVED_MEMORY (0): MiB

	DynamicPortFirst int // ECS_DYNAMIC_HOST_PORT_RANGE (the kernel's): FIRST-LAST
	DynamicPortLast  int

	PullBehavior  string        // ECS_IMAGE_PULL_BEHAVIOR (default)
	PullTimeout   time.Duration // ECS_IMAGE_PULL_TIMEOUT (2h)
	CreateTimeout time.Duration // ECS_CONTAINER_CREATE_TIMEOUT (4m)
	StartTimeout  time.Duration // ECS_CONTAINER_START_TIMEOUT (3m)
	StopTimeout   time.Duration // ECS_CONTAINER_STOP_TIMEOUT (30s), at least 1s
	CleanupWait   time.Duration // ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION (3h), at least 1s
	// BERTH_MAX_STOPPED_TASKS (50): how many stopped tasks are kept, with their containers, for CleanupWait
	MaxStopped int
	// ECS_IMAGE_CLEANUP_INTERVAL (30m), at least 10m; 0 with ECS_DISABLE_IMAGE_CLEANUP (false)
	ImageInterval  time.Duration
	ImageMinimum   time.Duration // ECS_IMAGE_MINIMUM_CLEANUP_AGE (1h), at least 1m
	ImagesPerCycle int           // ECS_NUM_IMAGES_DELETE_PER_CYCLE (5), at least 1
	// ECS_AVAILABLE_LOGGING_DRIVERS: JSON array; the default is that of Amazon's ECS-optimized AMI
	LoggingDrivers []string

	TaskRole            bool // ECS_ENABLE_TASK_IAM_ROLE (true)
	TaskRoleNetworkHost bool // ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST (true)
	TaskLimits          bool // ECS_ENABLE_TASK_CPU_MEM_LIMIT (true)
	DisableMetrics      bool // ECS_DISABLE_METRICS (false)
	DockerHost          string

	// Tasks in network modes bridge and awsvpc do not reach the cloud's metadata service (169.254.169.254)
	// unless BlockIMDS is false. Even then BlockIMDSAwsvpc blocks it for tasks in mode awsvpc, as Amazon's
	// setting does. Tasks in mode host use the machine's own network.
	BlockIMDS       bool // BERTH_BLOCK_IMDS (true)
	BlockIMDSAwsvpc bool // ECS_AWSVPC_BLOCK_IMDS (false)

	// MetadataRPS and MetadataBurst bound the task metadata requests of one
	// container: ECS_TASK_METADATA_RPS_LIMIT (40,60).
	MetadataRPS, MetadataBurst int

	// The rest distinguishes the agents of one machine. Amazon's agent has no such settings. All may be empty
	// if the machine has one agent.

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
	NetworkPrefix    string     // BERTH_NETWORK_PREFIX (berth): begins names of Docker networks
	Server           string     // BERTH_SERVER: labels the server's networks

	// Ignored are ECS_ and BERTH_ variables that are set but have no meaning here.
	Ignored []string
}

// Version is the agent's version.
const (
	Version = "1.105.0-berth"
	Hash    = acs.BerthAgent
	// NetworkPrefix begins the names of an agent's Docker networks unless BERTH_NETWORK_PREFIX is set.
	NetworkPrefix = "berth"
)

const userAgent = "Berth ECS Agent - v" + Version + " (linux)"
