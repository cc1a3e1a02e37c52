package acs

// TaskManifest lists every task that should run on the instance. The agent discards it without an Ack unless
// Timeline is greater than every SeqNum and Timeline that it has seen (ecs-agent.md 4.3).
type TaskManifest struct {
	MessageID            string           `json:"messageId"`
	ClusterARN           string           `json:"clusterArn"`
	ContainerInstanceARN string           `json:"containerInstanceArn"`
	GeneratedAt          int64            `json:"generatedAt,omitempty"` // milliseconds since 1970
	Timeline             int64            `json:"timeline"`
	Tasks                []TaskIdentifier `json:"tasks"`
}

// MessageType is "TaskManifestMessage".
func (*TaskManifest) MessageType() string { return "TaskManifestMessage" }

// TaskIdentifier is a task and its desired status.
type TaskIdentifier struct {
	TaskARN       string `json:"taskArn"`
	ClusterARN    string `json:"taskClusterArn"`
	DesiredStatus string `json:"desiredStatus"`
}

// TaskStopVerification asks whether tasks that run but are not in the manifest
// should be stopped. MessageID is the manifest's.
type TaskStopVerification struct {
	MessageID      string           `json:"messageId"`
	StopCandidates []TaskIdentifier `json:"stopCandidates"`
}

// MessageType is "TaskStopVerificationMessage".
func (*TaskStopVerification) MessageType() string { return "TaskStopVerificationMessage" }

// TaskStopVerificationAck lists the candidates to stop. MessageID is the
// manifest's; the agent ignores any other.
type TaskStopVerificationAck struct {
	MessageID   string           `json:"messageId"`
	GeneratedAt int64            `json:"generatedAt,omitempty"`
	StopTasks   []TaskIdentifier `json:"stopTasks"`
}

// MessageType is "TaskStopVerificationAck".
func (*TaskStopVerificationAck) MessageType() string { return "TaskStopVerificationAck" }
