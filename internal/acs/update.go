package acs

// UpdateInfo says where a new agent lies and the SHA-256 it must have.
type UpdateInfo struct {
	Location  string `json:"location,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// StageUpdate asks the agent to download a newer version of itself. Our agent
// refuses it with a Nack, as Amazon's does with updates disabled.
type StageUpdate struct {
	MessageID            string      `json:"messageId"`
	ClusterARN           string      `json:"clusterArn"`
	ContainerInstanceARN string      `json:"containerInstanceArn"`
	UpdateInfo           *UpdateInfo `json:"updateInfo,omitempty"`
}

// MessageType is "StageUpdateMessage".
func (*StageUpdate) MessageType() string { return "StageUpdateMessage" }

// PerformUpdate asks the agent to become the version it downloaded.
type PerformUpdate struct {
	MessageID            string      `json:"messageId"`
	ClusterARN           string      `json:"clusterArn"`
	ContainerInstanceARN string      `json:"containerInstanceArn"`
	UpdateInfo           *UpdateInfo `json:"updateInfo,omitempty"`
}

// MessageType is "PerformUpdateMessage".
func (*PerformUpdate) MessageType() string { return "PerformUpdateMessage" }
