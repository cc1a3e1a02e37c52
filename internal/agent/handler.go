package agent

import (
	"log/slog"
	"slices"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
)

// Credentials stores the credentials of tasks' roles, in memory.
type Credentials interface {
	Put(taskARN string, c acs.RoleCredentials)
}

// assignments is the task engine, for ACS messages.
type assignments interface {
	Apply(t acs.Task) error
	Tasks() []engine.Record
	SetHosts(hosts []acs.HostEntry)
}

// handler handles ACS messages and returns the answers. One session at a time uses it.
type handler struct {
	containerInstance string
	tasks             assignments
	credentials       Credentials
	store             *checkpoint.Store
	attached          func(acs.AttachTaskNetworkInterfaces)
	log               *slog.Logger

	newest int64 // the highest seqNum or timeline so far
	// candidates are those of the last manifest, until they are verified.
	manifest   string
	candidates []acs.TaskIdentifier
}

const newestKey = "newest"

// load reads the highest sequence number from the checkpoint.
func (h *handler) load() error {
	h.newest = -1
	_, err := h.store.Get(checkpoint.Agent, newestKey, &h.newest)
	return err
}

// handle returns the answers to m, if any.
func (h *handler) handle(m acs.Message) []acs.Message {
	switch m := m.(type) {
	case *acs.Heartbeat:
		return []acs.Message{&acs.HeartbeatAck{MessageID: m.MessageID}}
	case *acs.Payload:
		return h.payload(m)
	case *acs.TaskManifest:
		return h.taskManifest(m)
	case *acs.TaskStopVerificationAck:
		h.stopVerified(m)
	case *acs.RoleCredentialsUpdate:
		return h.roleCredentials(m)
	case *acs.AttachTaskNetworkInterfaces:
		h.attached(*m)
		return []acs.Message{h.ack(m.MessageID, m.ClusterARN, m.ContainerInstanceARN)}
	case *acs.Hosts:
		h.tasks.SetHosts(m.Hosts)
	case *acs.StageUpdate:
		return []acs.Message{h.nack(m.MessageID, m.ClusterARN, m.ContainerInstanceARN)}
	case *acs.PerformUpdate:
		return []acs.Message{h.nack(m.MessageID, m.ClusterARN, m.ContainerInstanceARN)}
	default:
		h.log.Info("an ACS message has no effect", "type", m.MessageType())
	}
	return nil
}

func (h *handler) ack(id, cluster, instance string) *acs.Ack {
	return &acs.Ack{MessageID: id, Cluster: cluster, ContainerInstance: instance}
}

func (h *handler) nack(id, cluster, instance string) *acs.Nack {
	return &acs.Nack{MessageID: id, Cluster: cluster, ContainerInstance: instance, Reason: "Updates are disabled"}
}

// payload applies tasks, those to stop first (ecs-agent.md 5). It is acknowledged only if all were applied.
func (h *handler) payload(m *acs.Payload) []acs.Message {
	if m.MessageID == "" || m.ClusterARN == "" || m.ContainerInstanceARN == "" || len(m.Tasks) == 0 {
		h.log.Warn("a payload is ignored: it lacks an id, an ARN or tasks", "message", m.MessageID)
		return nil
	}
	h.newest = max(h.newest, m.SeqNum)
	slices.SortStableFunc(m.Tasks, func(a, b acs.Task) int { return stopFirst(a) - stopFirst(b) })
	acks := []acs.Message{h.ack(m.MessageID, m.ClusterARN, m.ContainerInstanceARN)}
	good := true
	for _, t := range m.Tasks {
		for _, c := range []*acs.RoleCredentials{t.RoleCredentials, t.ExecutionRoleCredentials} {
			if c == nil || c.ID == "" {
				continue
			}
			h.credentials.Put(t.ARN, *c)
			acks = append(acks, &acs.RoleCredentialsAck{
				MessageID: m.MessageID, CredentialsID: c.ID, Expiration: c.Expiration,
			})
		}
		if err := h.apply(t); err != nil {
			h.log.Error("a task cannot be applied", "task", t.ARN, "error", err)
			good = false
		}
	}
	if !good {
		return nil
	}
	return acks
}

