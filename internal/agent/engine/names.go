package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/berthhq/berth/internal/acs"
)

// Network modes that the engine treats specially.
const (
	networkBridge = "bridge"
	networkHost   = "host"
	networkNone   = "none"
	networkAwsvpc = "awsvpc"
)

// modeTask as pidMode or ipcMode means a namespace of the task's own.
const modeTask = "task"

// Labels of a container. Those of Amazon's agent are ecs-agent.md 5.3; LabelInstance
// says which agent of the machine it belongs to.
const (
	LabelTask      = "com.amazonaws.ecs.task-arn"
	LabelContainer = "com.amazonaws.ecs.container-name"
	LabelFamily    = "com.amazonaws.ecs.task-definition-family"
	LabelVersion   = "com.amazonaws.ecs.task-definition-version"
	LabelCluster   = "com.amazonaws.ecs.cluster"
	LabelInstance  = "com.berthhq.instance"
	LabelImage     = "com.berthhq.image" // as the task definition names it: containers are created by the image's id
)

const pauseName = "~internal~ecs~pause"

// containerName is ecs-<family>-<version>-<container>-<hex>. The last part comes
// from the task, so that a create that is tried again finds the first one.
func containerName(t acs.Task, container string) string {
	plain := strings.NewReplacer("~", "").Replace(container)
	return "ecs-" + t.Family + "-" + t.Version + "-" + plain + "-" + digest(t.ARN, container)
}

func volumeName(t acs.Task, volume string) string {
	return "ecs-" + t.Family + "-" + t.Version + "-" + volume + "-" + digest(t.ARN, "volume", volume)
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:10])
}

// TaskID is the last part of a task's ARN.
func TaskID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func splitLink(link string) (name, alias string) {
	name, alias, found := strings.Cut(link, ":")
	if !found {
		alias = name
	}
	return name, alias
}

// hostConfig is what the engine reads of Docker's HostConfig.
type hostConfig struct {
	NetworkMode       string
	MemoryReservation int64
	ExtraHosts        []string
	DNS               []string `json:"Dns"`
	DNSSearch         []string `json:"DnsSearch"`
	LogConfig         struct {
		Type   string
		Config map[string]string
	}
}

// readHostConfig reads the document; one that is broken reads as empty, and the
// runtime will say so when the container is created.
func readHostConfig(document string) hostConfig {
	var h hostConfig
	if document != "" {
		_ = json.Unmarshal([]byte(document), &h)
	}
	return h
}

// AwslogsDriver is the log driver that the agent itself plays.
const AwslogsDriver = "awslogs"

// AwslogsOptions returns the options of the container's awslogs driver, nil if it
// has another.
func (b *Box) AwslogsOptions() map[string]string {
	log := readHostConfig(b.Def.DockerConfig.HostConfig).LogConfig
	if log.Type != AwslogsDriver {
		return nil
	}
	if log.Config == nil {
		return map[string]string{}
	}
	return log.Config
}

// LogDriver returns the container's log driver and its options as asked for.
func (b *Box) LogDriver() (string, map[string]string) {
	log := readHostConfig(b.Def.DockerConfig.HostConfig).LogConfig
	return log.Type, log.Config
}
