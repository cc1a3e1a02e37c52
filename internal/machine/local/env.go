package local

// Environment variables of an agent that come from its instance. Others are the ECS agent's own (ECS_CLUSTER,
// ECS_BACKEND_HOST, ECS_DATADIR and whatever its ecs.config sets) and AWS's (AWS_DEFAULT_REGION, AWS_REGION,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL).
const (
	EnvInstanceID       = "BERTH_INSTANCE_ID"       // i-…
	EnvInstanceType     = "BERTH_INSTANCE_TYPE"     // t2.micro
	EnvImageID          = "BERTH_IMAGE_ID"          // ami-…
	EnvAccount          = "BERTH_ACCOUNT"           // twelve digits
	EnvAvailabilityZone = "BERTH_AVAILABILITY_ZONE" // us-east-1a
	EnvZoneID           = "BERTH_ZONE_ID"           // use1-az1
	EnvVPC              = "BERTH_VPC_ID"            // vpc-…
	EnvSubnet           = "BERTH_SUBNET_ID"         // subnet-…
	EnvBindAddress      = "BERTH_BIND_ADDR"         // 127.0.1.N: where host ports are published
	EnvCPU              = "BERTH_CPU"               // CPU units, 1024 for a vCPU
	EnvMemory           = "BERTH_MEMORY"            // MiB
	EnvArchitecture     = "BERTH_ARCHITECTURE"      // x86_64 or arm64: of the instance type, not of the machine
	// path of the role's credentials, in the JSON of AWS's credential_process; the file is renewed
	EnvCredentials = "BERTH_CREDENTIALS_FILE"
	// path of the instance identity document, in the JSON of EC2's metadata service
	EnvIdentityDocument = "BERTH_IDENTITY_DOCUMENT"
	EnvInstanceRoot     = "BERTH_INSTANCE_ROOT" // directory that stands for the instance's /
)

// ExitTerminal is the exit code of an agent that must not be started again (ecs-agent.md 1.7).
const ExitTerminal = 5
