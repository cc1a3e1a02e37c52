package acs

// UpdateInfo says where a new version of the agent is, and its SHA-256.
type UpdateInfo struct {
	Location  string `json:"location,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// StageUpdate asks the agent to download a newer version of itself. Berth's agent refuses it with a Nack, as
// Amazon's does when updates are disabled.
type StageUpdate struct {
	MessageID            string      `json:"messageId"`
	ClusterARN           string      `json:"clusterArn"`
	ContainerInstanceARN string      `json:"containerInstanceArn"`
	UpdateInfo           *UpdateInfo `json:"updateInfo,omitempty"`
}

// MessageType is "StageUpdateMessage".
func (*StageUpdate) MessageType() string { return "StageUpdateMessage" }

// PerformUpdate asks the agent to start the version it has downloaded.
type PerformUpdate struct {
	MessageID            string      `json:"messageId"`
	ClusterARN           string      `json:"clusterArn"`
	ContainerInstanceARN string      `json:"containerInstanceArn"`
	UpdateInfo           *UpdateInfo `json:"updateInfo,omitempty"`
}

// MessageType is "PerformUpdateMessage".
func (*PerformUpdate) MessageType() string { return "PerformUpdateMessage" }
