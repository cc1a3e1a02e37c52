package acs

// Desired statuses; the protocol knows no others (ecs-agent.md 5.1).
const (
	DesiredRunning = "RUNNING"
	DesiredStopped = "STOPPED"
)

// Payload assigns tasks to a container instance, or tells the agent to stop them. SeqNum and
// TaskManifest.Timeline share one sequence of numbers, which only grows for an instance. Of one payload, the
// agent stops tasks before it starts others.
type Payload struct {
	MessageID            string `json:"messageId"`
	ClusterARN           string `json:"clusterArn"`
	ContainerInstanceARN string `json:"containerInstanceArn"`
	GeneratedAt          int64  `json:"generatedAt,omitempty"` // milliseconds since 1970; nobody reads it
	SeqNum               int64  `json:"seqNum,omitempty"`
	Tasks                []Task `json:"tasks"`
}

// MessageType is "PayloadMessage".
func (*Payload) MessageType() string { return "PayloadMessage" }

// Task is one task of a payload. To stop a task, ARN and DesiredStatus suffice.
type Task struct {
	ARN               string  `json:"arn"`
	ClusterARN        string  `json:"taskClusterArn,omitempty"`
	DesiredStatus     string  `json:"desiredStatus"`
	Family            string  `json:"family,omitempty"`
	Version           string  `json:"version,omitempty"`
	DefinitionAccount string  `json:"taskDefinitionAccountId,omitempty"`
	Overrides         string  `json:"overrides,omitempty"`
	CPU               float64 `json:"cpu,omitempty"`    // vCPU: 0.25, not 256
	Memory            int64   `json:"memory,omitempty"` // MiB

	// Hosts are the lines of containers' ExtraHosts that the control plane has added. Only Berth's own agent
	// reads it.
	Hosts []string `json:"berthHosts,omitempty"`

	Containers []Container `json:"containers"`
	Volumes    []Volume    `json:"volumes,omitempty"`

	// NetworkMode is for Amazon's agent, which also needs it in DockerConfig.HostConfig. Only "awsvpc" has a
	// meaning of its own.
	NetworkMode       string             `json:"networkMode,omitempty"`
	NetworkInterfaces []NetworkInterface `json:"elasticNetworkInterfaces,omitempty"`
	PIDMode           string             `json:"pidMode,omitempty"`
	IPCMode           string             `json:"ipcMode,omitempty"`

	RoleCredentials          *RoleCredentials `json:"roleCredentials,omitempty"`
	ExecutionRoleCredentials *RoleCredentials `json:"executionRoleCredentials,omitempty"`

	LaunchType  string `json:"launchType,omitempty"`
	Group       string `json:"group,omitempty"`
	ServiceName string `json:"serviceName,omitempty"`
	Zone        string `json:"zone,omitempty"`
}

// NetworkInterface is the network interface of an awsvpc task. SubnetGateway is the router's address with the
// length of the subnet's prefix: "172.31.0.1/20".
type NetworkInterface struct {
	ID                string        `json:"ec2Id"`
	MAC               string        `json:"macAddress"`
	IPv4              []IPv4Address `json:"ipv4Addresses,omitempty"`
	IPv6              []IPv6Address `json:"ipv6Addresses,omitempty"`
	SubnetGateway     string        `json:"subnetGatewayIpv4Address,omitempty"`
	DomainName        []string      `json:"domainName,omitempty"`
	DomainNameServers []string      `json:"domainNameServers,omitempty"`
	PrivateDNSName    string        `json:"privateDnsName,omitempty"`
	AttachmentARN     string        `json:"attachmentArn,omitempty"`
}

// IPv4Address is one address of a NetworkInterface.
type IPv4Address struct {
	Primary bool   `json:"primary"`
	Address string `json:"privateAddress"`
}

// IPv6Address is one address of a NetworkInterface.
type IPv6Address struct {
	Address string `json:"address"`
}