func stopFirst(t acs.Task) int {
	if t.DesiredStatus == acs.DesiredStopped {
		return 0
	}
	return 1
}

func (h *handler) apply(t acs.Task) error {
	if t.ARN == "" || t.DesiredStatus != acs.DesiredRunning && t.DesiredStatus != acs.DesiredStopped {
		h.log.Warn("a task is ignored: it lacks an ARN or wants an unknown status", "task", t.ARN,
			"desired", t.DesiredStatus)
		return nil
	}
	return h.tasks.Apply(t)
}

// taskManifest asks about running tasks that are not in the manifest (ecs-agent.md 7).
func (h *handler) taskManifest(m *acs.TaskManifest) []acs.Message {
	if m.Timeline <= h.newest {
		h.log.Info("an old manifest is discarded", "timeline", m.Timeline, "newest", h.newest)
		return nil
	}
	if err := h.store.Put(checkpoint.Agent, newestKey, m.Timeline); err != nil {
		h.log.Error("cannot write the checkpoint", "error", err)
		return nil // it is sent again after the next connect
	}
	h.newest = m.Timeline
	answers := []acs.Message{h.ack(m.MessageID, m.ClusterARN, m.ContainerInstanceARN)}
	h.manifest, h.candidates = m.MessageID, nil
	for _, r := range h.tasks.Tasks() {
		listed := slices.ContainsFunc(m.Tasks, func(t acs.TaskIdentifier) bool {
			return t.TaskARN == r.Task.ARN && t.DesiredStatus == acs.DesiredRunning
		})
		if !listed && r.Desired == acs.DesiredRunning && r.Status != engine.StatusStopped {
			h.candidates = append(h.candidates, acs.TaskIdentifier{
				TaskARN: r.Task.ARN, ClusterARN: r.Task.ClusterARN, DesiredStatus: acs.DesiredStopped,
			})
		}
	}
	if len(h.candidates) > 0 {
		answers = append(answers, &acs.TaskStopVerification{MessageID: m.MessageID, StopCandidates: h.candidates})
	}
	return answers
}

// stopVerified stops the candidates that the control plane confirmed.
func (h *handler) stopVerified(m *acs.TaskStopVerificationAck) {
	if m.MessageID == "" || m.MessageID != h.manifest {
		return
	}
	for _, t := range m.StopTasks {
		asked := slices.ContainsFunc(h.candidates, func(c acs.TaskIdentifier) bool { return c.TaskARN == t.TaskARN })
		if !asked {
			continue
		}
		if err := h.tasks.Apply(acs.Task{
			ARN: t.TaskARN, ClusterARN: t.ClusterARN, DesiredStatus: acs.DesiredStopped,
		}); err != nil {
			h.log.Error("a task cannot be stopped", "task", t.TaskARN, "error", err)
		}
	}
	h.manifest, h.candidates = "", nil
}

// roleCredentials replaces the credentials of a task of this agent; others are not acknowledged.
func (h *handler) roleCredentials(m *acs.RoleCredentialsUpdate) []acs.Message {
	known := slices.ContainsFunc(h.tasks.Tasks(), func(r engine.Record) bool { return r.Task.ARN == m.TaskARN })
	if !known || m.Credentials == nil || m.MessageID == "" {
		h.log.Warn("credentials are ignored: they are of no task here", "task", m.TaskARN)
		return nil
	}
	h.credentials.Put(m.TaskARN, *m.Credentials)
	return []acs.Message{&acs.RoleCredentialsAck{
		MessageID: m.MessageID, CredentialsID: m.Credentials.ID, Expiration: m.Credentials.Expiration,
	}}
}
