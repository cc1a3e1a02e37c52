package acs

// Ack acknowledges the message MessageID. Cluster and ContainerInstance are the ARNs of that message.
type Ack struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	MessageID         string `json:"messageId"`
}

// MessageType is "AckRequest".
func (*Ack) MessageType() string { return "AckRequest" }

// Nack refuses the message MessageID.
type Nack struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	MessageID         string `json:"messageId"`
	Reason            string `json:"reason"`
}

// MessageType is "NackRequest".
func (*Nack) MessageType() string { return "NackRequest" }
