package acs

// Health statuses of a container.
const (
	HealthHealthy   = "HEALTHY"
	HealthUnhealthy = "UNHEALTHY"
	HealthUnknown   = "UNKNOWN"
)

// PublishHealth reports container health. No other message carries it.
type PublishHealth struct {
	Metadata  TelemetryMetadata `json:"metadata"`
	Tasks     []TaskHealth      `json:"tasks,omitempty"`
	Timestamp Time              `json:"timestamp"`
}

// MessageType is "PublishHealthRequest".
func (*PublishHealth) MessageType() string { return "PublishHealthRequest" }

// TaskHealth is the health of a task's containers.
type TaskHealth struct {
	TaskARN    string            `json:"taskArn"`
	Family     string            `json:"taskDefinitionFamily"`
	Version    string            `json:"taskDefinitionVersion"`
	Containers []ContainerHealth `json:"containers"`
}

// ContainerHealth is the health of one container since StatusSince.
type ContainerHealth struct {
	Name        string `json:"containerName"`
	Status      string `json:"healthStatus"`
	StatusSince Time   `json:"statusSince"`
}

// Statuses of an InstanceStatus.
const (
	InstanceOK               = "OK"
	InstanceImpaired         = "IMPAIRED"
	InstanceInsufficientData = "INSUFFICIENT_DATA"
	InstanceInitializing     = "INITIALIZING"
)

// InstanceContainerRuntime is the type of the InstanceStatus about the engine.
const InstanceContainerRuntime = "ContainerRuntime"

// PublishInstanceStatus reports the health of the machine itself.
type PublishInstanceStatus struct {
	Metadata  TelemetryMetadata `json:"metadata"`
	Statuses  []InstanceStatus  `json:"statuses"`
	Timestamp Time              `json:"timestamp"`
}

// MessageType is "PublishInstanceStatusRequest".
func (*PublishInstanceStatus) MessageType() string { return "PublishInstanceStatusRequest" }

// InstanceStatus is one aspect of the machine's health.
type InstanceStatus struct {
	Type             string `json:"type"`
	Status           string `json:"status"`
	LastUpdated      Time   `json:"lastUpdated"`
	LastStatusChange Time   `json:"lastStatusChange"`
	// Reason is why the status is not OK. Only Berth's own agent sends it.
	Reason string `json:"statusReason,omitempty"`
}
