package ecs

import (
	"errors"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidParameterException", format, args...)
}

func client(format string, args ...any) *fault.Error {
	return fault.New("ClientException", format, args...)
}

// parsed puts a part of an input into the noun's form. What the noun has no place for is refused by name.
func parsed[D any](src any) (D, error) {
	out, err := reshape.In[D](src)
	if e, ok := errors.AsType[*reshape.UnknownFieldError](err); ok {
		return out, invalid("%s is not available yet: leave it out.", e.Path)
	}
	return out, err
}

func invalidClusterName(name string) *fault.Error {
	return invalid("Cluster name '%s' is not valid: up to 255 letters, numbers, hyphens, and "+
		"underscores are allowed.", name)
}

// clusterARN is the ARN meant by a cluster's name, its ARN or nothing (ecs.md 1.1.4).
func clusterARN(call *awswire.Call, ref *string) (string, error) {
	name := request.Value(ref)
	if name == "" {
		name = ecs.DefaultCluster
	}
	if arn.Is(name) {
		a, err := arn.Parse(name)
		if err != nil || a.Service != "ecs" || a.Type() != ecs.TypeCluster {
			return "", invalid("Invalid cluster ARN '%s': it should look like arn:aws:ecs:%s:%s:cluster/NAME.",
				name, call.Region, call.Account)
		}
		if a.Region != call.Region || a.Account != call.Account {
			return "", invalid("Cluster '%s' belongs to region %s and account %s; this call was signed "+
				"for %s and %s.", name, a.Region, a.Account, call.Region, call.Account)
		}
		return name, nil
	}
	if !ecs.ValidName(name) {
		return "", invalidClusterName(name)
	}
	return ecs.ARN(call.Region, call.Account, ecs.TypeCluster, name), nil
}

// cluster finds an ACTIVE cluster.
func cluster(t *state.Tables, call *awswire.Call, ref *string) (*ecs.Cluster, error) {
	key, err := clusterARN(call, ref)
	if err != nil {
		return nil, err
	}
	c, ok := t.Clusters.Get(key)
	if !ok {
		return nil, fault.New("ClusterNotFoundException", "Cluster not found.")
	}
	if c.Status != ecs.ClusterActive {
		return nil, fault.New("ClusterNotFoundException", "The referenced cluster was inactive.")
	}
	return c, nil
}

// clusterForUse finds a cluster that something is about to be put into; the default cluster comes
// into being by that (ecs.md 1.2.5).
func clusterForUse(tx *state.Tx, call *awswire.Call, ref *string) (*ecs.Cluster, error) {
	c, err := cluster(&tx.Tables, call, ref)
	if err == nil {
		return c, nil
	}
	key, kerr := clusterARN(call, ref)
	if kerr != nil || arn.LastID(key) != ecs.DefaultCluster {
		return nil, err
	}
	c = newCluster(&tx.Tables, call, key, ecs.Cluster{})
	tx.Clusters.Put(c)
	return c, nil
}

// inCluster is the ARN of something of a cluster that is named by its id, or by an ARN of the long
// or the short form (ecs.md 1.1.2).
func inCluster(c *ecs.Cluster, resourceType, ref string) string {
	if arn.Is(ref) {
		if a, err := arn.Parse(ref); err == nil {
			if strings.Count(a.Resource, "/") > 1 {
				return ref
			}
			ref = a.ID()
		}
	}
	a, err := arn.Parse(c.ClusterARN)
	if err != nil {
		return ref
	}
	// A reference such as cluster/id is understood too.
	ref = strings.TrimPrefix(ref, c.ClusterName+"/")
	return ecs.ARN(a.Region, a.Account, resourceType, c.ClusterName+"/"+ref)
}

// taskIn finds a task of the cluster; key is its ARN, whether or not there is one.
func taskIn(t *state.Tables, c *ecs.Cluster, ref string) (task *ecs.Task, key string, ok bool) {
	key = inCluster(c, ecs.TypeTask, ref)
	task, ok = t.Tasks.Get(key)
	return task, key, ok && task.ClusterARN == c.ClusterARN
}

// instanceIn finds a container instance of the cluster, as taskIn does a task.
func instanceIn(t *state.Tables, c *ecs.Cluster, ref string) (ci *ecs.ContainerInstance, key string, ok bool) {
	key = inCluster(c, ecs.TypeContainerInstance, ref)
	ci, ok = t.ContainerInstances.Get(key)
	return ci, key, ok && ci.ClusterARN == c.ClusterARN
}

// serviceIn finds a service of the cluster, as taskIn does a task.
func serviceIn(t *state.Tables, c *ecs.Cluster, ref string) (s *ecs.Service, key string, ok bool) {
	key = inCluster(c, ecs.TypeService, ref)
	s, ok = t.Services.Get(key)
	return s, key, ok && s.ClusterARN == c.ClusterARN
}

// taskDefinition finds a revision by ARN, by family:revision, or the newest ACTIVE one by family (ecs.md 1.4.3).
func taskDefinition(t *state.Tables, call *awswire.Call, ref string) (*ecs.TaskDefinition, bool) {
	if a, err := arn.Parse(ref); err == nil {
		if a.Service != "ecs" || a.Type() != ecs.TypeTaskDefinition || a.Region != call.Region ||
			a.Account != call.Account {
			return nil, false
		}
		ref = a.Rest()
	}
	family, revision, ok := strings.Cut(ref, ":")
	if ok {
		if _, err := strconv.Atoi(revision); err != nil {
			return nil, false
		}
		return t.TaskDefinitions.Get(ecs.ARN(call.Region, call.Account, ecs.TypeTaskDefinition, ref))
	}
	var newest *ecs.TaskDefinition
	for d := range t.TaskDefinitions.Prefix(ecs.ARN(call.Region, call.Account, ecs.TypeTaskDefinition, family+":")) {
		if d.Status == ecs.TaskDefinitionActive && (newest == nil || d.Revision > newest.Revision) {
			newest = d
		}
	}
	return newest, newest != nil
}

// usableTaskDefinition finds a revision that something new may use.
func usableTaskDefinition(t *state.Tables, call *awswire.Call, ref *string) (*ecs.TaskDefinition, error) {
	if request.Value(ref) == "" {
		return nil, invalid("TaskDefinition can not be blank.")
	}
	d, ok := taskDefinition(t, call, *ref)
	switch {
	case !ok:
		return nil, client("TaskDefinition not found.")
	case d.Status != ecs.TaskDefinitionActive:
		return nil, client("TaskDefinition is inactive")
	}
	return d, nil
}
