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

// modeTask as pidMode or ipcMode means a namespace for the task.
const modeTask = "task"

// Labels of a container. ecs-agent.md 5.3 has those of Amazon's agent; LabelInstance is the agent's instance.
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

// containerName returns ecs-<family>-<version>-<container>-<hex>. The last part depends on the task, so that a
// repeated create finds the first container.
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

// TaskID returns the last part of a task's ARN.
func TaskID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func splitLink(link string) (name, alias string) {
	name, alias, found := strings.Cut(link, ":")
	if !found {
		alias = name
	}
	return name, alias
}

// hostConfig is the part of Docker's HostConfig that the engine reads.
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

// readHostConfig parses the document. An invalid one is treated as empty; the runtime reports the error when
// the container is created.
func readHostConfig(document string) hostConfig {
	var h hostConfig
	if document != "" {
		_ = json.Unmarshal([]byte(document), &h)
	}
	return h
}

// AwslogsDriver is the log driver that the agent implements.
const AwslogsDriver = "awslogs"

// AwslogsOptions returns the options of the container's awslogs driver, or nil if it has another driver.
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

// LogDriver returns the container's log driver and its options, as in the task definition.
func (b *Box) LogDriver() (string, map[string]string) {
	log := readHostConfig(b.Def.DockerConfig.HostConfig).LogConfig
	return log.Type, log.Config
}
