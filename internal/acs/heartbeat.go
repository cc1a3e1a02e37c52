package acs

// Heartbeat keeps a session alive. The agent counts known messages only: WebSocket pings do not keep it alive
// (ecs-agent.md 4.4). It is used on both services; on TCS it needs no MessageID.
type Heartbeat struct {
	Healthy   bool   `json:"healthy"`
	MessageID string `json:"messageId,omitempty"`
}

// MessageType is "HeartbeatMessage".
func (*Heartbeat) MessageType() string { return "HeartbeatMessage" }

// HeartbeatAck answers a Heartbeat.
type HeartbeatAck struct {
	MessageID string `json:"messageId"`
}

// MessageType is "HeartbeatAckRequest".
func (*HeartbeatAck) MessageType() string { return "HeartbeatAckRequest" }
