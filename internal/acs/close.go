package acs

// Close and Error are logged by the agent and have no other effect. To end a session, close the WebSocket
// (ecs-agent.md 4.3).
type Close struct {
	Message string `json:"message,omitempty"`
}

// MessageType is "CloseMessage".
func (*Close) MessageType() string { return "CloseMessage" }

// Error reports an error of the control plane.
type Error struct {
	Message string `json:"message,omitempty"`
}

// MessageType is "ErrorMessage".
func (*Error) MessageType() string { return "ErrorMessage" }

// StopTelemetrySession is Close for TCS.
type StopTelemetrySession struct {
	Message string `json:"message,omitempty"`
}

// MessageType is "StopTelemetrySessionMessage".
func (*StopTelemetrySession) MessageType() string { return "StopTelemetrySessionMessage" }
