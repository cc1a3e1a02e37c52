// Package cache runs cache clusters: it has a driver serve each, writes to its row what the driver
// sees, and has it removed.
//
// The controller alone writes Node, moves Status from creating to available, and removes the row of
// a cluster that is deleting. It does not know how a cluster is served: machine/redis serves them
// on this machine.
package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// Controller is a control.Controller of cache clusters, by their ARNs.
type Controller struct {
	control.Env
	nodes machine.Caches
}

// New makes the controller.
func New(env control.Env, nodes machine.Caches) *Controller { return &Controller{env, nodes} }

// Keys implements control.Controller.
func (c *Controller) Keys(ch state.Change, _ *state.Snapshot) []string {
	if ch, ok := ch.(state.Changed[cache.Cluster]); ok {
		return []string{ch.Key}
	}
	return nil
}

// All implements control.Controller: it returns all rows, and all clusters that are served, which
// may have no row any more.
func (c *Controller) All(s *state.Snapshot) []string {
	var keys []string
	for cl := range s.CacheClusters.All() {
		keys = append(keys, cl.ARN)
	}
	served, err := c.nodes.Served()
	if err != nil {
		c.Logger.Warn("the caches that are running could not be listed", "error", err)
	}
	for _, arn := range served {
		if _, ok := s.CacheClusters.Get(arn); !ok {
			keys = append(keys, arn)
		}
	}
	return keys
}

// How soon to look again at a cluster that is changing, and at one that is running.
const (
	soon   = 20 * time.Millisecond
	health = 500 * time.Millisecond
)

// Reconcile implements control.Controller.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	cl, ok := c.Store.View().CacheClusters.Get(key)
	if !ok || cl.Status == cache.Deleting {
		return c.remove(ctx, key)
	}
	seen, err := c.nodes.Serve(ctx, cl)
	switch {
	case seen == nil && err == nil:
		return soon, nil
	case seen != nil:
		err = errors.Join(err, c.observe(ctx, cl, *seen))
	}
	return health, err
}

// observe writes what the driver saw, and updates statuses and events accordingly.
func (c *Controller) observe(ctx context.Context, was *cache.Cluster, node cache.Node) error {
	if node.Notice != "" && node.Notice != was.Node.Notice {
		c.Logger.Warn("containers cannot reach a cache", "cluster", was.ARN, "reason", node.Notice)
	}
	return c.Commit(ctx, was.ARN, func(tx *state.Tx, m control.Moment) error {
		cl, ok := tx.CacheClusters.Get(was.ARN)
		if !ok || cl.Status == cache.Deleting || isSo(cl, node) {
			return nil
		}
		next := *cl
		for _, message := range messages(cl, node) {
			next = *next.WithEvent(m.Now, message)
		}
		if next.Node, next.Status = node, cache.Available; node.Problem != "" {
			next.Status = cache.RestoreFailed
			next.Node.Port = cl.Node.Port // a node keeps its port when it is started again
		}
		tx.CacheClusters.Put(&next)
		followGroup(tx, &next)
		return nil
	})
}

// isSo reports whether the row of a cluster already says what the driver saw.
func isSo(cl *cache.Cluster, node cache.Node) bool {
	if node.Problem != "" {
		node.Port = cl.Node.Port
	}
	return cl.Node == node && (cl.Status == cache.Available) == (node.Problem == "")
}

// messages returns the events for what the driver saw of a cluster's node.
func messages(cl *cache.Cluster, node cache.Node) []string {
	if node.Problem != "" {
		return []string{"Cache node 0001 could not be started: " + node.Problem}
	}
	by := fmt.Sprintf("Cache node 0001 is served by %s %s on port %d", node.Backend, node.Version, node.Port)
	if node.Backend == cache.Embedded {
		by = fmt.Sprintf("Cache node 0001 is served inside Berth, in memory only, on port %d, because "+
			"there is no redis-server on PATH", node.Port)
	}
	if node.Notice != "" {
		by += "; containers cannot reach it, only programs on this machine: " + node.Notice
	}
	switch {
	case cl.Status == cache.Creating:
		return []string{"Added cache node 0001 in availability zone " + cl.Zone, "Cache cluster created", by}
	case cl.Node.PID != node.PID:
		return []string{"Cache node 0001 restarted", by}
	}
	return []string{by}
}

// followGroup sets the status of the replication group to that of its only member.
func followGroup(tx *state.Tx, cl *cache.Cluster) {
	if cl.ReplicationGroupID == "" {
		return
	}
	g, ok := tx.CacheReplicationGroups.Get(cache.ReplicationGroupARN(cl.Region, cl.Account, cl.ReplicationGroupID))
	if !ok || g.Status == cache.Deleting || g.Status == cache.Available || cl.Status != cache.Available {
		return
	}
	next := *g
	next.Status = cache.Available
	tx.CacheReplicationGroups.Put(&next)
}

// remove has the driver remove what serves a cluster, and then deletes the row.
func (c *Controller) remove(ctx context.Context, key string) (time.Duration, error) {
	gone, err := c.nodes.Remove(ctx, key)
	if err != nil {
		return 0, err
	}
	if !gone {
		return soon, nil
	}
	return 0, c.Commit(ctx, key, func(tx *state.Tx, _ control.Moment) error {
		cl, ok := tx.CacheClusters.Get(key)
		if !ok || cl.Status != cache.Deleting {
			return nil
		}
		tx.CacheClusters.Delete(key)
		group := cache.ReplicationGroupARN(cl.Region, cl.Account, cl.ReplicationGroupID)
		if g, ok := tx.CacheReplicationGroups.Get(group); ok && g.Status == cache.Deleting {
			tx.CacheReplicationGroups.Delete(group)
		}
		return nil
	})
}
