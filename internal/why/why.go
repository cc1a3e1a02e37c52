// Package why explains to people why a task or a service does not run. It reads a snapshot: what agents, health checks
// and deployments have reported. It calls the scheduler to find out why no instance can run a task. It is pure, so a
// command, a page and a log print the same answer.
package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// Answer describes a task or a service. Unless it is OK, it has at least one reason.
type Answer struct {
	Kind    string // "task" or "service"
	Name    string // the task's id, the service's name
	Cluster string
	Status  string // for people: "STOPPED", "1 of 2 running, IN_PROGRESS"
	OK      bool   // the task or the service has no problem
	Failed  bool   // the problem lasts until a user changes something
	// Deployment is the id of the service's primary deployment, and TaskDefinition is its task definition.
	Deployment     string    `json:",omitempty"`
	DeployedAt     time.Time `json:",omitzero"`  // when the primary deployment was created, even before a rollback
	TaskDefinition string    `json:",omitempty"` // FAMILY:REVISION
	// Steady reports whether a service runs all tasks of its primary deployment and no others, and all are healthy.
	Steady bool `json:",omitempty"`
	// ProvenAt is set while a steady service has tasks without health checks that have not run for Proof yet. It is the
	// time at which all of them will have.
	ProvenAt time.Time `json:",omitzero"`
	// Latest is the last change of the service that a caller asked for. After a rollback, the service runs an earlier
	// one.
	Latest     *Latest `json:",omitempty"`
	RolledBack bool    `json:",omitempty"` // the latest one was, or is being, rolled back
	// Scaling says why the scaling policies of a service change nothing although alarms call them; see Scaling.
	Scaling  string `json:",omitempty"`
	ExitCode *int   `json:",omitempty"` // of a stopped task: the first that is not 0, or 0
	Reasons  []Reason
}

// Latest is a service's latest service deployment.
type Latest struct {
	TaskDefinition string // FAMILY:REVISION
	Status         string // as in the ECS API: IN_PROGRESS, ROLLBACK_SUCCESSFUL
	StatusReason   string `json:",omitempty"`
	FailedTasks    int    `json:",omitempty"`
	LastFailure    string `json:",omitempty"` // why the last of them failed
	StoppedByUser  bool   `json:",omitempty"` // a user asked for its rollback
	StartedAt      time.Time
	FinishedAt     time.Time `json:",omitzero"`
}

// Reason is one cause. The most important reason comes first.
type Reason struct {
	Source string // what reported it: service, deployment, scheduler, instance, agent, container, health or task
	Text   string // a sentence
	Advice string `json:",omitempty"` // what to do about it
}

func (a *Answer) add(source, format string, args ...any) *Reason {
	a.Reasons = append(a.Reasons, Reason{Source: source, Text: fmt.Sprintf(format, args...)})
	return &a.Reasons[len(a.Reasons)-1]
}

// Subject is the task or service that Find found.
type Subject struct {
	Service *ecs.Service
	Task    *ecs.Task
}

// Of explains a subject.
func Of(t *state.Tables, s Subject, now time.Time) Answer {
	if s.Task != nil {
		return Task(t, s.Task, now)
	}
	return Service(t, s.Service, now)
}

// shortest is the number of characters of a task's id that are enough to name it.
const shortest = 4

// Find finds a service by its name or ARN, or a task by its id, the beginning of its id, or its ARN, in one
// cluster of a region, or in all of them when cluster is "". The error lists the services that exist.
func Find(t *state.Tables, account, region, cluster, name string) (Subject, error) {
	var found []Subject
	var names, labels []string
	for c := range t.Clusters.Prefix(ecs.ARN(region, account, ecs.TypeCluster, "")) {
		if cluster != "" && c.ClusterName != cluster && c.ClusterARN != cluster {
			continue
		}
		for s := range t.Services.By(state.ServicesByCluster, c.ClusterARN) {
			if s.ServiceName == name || s.ServiceARN == name {
				found = append(found, Subject{Service: s})
				labels = append(labels, "service "+s.ServiceName+" of cluster "+c.ClusterName)
			}
			if s.Status != ecs.ServiceInactive {
				names = append(names, s.ServiceName)
			}
		}
		for task := range t.Tasks.By(state.TasksByCluster, c.ClusterARN) {
			id := arn.LastID(task.TaskARN)
			if task.TaskARN == name || id == name || len(name) >= shortest && strings.HasPrefix(id, name) {
				found = append(found, Subject{Task: task})
				labels = append(labels, "task "+id)
			}
		}
	}
	if active := slices.IndexFunc(found, Subject.present); len(found) > 1 && active >= 0 {
		// Existing services and running tasks come before deleted or stopped ones of the same name.
		kept := found[:0:0]
		var keptLabels []string
		for i, s := range found {
			if s.present() {
				kept, keptLabels = append(kept, s), append(keptLabels, labels[i])
			}
		}
		found, labels = kept, keptLabels
	}
	where := "region " + region
	if cluster != "" {
		where = "cluster " + cluster + " of " + where
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if len(names) == 0 {
			return Subject{}, fmt.Errorf("there is no service or task %q in %s; it has no services", name, where)
		}
		return Subject{}, fmt.Errorf("there is no service or task %q in %s; its services are %s",
			name, where, some(names))
	}
	return Subject{}, fmt.Errorf("%q can be %s: name the cluster, or more of the task's id", name, some(labels))
}

func (s Subject) present() bool {
	if s.Service != nil {
		return s.Service.Status != ecs.ServiceInactive
	}
	return s.Task.LastStatus != ecs.Stopped
}

// maxNamed is the most names that a sentence lists.
const maxNamed = 10

func some(names []string) string {
	slices.Sort(names)
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed:maxNamed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
