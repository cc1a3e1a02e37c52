package ecs

import (
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// Cluster statuses (ecs.md 1.2.1). A deleted cluster stays INACTIVE and describable until it is reaped.
const (
	ClusterActive   = "ACTIVE"
	ClusterInactive = "INACTIVE"
)

// DefaultCluster is the cluster meant when a call names none (ecs.md 1.1.4, 1.2.5).
const DefaultCluster = "default"

// Cluster is a named group of container instances, services and tasks. Its counters are computed when it is described.
type Cluster struct {
	ClusterARN    string
	ClusterName   string
	Status        string
	Settings      []Setting
	Configuration *ClusterConfiguration `json:",omitempty"`
	Tags          tag.Set               `json:",omitempty"`
	// CapacityProviders are the names of the capacity providers that its tasks may use; DefaultStrategy divides the
	// tasks that ask for neither a launch type nor a strategy.
	CapacityProviders []string       `json:",omitempty"`
	DefaultStrategy   []StrategyItem `json:",omitempty"`
	CreatedAt         time.Time
	DeletedAt         time.Time `json:",omitzero"`
}

// Setting is a cluster setting such as containerInsights.
type Setting struct{ Name, Value string }

// ClusterConfiguration is stored and given back: what it configures (ECS Exec sessions) is read when a session starts.
type ClusterConfiguration struct {
	ExecuteCommandConfiguration *ExecuteCommandConfiguration `json:",omitempty"`
}

// ExecuteCommandConfiguration says how ECS Exec sessions of a cluster are logged.
type ExecuteCommandConfiguration struct {
	KMSKeyID         string                          `json:",omitempty"`
	Logging          string                          `json:",omitempty"`
	LogConfiguration *ExecuteCommandLogConfiguration `json:",omitempty"`
}

// ExecuteCommandLogConfiguration names where session logs go.
type ExecuteCommandLogConfiguration struct {
	CloudWatchLogGroupName      string `json:",omitempty"`
	CloudWatchEncryptionEnabled bool   `json:",omitempty"`
	S3BucketName                string `json:",omitempty"`
	S3EncryptionEnabled         bool   `json:",omitempty"`
	S3KeyPrefix                 string `json:",omitempty"`
}

// KeyValuePair is a name and a value: an environment variable, a detail of an attachment.
type KeyValuePair struct{ Name, Value string }

// Resource types as they stand in an ECS ARN.
const (
	TypeCluster           = "cluster"
	TypeContainerInstance = "container-instance"
	TypeService           = "service"
	TypeTask              = "task"
	TypeTaskDefinition    = "task-definition"
	TypeContainer         = "container"
	TypeServiceRevision   = "service-revision"
	TypeServiceDeployment = "service-deployment"
	TypeCapacityProvider  = "capacity-provider"
)

// ARN makes the long ARN of an ECS resource (ecs.md 1.1.2); rest is what follows the type.
func ARN(region, account, resourceType, rest string) string {
	return arn.New("ecs", region, account, resourceType+"/"+rest).String()
}

// placeOf returns the region and the account in an ARN.
func placeOf(s string) (region, account string) {
	a, err := arn.Parse(s)
	if err != nil {
		return "", ""
	}
	return a.Region, a.Account
}

// ClusterNameOf is the cluster's name in the ARN of a cluster or of anything that lives in one.
func ClusterNameOf(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return ""
	}
	name := a.Rest()
	for i := range len(name) {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}
