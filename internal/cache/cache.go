// Package cache holds Amazon ElastiCache's nouns: cache clusters, replication groups and subnet
// groups, and how their endpoints are named.
//
// Values only: no I/O and no clock. Actions write what is wanted (Status creating, modifying or
// deleting), control/cache alone writes what is (Node, Status available). A cluster here is one
// Redis node; a replication group is one primary without replicas.
package cache

import (
	"crypto/sha256"
	"encoding/base32"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// Statuses of clusters and replication groups. They move forward: creating, available, deleting, gone.
const (
	Creating  = "creating"
	Available = "available"
	Deleting  = "deleting"
	// RestoreFailed is what a cluster is in when its process cannot be started; Node.Problem says
	// why, and it is tried again.
	RestoreFailed = "restore-failed"
)

// What serves a cluster.
const (
	RedisServer = "redis-server" // a process of its own, with data on disk
	Embedded    = "embedded"     // inside Berth, in memory: gone with a restart
)

// Cluster is one cache node and what was asked of it.
type Cluster struct {
	ARN                string // arn:aws:elasticache:REGION:ACCOUNT:cluster:ID, the primary key
	Account, Region    string
	ID                 string
	Status             string
	Engine             string // redis or valkey
	EngineVersion      string
	NodeType           string // stored and returned
	Zone               string
	WantedPort         int    // 0 means 6379 if free
	ReplicationGroupID string `json:",omitempty"`
	ParameterGroup     string
	SubnetGroup        string   `json:",omitempty"`
	SecurityGroupIDs   []string `json:",omitempty"` // stored and returned
	MaintenanceWindow  string
	AutoMinorUpgrade   bool // stored and returned; the machine's package manager upgrades redis-server
	CreatedAt          time.Time
	Tags               tag.Set `json:",omitempty"`
	Node               Node
	Events             []Event `json:",omitempty"` // the last MaxEvents, oldest first
}

// Node is what serves a cluster, as control/cache has seen it. The zero Node is one that does not run.
type Node struct {
	Backend string // RedisServer or Embedded
	// Address is where programs of this machine reach it, ContainerAddress where containers do ("" when nowhere else).
	Address          string
	ContainerAddress string `json:",omitempty"`
	Port             int
	PID              int    `json:",omitempty"`
	Version          string `json:",omitempty"` // what the server says of itself
	Problem          string `json:",omitempty"` // why it does not run
	Notice           string `json:",omitempty"` // why containers do not reach it, though it runs and there is a bridge
}

// Event is a line of DescribeEvents.
type Event struct {
	At      time.Time
	Message string
}

// MaxEvents is how many events a cluster keeps.
const MaxEvents = 50

// WithEvent returns c with one more event.
func (c *Cluster) WithEvent(at time.Time, message string) *Cluster {
	n := *c
	old := c.Events
	if len(old) >= MaxEvents {
		old = old[len(old)-MaxEvents+1:]
	}
	n.Events = append(append(make([]Event, 0, len(old)+1), old...), Event{at, message})
	return &n
}

// ReplicationGroup is a primary that clients find by a name that outlives it.
type ReplicationGroup struct {
	ARN             string // arn:aws:elasticache:REGION:ACCOUNT:replicationgroup:ID, the primary key
	Account, Region string
	ID              string
	Description     string
	Status          string
	MemberID        string // the cluster's id
	CreatedAt       time.Time
	Tags            tag.Set `json:",omitempty"`
}

// SubnetGroup is stored and returned; caches listen on the addresses that the server is configured for.
type SubnetGroup struct {
	ARN             string // arn:aws:elasticache:REGION:ACCOUNT:subnetgroup:NAME, the primary key
	Account, Region string
	Name            string
	Description     string
	SubnetIDs       []string
	Tags            tag.Set `json:",omitempty"`
}

// ClusterARN is the ARN of the cluster of that id.
func ClusterARN(region, account, id string) string {
	return arn.New("elasticache", region, account, "cluster:"+id).String()
}

// ReplicationGroupARN is the ARN of the replication group of that id.
func ReplicationGroupARN(region, account, id string) string {
	return arn.New("elasticache", region, account, "replicationgroup:"+id).String()
}

// SubnetGroupARN is the ARN of the subnet group of that name.
func SubnetGroupARN(region, account, name string) string {
	return arn.New("elasticache", region, account, "subnetgroup:"+name).String()
}

// Endpoint is the cluster's node endpoint (ecs.md 8.3).
func (c *Cluster) Endpoint() string {
	return c.ID + "." + hash(c.Account, c.Region) + ".0001." + regionCode(c.Region) + ".cache.amazonaws.com"
}

// Primary is the name of the replication group's primary endpoint (ecs.md 8.3).
func (g *ReplicationGroup) Primary() string {
	return g.ID + "." + hash(g.Account, g.Region) + ".ng.0001." + regionCode(g.Region) + ".cache.amazonaws.com"
}

// Reader is the name of the replication group's reader endpoint (ecs.md 8.3).
func (g *ReplicationGroup) Reader() string {
	return g.ID + "-ro." + hash(g.Account, g.Region) + ".ng.0001." + regionCode(g.Region) + ".cache.amazonaws.com"
}

// HostEntries yields endpoint name and address of every cluster that runs, and of the replication
// groups they belong to: what a container's /etc/hosts must say. Without an address for containers
// the machine's own is given, which is right for host mode.
func HostEntries(clusters iter.Seq[*Cluster]) iter.Seq2[string, string] {
	return func(yield func(name, address string) bool) {
		for c := range clusters {
			address := c.Node.ContainerAddress
			if address == "" {
				address = c.Node.Address
			}
			if address == "" {
				continue
			}
			for _, name := range c.names() {
				if !yield(name, address) {
					return
				}
			}
		}
	}
}

func (c *Cluster) names() []string {
	names := []string{c.Endpoint()}
	if c.ReplicationGroupID != "" {
		g := ReplicationGroup{ID: c.ReplicationGroupID, Account: c.Account, Region: c.Region}
		names = append(names, g.Primary(), g.Reader())
	}
	return names
}

// hash is the six characters that tell accounts' endpoints apart.
func hash(account, region string) string {
	sum := sha256.Sum256([]byte(account + "/" + region))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
}

// directions of region names, longer ones first, with AWS's letters for them.
var directions = strings.NewReplacer("northeast", "ne", "northwest", "nw", "southeast", "se", "southwest", "sw",
	"north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "-", "")

// regionCode shortens us-east-1 to use1, ap-southeast-2 to apse2.
func regionCode(region string) string { return directions.Replace(region) }

var id = regexp.MustCompile(`^[a-z](?:-?[a-z0-9])*$`)

// ValidID reports whether s may name a cluster (max 50) or a replication group (max 40): letters,
// digits and single hyphens, a letter first and no hyphen last. Ids are kept in lower case.
func ValidID(s string, max int) bool { return len(s) <= max && id.MatchString(s) }
