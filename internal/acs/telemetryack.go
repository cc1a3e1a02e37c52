package acs

import "time"

// AckPublishMetric answers PublishMetrics.
type AckPublishMetric struct {
	Message string `json:"message"`
	// Every is how many seconds there should be between two reports; 0 means PublishEvery. Amazon's control plane
	// and its agent do not know it.
	Every int64 `json:"berthPublishEvery,omitempty"`
}

// Period returns the time between two reports.
func (a *AckPublishMetric) Period() time.Duration {
	if a.Every <= 0 || a.Every > int64(PublishEvery/time.Second) {
		return PublishEvery
	}
	return time.Duration(a.Every) * time.Second
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
