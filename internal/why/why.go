// Package why says why a task or a service does not run, in words for people. It reads a snapshot,
// asks the scheduler where there is no instance, and puts together what the agent, the health checks
// and the service's deployments have left in the state. It is pure: a command, a page and a log can
// print the same answer.
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

// Answer says how a task or a service is and why. It has at least one reason unless OK.
type Answer struct {
	Kind    string // "task" or "service"
	Name    string // the task's id, the service's name
	Cluster string
	Status  string // for people: "STOPPED", "1 of 2 running, IN_PROGRESS"
	OK      bool   // everything is as it was asked for
	Failed  bool   // it will stay like this until somebody changes something
	// Deployment is the service's primary deployment, and RolledBack whether that is a rollback of a
	// failed one that is still under way.
	Deployment string    `json:",omitempty"`
	DeployedAt time.Time `json:",omitzero"` // when the primary deployment was made; a rollback makes it earlier
	RolledBack bool      `json:",omitempty"`
	ExitCode   *int      `json:",omitempty"` // of a stopped task: the first that is not 0, or 0
	Reasons    []Reason
}

// Reason is one cause, the most telling first.
type Reason struct {
	Source string // who knows it: service, deployment, scheduler, instance, agent, container, health or task
	Text   string // a sentence
	Advice string `json:",omitempty"` // what to do about it
}

func (a *Answer) add(source, format string, args ...any) *Reason {
	a.Reasons = append(a.Reasons, Reason{Source: source, Text: fmt.Sprintf(format, args...)})
	return &a.Reasons[len(a.Reasons)-1]
}

// Subject is what was found by a name: a task or a service.
type Subject struct {
	Service *ecs.Service
	Task    *ecs.Task
}

// Of answers for a subject.
func Of(t *state.Tables, s Subject, now time.Time) Answer {
	if s.Task != nil {
		return Task(t, s.Task, now)
	}
	return Service(t, s.Service, now)
}

// shortest is how many characters of a task's id are enough to name it.
const shortest = 4

// Find looks for a service by its name or ARN, or for a task by its id, the beginning of its id, or its
// ARN, in one cluster of a region, or in all of them when cluster is "". The error says what there is.
func Find(t *state.Tables, account, region, cluster, name string) (Subject, error) {
	var found []Subject
	var names, labels []string
	for c := range t.Clusters.Prefix(ecs.ARN(region, account, ecs.TypeCluster, "")) {
		if cluster != "" && c.ClusterName != cluster && c.ClusterARN != cluster {
			continue
		}
		for s := range t.Services.By(state.ByCluster, c.ClusterARN) {
			if s.ServiceName == name || s.ServiceARN == name {
				found = append(found, Subject{Service: s})
				labels = append(labels, "service "+s.ServiceName+" of cluster "+c.ClusterName)
			}
			if s.Status != ecs.ServiceInactive {
				names = append(names, s.ServiceName)
			}
		}
		for task := range t.Tasks.By(state.ByCluster, c.ClusterARN) {
			id := arn.LastID(task.TaskARN)
			if task.TaskARN == name || id == name || len(name) >= shortest && strings.HasPrefix(id, name) {
				found = append(found, Subject{Task: task})
				labels = append(labels, "task "+id)
			}
		}
	}
	if active := slices.IndexFunc(found, Subject.present); len(found) > 1 && active >= 0 {
		// What is there goes before what was deleted or has stopped under the same name.
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
		return Subject{}, fmt.Errorf("there is no service or task %q in %s; its services are %s", name, where, some(names))
	}
	return Subject{}, fmt.Errorf("%q can be %s: name the cluster, or more of the task's id", name, some(labels))
}

func (s Subject) present() bool {
	if s.Service != nil {
		return s.Service.Status != ecs.ServiceInactive
	}
	return s.Task.LastStatus != ecs.Stopped
}

// maxNamed is how many names a sentence lists.
const maxNamed = 10

func some(names []string) string {
	slices.Sort(names)
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed:maxNamed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
