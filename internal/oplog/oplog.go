// Package oplog writes the operator's log: what happens to deployments, tasks, container instances and alarms, and
// which calls are refused. Each is one structured line.
//
// It watches the state, so other packages need no log calls for these events. It logs results and not single
// steps. Lines beyond a rate are dropped and counted; the count is logged with the next line that is written.
// There are four rates: for changes of the state, for refused calls of known callers, for those of unknown
// callers, and for messages that are published. So nobody can suppress other lines by sending many calls.
//
// Run lasts until its context ends. Refused and Published may be called from any goroutine.
package oplog

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

// How many lines of each kind are written: enough for a rollout of a hundred tasks at once, and then ten a
// second. Callers whose identity is not known get fewer.
const (
	linesPerSecond = 10
	linesAtOnce    = 200

	unknownPerSecond = 1
	unknownAtOnce    = 20

	publishedPerSecond = 100
	publishedAtOnce    = 1000
)

// Log is the operator's log.
type Log struct {
	store *state.Store
	out   limited           // changes of the state
	seen  map[string]string // by table and key: the last state of a row

	refused limited // calls of known callers
	unknown limited // calls of unknown callers

	published limited // messages to SNS topics
}

// New returns a log of the changes in store from now on.
func New(store *state.Store, logger *slog.Logger) *Log {
	return &Log{
		store: store, seen: make(map[string]string),
		out:     limited{logger: logger, limit: rate.NewLimiter(linesPerSecond, linesAtOnce)},
		refused: limited{logger: logger, limit: rate.NewLimiter(linesPerSecond, linesAtOnce)},
		unknown: limited{logger: logger, limit: rate.NewLimiter(unknownPerSecond, unknownAtOnce)},

		published: limited{logger: logger, limit: rate.NewLimiter(publishedPerSecond, publishedAtOnce)},
	}
}

const (
	tasks     = "tasks"
	services  = "services"
	instances = "instances"
	alarms    = "alarms"
)

func keys(c state.Change, _ *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		return []string{tasks + " " + c.Key}
	case state.Changed[ecs.Service]:
		return []string{services + " " + c.Key}
	case state.Changed[ecs.ServiceProgress]:
		return []string{services + " " + c.Key}
	case state.Changed[ecs.ContainerInstance]:
		return []string{instances + " " + c.Key}
	case state.Changed[alarm.Status]:
		return []string{alarms + " " + c.Key}
	}
	return nil
}

// Run logs until ctx ends. Rows that exist at the start are not logged.
func (l *Log) Run(ctx context.Context) error {
	sub := state.Subscribe(l.store, keys)
	defer sub.Close()
	t := &l.store.View().Tables
	for x := range t.Tasks.All() {
		l.seen[tasks+" "+x.TaskARN] = string(x.LastStatus)
	}
	for x := range t.Services.All() {
		l.seen[services+" "+x.ServiceARN] = serviceState(x, t.Progress(x.ServiceARN))
	}
	for x := range t.ContainerInstances.All() {
		l.seen[instances+" "+x.ContainerInstanceARN] = instanceState(x)
	}
	for x := range t.AlarmStatus.All() {
		l.seen[alarms+" "+x.ARN] = string(x.Value)
	}
	for {
		dirty, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		t := &l.store.View().Tables
		for _, key := range dirty {
			l.look(t, key)
		}
	}
}

// look compares a row with its last known state.
func (l *Log) look(t *state.Tables, key string) {
	table, id, _ := strings.Cut(key, " ")
	before, now, there := l.seen[key], "", false
	switch table {
	case tasks:
		var x *ecs.Task
		if x, there = t.Tasks.Get(id); there {
			now = string(x.LastStatus)
			l.task(x, before)
		}
	case services:
		var x *ecs.Service
		if x, there = t.Services.Get(id); there {
			p := t.Progress(id)
			now = serviceState(x, p)
			l.service(x, p, before)
		}
	case instances:
		var x *ecs.ContainerInstance
		if x, there = t.ContainerInstances.Get(id); there {
			now = instanceState(x)
			l.instance(x, before)
		}
	case alarms:
		var x *alarm.Status
		if x, there = t.AlarmStatus.Get(id); there {
			now = string(x.Value)
			l.alarm(t, x, before)
		}
	}
	if there {
		l.seen[key] = now
	} else {
		delete(l.seen, key)
	}
}

