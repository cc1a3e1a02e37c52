package acs

// AckPublishMetric answers PublishMetrics.
type AckPublishMetric struct {
	Message string `json:"message"`
}

// MessageType is "AckPublishMetric".
func (*AckPublishMetric) MessageType() string { return "AckPublishMetric" }

// AckPublishHealth answers PublishHealth.
type AckPublishHealth struct {
	Message string `json:"message"`
}

// MessageType is "AckPublishHealth".
func (*AckPublishHealth) MessageType() string { return "AckPublishHealth" }

// AckPublishInstanceStatus answers PublishInstanceStatus.
type AckPublishInstanceStatus struct {
	Message string `json:"message"`
}

// MessageType is "AckPublishInstanceStatus".
func (*AckPublishInstanceStatus) MessageType() string { return "AckPublishInstanceStatus" }
