package acs

// Role types of a RoleCredentialsUpdate.
const (
	RoleTypeTask      = "TaskApplication"
	RoleTypeExecution = "TaskExecution"
)

// RoleCredentials are temporary credentials of a task's role. ID never changes for a task and role, because
// containers have it in their environment (ecs-agent.md 8). Expiration is text of RFC 3339 and is passed on
// unchanged.
type RoleCredentials struct {
	ID              string `json:"credentialsId"`
	RoleARN         string `json:"roleArn"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	Expiration      string `json:"expiration"`
}

// RoleCredentialsUpdate replaces the credentials of a task's role.
type RoleCredentialsUpdate struct {
	MessageID   string           `json:"messageId"`
	TaskARN     string           `json:"taskArn"`
	ClusterARN  string           `json:"taskClusterArn,omitempty"`
	RoleType    string           `json:"roleType"`
	Credentials *RoleCredentials `json:"roleCredentials"`
}

// MessageType is "IAMRoleCredentialsMessage".
func (*RoleCredentialsUpdate) MessageType() string { return "IAMRoleCredentialsMessage" }

// RoleCredentialsAck says which credentials the agent has now. MessageID is that of the Payload or
// RoleCredentialsUpdate that contained them.
type RoleCredentialsAck struct {
	MessageID     string `json:"messageId"`
	CredentialsID string `json:"credentialsId"`
	Expiration    string `json:"expiration"`
}

// MessageType is "IAMRoleCredentialsAckRequest".
func (*RoleCredentialsAck) MessageType() string { return "IAMRoleCredentialsAckRequest" }