// alarm logs the change of an alarm's state. A new alarm has no state that would be worth a line.
func (l *Log) alarm(t *state.Tables, x *alarm.Status, before string) {
	a, ok := t.Alarms.Get(x.ARN)
	if !ok || before == "" || before == string(x.Value) {
		return
	}
	level := slog.LevelInfo
	if x.Value == scaling.InAlarm {
		level = slog.LevelWarn
	}
	l.out.line(level, "alarm changed its state", "alarm", a.Name, "state", x.Value, "before", before, "reason",
		x.Reason)
}

// task logs the end of a task.
func (l *Log) task(x *ecs.Task, before string) {
	if x.LastStatus != ecs.Stopped || before == string(ecs.Stopped) {
		return
	}
	level := slog.LevelInfo
	if x.StopCode == ecs.TaskFailedToStart || x.StopCode == ecs.TerminationNotice || failed(x) {
		level = slog.LevelWarn
	}
	l.out.line(level, "task stopped", "cluster", arn.LastID(x.ClusterARN), "group", x.Group, "task",
		arn.LastID(x.TaskARN),
		"definition", arn.LastID(x.TaskDefinitionARN), "code", x.StopCode, "reason", x.StoppedReason+x.ExitCodes())
}

// failed reports whether a container of the task ended by itself with an exit code other than 0.
func failed(x *ecs.Task) bool {
	if x.StopCode != ecs.EssentialContainerExited {
		return false
	}
	for _, c := range x.Containers {
		if c.ExitCode != nil && *c.ExitCode != 0 {
			return true
		}
	}
	return false
}

// serviceState is what the log keeps of a service: its status, whether its tasks find no instance, and its
// deployments with their states.
func serviceState(x *ecs.Service, p *ecs.ServiceProgress) string {
	s := x.Status
	if p.Unplaced > 0 {
		s += " " + unplaced
	}
	for _, d := range p.Deployments {
		s += " " + d.ID + "=" + d.RolloutState
	}
	return s
}

const unplaced = "unplaced"

// service logs when a deployment begins or ends, and when tasks find no instance or find one again.
func (l *Log) service(x *ecs.Service, p *ecs.ServiceProgress, before string) {
	name := []any{"cluster", arn.LastID(x.ClusterARN), "service", x.ServiceName}
	known := strings.Fields(before)
	has := func(s string) bool {
		for _, k := range known {
			if k == s {
				return true
			}
		}
		return false
	}
	for _, d := range p.Deployments {
		about := append(name[:len(name):len(name)], "deployment", d.ID, "definition",
			arn.LastID(d.Revision.TaskDefinition))
		switch {
		case has(d.ID + "=" + d.RolloutState):
		case d.RolloutState == ecs.RolloutCompleted:
			l.out.line(slog.LevelInfo, "deployment completed", append(about, "tasks", p.DesiredCount(x))...)
		case d.RolloutState == ecs.RolloutFailed:
			l.out.line(slog.LevelWarn, "deployment failed",
				append(about, "failed_tasks", d.FailedTasks, "reason", d.RolloutStateReason)...)
		case d.Status == ecs.DeploymentPrimary && strings.Contains(d.RolloutStateReason, "rolling back"):
			l.out.line(slog.LevelWarn, "deployment rolls back", append(about, "reason", d.RolloutStateReason)...)
		case !strings.Contains(before, d.ID+"="):
			l.out.line(slog.LevelInfo, "deployment started", append(about, "tasks", p.DesiredCount(x))...)
		}
	}
	switch {
	case p.Unplaced > 0 && !has(unplaced):
		l.out.line(slog.LevelWarn, "tasks find no instance",
			append(name, "tasks", p.Unplaced, "see", "berth explain "+x.ServiceName)...)
	case p.Unplaced == 0 && has(unplaced):
		l.out.line(slog.LevelInfo, "all tasks have an instance", name...)
	}
	if x.Status == ecs.ServiceInactive && !has(ecs.ServiceInactive) {
		l.out.line(slog.LevelInfo, "service deleted", name...)
	}
}

