package local

// Names of the environment variables an agent process gets from its instance, beside the ECS agent's own (ECS_CLUSTER, ECS_BACKEND_HOST,
// ECS_DATADIR and whatever else its ecs.config sets) and AWS's (AWS_DEFAULT_REGION, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, AWS_ENDPOINT_URL).
const (
	EnvInstanceID       = "BERTH_INSTANCE_ID"       // i-…
	EnvInstanceType     = "BERTH_INSTANCE_TYPE"     // t2.micro
	EnvImageID          = "BERTH_IMAGE_ID"          // ami-…
	EnvAccount          = "BERTH_ACCOUNT"           // twelve digits
	EnvAvailabilityZone = "BERTH_AVAILABILITY_ZONE" // us-east-1a
	EnvZoneID           = "BERTH_ZONE_ID"           // use1-az1
	EnvVPC              = "BERTH_VPC_ID"            // vpc-…
	EnvSubnet           = "BERTH_SUBNET_ID"         // subnet-…
	EnvBindAddress      = "BERTH_BIND_ADDR"         // 127.0.1.N: host ports are published here and nowhere else
	EnvCPU              = "BERTH_CPU"               // CPU units, 1024 to a vCPU
	EnvMemory           = "BERTH_MEMORY"            // MiB
	EnvArchitecture     = "BERTH_ARCHITECTURE"      // x86_64 or arm64: the instance type's, not the host's
	EnvCredentials      = "BERTH_CREDENTIALS_FILE"  // path of the role's credentials, JSON as of AWS's credential_process; they are renewed there
	EnvIdentityDocument = "BERTH_IDENTITY_DOCUMENT" // path of the instance identity document, JSON as EC2's metadata service gives it
	EnvInstanceRoot     = "BERTH_INSTANCE_ROOT"     // directory that stands for the instance's /
)

// ExitTerminal is the exit code by which an agent says that starting it again is of no use (ecs-agent.md 1.7).
const ExitTerminal = 5
