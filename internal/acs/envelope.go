package acs

import (
	"encoding/json"
	"fmt"
)

// Message is a message of ACS or TCS. MessageType is the name in the envelope.
type Message interface{ MessageType() string }

// Unknown is a message whose type this package does not know. Both ends log
// such a message and carry on (ecs-agent.md 4.2).
type Unknown struct {
	Type string
	Body json.RawMessage
}

// MessageType returns the type as it was sent.
func (u *Unknown) MessageType() string { return u.Type }

// MarshalJSON returns the body as it was received.
func (u *Unknown) MarshalJSON() ([]byte, error) {
	if len(u.Body) == 0 {
		return []byte("{}"), nil
	}
	return u.Body, nil
}

type envelope struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
}

// Encode returns m as a text frame: {"type":…,"message":{…}}.
func Encode(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", m.MessageType(), err)
	}
	return json.Marshal(envelope{Type: m.MessageType(), Message: body})
}

// Decode parses a text frame. It is an error if the frame is not an envelope, or the body does not fit the
// type. A message of unknown type is returned as *Unknown.
func Decode(frame []byte) (Message, error) {
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return nil, fmt.Errorf("decoding the envelope: %w", err)
	}
	if e.Type == "" {
		return nil, fmt.Errorf("decoding the envelope: it has no type")
	}
	m := shape(e.Type)
	if m == nil {
		return &Unknown{Type: e.Type, Body: e.Message}, nil
	}
	if len(e.Message) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(e.Message, m); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", e.Type, err)
	}
	return m, nil
}

// shape returns an empty message of the named type, or nil.
func shape(name string) Message {
	switch name {
	case "HeartbeatMessage":
		return new(Heartbeat)
	case "HeartbeatAckRequest":
		return new(HeartbeatAck)
	case "PayloadMessage":
		return new(Payload)
	case "AckRequest":
		return new(Ack)
	case "NackRequest":
		return new(Nack)
	case "TaskManifestMessage":
		return new(TaskManifest)
	case "TaskStopVerificationMessage":
		return new(TaskStopVerification)
	case "TaskStopVerificationAck":
		return new(TaskStopVerificationAck)
	case "IAMRoleCredentialsMessage":
		return new(RoleCredentialsUpdate)
	case "IAMRoleCredentialsAckRequest":
		return new(RoleCredentialsAck)
	case "AttachTaskNetworkInterfacesMessage":
		return new(AttachTaskNetworkInterfaces)
	case "AttachInstanceNetworkInterfacesMessage":
		return new(AttachInstanceNetworkInterfaces)
	case "ConfirmAttachmentMessage":
		return new(ConfirmAttachment)
	case "StageUpdateMessage":
		return new(StageUpdate)
	case "PerformUpdateMessage":
		return new(PerformUpdate)
	case "BerthHostsMessage":
		return new(Hosts)
	case "CloseMessage":
		return new(Close)
	case "ErrorMessage":
		return new(Error)
	}
	return telemetryShape(name)
}

// telemetryShape is shape for messages of TCS.
func telemetryShape(name string) Message {
	switch name {
	case "PublishMetricsRequest":
		return new(PublishMetrics)
	case "PublishHealthRequest":
		return new(PublishHealth)
	case "PublishInstanceStatusRequest":
		return new(PublishInstanceStatus)
	case "AckPublishMetric":
		return new(AckPublishMetric)
	case "AckPublishHealth":
		return new(AckPublishHealth)
	case "AckPublishInstanceStatus":
		return new(AckPublishInstanceStatus)
	case "StopTelemetrySessionMessage":
		return new(StopTelemetrySession)
	}
	return nil
}