const (
	connected = "connected"
	impaired  = "impaired"
)

// instanceState is what the log keeps of a container instance.
func instanceState(x *ecs.ContainerInstance) string {
	s := x.Status
	if x.AgentConnected {
		s += " " + connected
	}
	if x.RuntimeStatus == "IMPAIRED" {
		s += " " + impaired
	}
	return s
}

// instance logs container instances that register, are lost, come back and are deregistered.
func (l *Log) instance(x *ecs.ContainerInstance, before string) {
	about := []any{"cluster", arn.LastID(x.ClusterARN), "instance", arn.LastID(x.ContainerInstanceARN),
		"ec2_instance", x.EC2InstanceID}
	was := strings.Contains(before, connected)
	present := x.Present()
	switch {
	case !present && before != "" && !strings.HasPrefix(before, x.Status):
		l.out.line(slog.LevelInfo, "instance deregistered", append(about, "status", x.Status)...)
	case present && before == "":
		l.out.line(slog.LevelInfo, "instance registered", append(about, "address", x.Address)...)
	case present && was && !x.AgentConnected:
		l.out.line(slog.LevelWarn, "instance lost: its agent is not connected", about...)
	case present && !was && x.AgentConnected && before != "":
		l.out.line(slog.LevelInfo, "instance connected", about...)
	}
	switch is := x.RuntimeStatus == "IMPAIRED"; {
	case is && !strings.Contains(before, impaired):
		l.out.line(slog.LevelWarn, "container runtime does not work", append(about, "reason", x.RuntimeReason)...)
	case !is && strings.Contains(before, impaired):
		l.out.line(slog.LevelInfo, "container runtime works again", about...)
	}
}

// Refused logs a call that was answered with a fault. principal is "" when the caller is not known.
func (l *Log) Refused(service, action, code string, status int, principal, requestID string) {
	if service == "logs" && code == "ResourceAlreadyExistsException" {
		return // agents try to create each container's group and stream, so this fault is normal
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	out := &l.refused
	if principal == "" {
		out = &l.unknown
	}
	out.line(level, "call refused", "service", service, "action", action, "code", code, "status", status,
		"principal", principal, "request", requestID)
}

// Published logs a message that was published to a topic: due subscriptions will get it, and full ones do not, because
// too many messages wait for them.
func (l *Log) Published(p *topic.Publication, due, full int) {
	level := slog.LevelInfo
	args := []any{"topic", p.TopicARN, "message", p.ID, "subject", p.Subject, "subscriptions", due}
	if full > 0 {
		level = slog.LevelWarn
		args = append(args, "not_to", full, "reason", "as many messages wait for their delivery as are kept")
	}
	l.published.line(level, "message published", args...)
}

// limited writes lines at a bounded rate.
type limited struct {
	logger *slog.Logger
	limit  *rate.Limiter

	mu   sync.Mutex // guards left
	left int        // lines dropped since the last one that was written
}

func (l *limited) line(level slog.Level, message string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.limit.Allow() {
		l.left++
		return
	}
	if l.left > 0 {
		l.logger.Warn("lines were left out because there were too many", "lines", l.left)
		l.left = 0
	}
	l.logger.Log(context.Background(), level, message, args...)
}
