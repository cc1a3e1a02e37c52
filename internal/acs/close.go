package acs

// Close and Error are told and logged; neither has an effect of its own. To end
// a session, close the websocket (ecs-agent.md 4.3).
type Close struct {
	Message string `json:"message,omitempty"`
}

// MessageType is "CloseMessage".
func (*Close) MessageType() string { return "CloseMessage" }

// Error is a complaint of the control plane.
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
