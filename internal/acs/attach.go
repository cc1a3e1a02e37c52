package acs

// AttachTaskNetworkInterfaces announces network interfaces for a task. The agent acknowledges it and confirms
// each interface when it appears.
type AttachTaskNetworkInterfaces struct {
	MessageID            string             `json:"messageId"`
	ClusterARN           string             `json:"clusterArn"`
	ContainerInstanceARN string             `json:"containerInstanceArn"`
	TaskARN              string             `json:"taskArn"`
	TaskClusterARN       string             `json:"taskClusterArn,omitempty"`
	GeneratedAt          int64              `json:"generatedAt,omitempty"`
	WaitTimeoutMS        int64              `json:"waitTimeoutMs"`
	NetworkInterfaces    []NetworkInterface `json:"elasticNetworkInterfaces"`
}

// MessageType is "AttachTaskNetworkInterfacesMessage".
func (*AttachTaskNetworkInterfaces) MessageType() string {
	return "AttachTaskNetworkInterfacesMessage"
}

// AttachInstanceNetworkInterfaces announces network interfaces of the instance
// itself.
type AttachInstanceNetworkInterfaces struct {
	MessageID            string             `json:"messageId"`
	ClusterARN           string             `json:"clusterArn"`
	ContainerInstanceARN string             `json:"containerInstanceArn"`
	GeneratedAt          int64              `json:"generatedAt,omitempty"`
	WaitTimeoutMS        int64              `json:"waitTimeoutMs"`
	NetworkInterfaces    []NetworkInterface `json:"elasticNetworkInterfaces"`
}

// MessageType is "AttachInstanceNetworkInterfacesMessage".
func (*AttachInstanceNetworkInterfaces) MessageType() string {
	return "AttachInstanceNetworkInterfacesMessage"
}

// ConfirmAttachment asks the agent to confirm that a volume is attached.
type ConfirmAttachment struct {
	MessageID            string     `json:"messageId"`
	ClusterARN           string     `json:"clusterArn"`
	ContainerInstanceARN string     `json:"containerInstanceArn"`
	TaskARN              string     `json:"taskArn,omitempty"`
	TaskClusterARN       string     `json:"taskClusterArn,omitempty"`
	WaitTimeoutMS        int64      `json:"waitTimeoutMs,omitempty"`
	Attachment           Attachment `json:"attachment"`
}

// MessageType is "ConfirmAttachmentMessage".
func (*ConfirmAttachment) MessageType() string { return "ConfirmAttachmentMessage" }

// Attachment is something attached to the instance for a task.
type Attachment struct {
	ARN        string     `json:"attachmentArn"`
	Type       string     `json:"attachmentType"`
	Properties []Property `json:"attachmentProperties,omitempty"`
}

// Property is a name and a value.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
