package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
)

// oldServices are rows of services, by key, in the form that versions up to November 2026 wrote:
// one row held both what users ask of a service and how far it has come (decision 0361).
type oldServices map[string]json.RawMessage

// oldMember occurs in every row of the old form and in none of the new one. A string in a row
// cannot contain it, since JSON escapes its quotes.
const oldMember = `"NextEvent":`

// note keeps a row that was read, if it has the old form; no data means a deletion.
func (o oldServices) note(key string, data json.RawMessage) {
	if bytes.Contains(data, []byte(oldMember)) {
		o[key] = data
	} else {
		delete(o, key)
	}
}

// unconverted returns the services that no update has converted: a converted service has progress.
// The row itself may keep the old form until the journal is compacted.
func (o oldServices) unconverted(t *Tables) oldServices {
	maps.DeleteFunc(o, func(key string, _ json.RawMessage) bool {
		_, converted := t.ServiceProgress.Get(key)
		return converted
	})
	return o
}

// oldService has the members of the old form that are stored elsewhere now.
type oldService struct {
	TaskDefinition       string
	LoadBalancers        []ecs.LoadBalancer
	NetworkConfiguration *ecs.NetworkConfiguration
	Deployments          []oldDeployment
	Rebalancing          bool
	Unplaced             int
	SteadyAt             time.Time
	LastComplaint        string
	LastComplaintAt      time.Time
}

type oldDeployment struct {
	ecs.Deployment
	TaskDefinition       string
	LaunchType           string
	LoadBalancers        []ecs.LoadBalancer
	NetworkConfiguration *ecs.NetworkConfiguration
}

// convertTokens moves the client tokens of RunTask from rows of their own to the tasks that the calls
// made. Versions up to November 2026 had such rows (decision 0410).
func convertTokens(tx *Tx) {
	for token := range tx.Tokens.All() {
		for _, key := range token.ARNs {
			if read, ok := tx.Tasks.Get(key); ok {
				task := *read
				task.ClientToken, task.ParameterHash = token.ClientToken, token.ParameterHash
				tx.Tasks.Put(&task)
			}
		}
		tx.Tokens.Delete(token.Key())
	}
}

// convert writes the services in the new form, and the parts that are now rows of their own.
func (o oldServices) convert(tx *Tx) error {
	for key, data := range o {
		var old oldService
		if err := json.Unmarshal(data, &old); err != nil {
			return fmt.Errorf("service %s: %w", key, err)
		}
		read, ok := tx.Services.Get(key)
		if !ok {
			return fmt.Errorf("service %s was read and is not there", key)
		}
		svc := *read
		if svc.SchedulingStrategy == ecs.Daemon {
			svc.DesiredCount = 0 // the primary deployment has it now
		}
		tx.Services.Put(&svc)
		p := old.progress(&svc)
		for _, d := range old.history(&svc, p) {
			tx.ServiceDeployments.Put(d)
			p.ServiceDeploymentARN = d.ServiceDeploymentARN // the last one is the latest
		}
		for _, d := range p.Deployments {
			revision := d.Revision
			tx.ServiceRevisions.Put(&revision)
		}
		tx.ServiceProgress.Put(p)
	}
	return nil
}

// progress returns how far the service has come. An INACTIVE service has no deployments left; its
// progress says only what it ran.
func (o *oldService) progress(svc *ecs.Service) *ecs.ServiceProgress {
	p := &ecs.ServiceProgress{
		ServiceARN:  svc.ServiceARN,
		Rebalancing: o.Rebalancing, Unplaced: o.Unplaced, SteadyAt: o.SteadyAt,
		LastComplaint: o.LastComplaint, LastComplaintAt: o.LastComplaintAt,
	}
	if len(o.Deployments) == 0 {
		ended := ecs.Deployment{
			ID: "ecs-svc/" + digits(svc.ServiceARN), Status: ecs.DeploymentPrimary,
			RolloutState: ecs.RolloutCompleted, CreatedAt: svc.CreatedAt, CompletedAt: svc.DeletedAt,
		}
		o.Deployments = []oldDeployment{
			{ended, o.TaskDefinition, svc.LaunchType, o.LoadBalancers, o.NetworkConfiguration},
		}
	}
	for _, d := range o.Deployments {
		d.Deployment.Revision = ecs.ServiceRevision{
			ServiceRevisionARN: ecs.ServiceRevisionARN(svc.ServiceARN, arn.LastID(d.ID)),
			ServiceARN:         svc.ServiceARN, ClusterARN: svc.ClusterARN,
			TaskDefinition: d.TaskDefinition, LaunchType: d.LaunchType,
			LoadBalancers: d.LoadBalancers, NetworkConfiguration: d.NetworkConfiguration,
			CreatedAt: d.CreatedAt,
		}
		p.Deployments = append(p.Deployments, d.Deployment)
	}
	return p
}

// history returns a service deployment for each deployment, the oldest first. What the old form
// does not say, such as when a deployment was replaced, is derived from the next one.
func (o *oldService) history(svc *ecs.Service, p *ecs.ServiceProgress) []*ecs.ServiceDeployment {
	all := slices.Clone(p.Deployments)
	slices.SortStableFunc(all, func(a, b ecs.Deployment) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	var list []*ecs.ServiceDeployment
	for i, d := range all {
		s := &ecs.ServiceDeployment{
			ServiceDeploymentARN: ecs.ServiceDeploymentARN(svc.ServiceARN, deploymentIDOf(d.ID)),
			ServiceARN:           svc.ServiceARN, ClusterARN: svc.ClusterARN,
			Status:                  ecs.ServiceDeploymentInProgress,
			TargetServiceRevision:   ecs.ServiceRevisionSummary{ARN: d.Revision.ServiceRevisionARN},
			DeploymentConfiguration: svc.DeploymentConfiguration,
			CreatedAt:               d.CreatedAt, StartedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		}
		if i > 0 {
			s.SourceServiceRevisions = []ecs.ServiceRevisionSummary{{ARN: all[i-1].Revision.ServiceRevisionARN}}
		}
		list = append(list, s)
		switch {
		case i == len(all)-1:
			s.Follow(p, cmp.Or(d.CompletedAt, d.UpdatedAt))
		case !d.CompletedAt.IsZero():
			alone := d
			alone.Status, alone.RolloutState = ecs.DeploymentPrimary, ecs.RolloutCompleted
			alone.RolloutStateReason = "ECS deployment " + d.ID + " completed."
			s.Follow(&ecs.ServiceProgress{Deployments: []ecs.Deployment{alone}}, d.CompletedAt)
		default:
			s.Stop(p, "A newer service deployment was started.", all[i+1].CreatedAt)
		}
	}
	return list
}

// digits returns the 19 digits of a revision's id. The same text always gives the same digits.
func digits(text string) string {
	const least = 1_000_000_000_000_000_000
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprint(least + binary.BigEndian.Uint64(sum[:])%(8*least))
}

// deploymentIDOf returns the id for a service deployment. The same deployment always gives the same
// id.
func deploymentIDOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:21]
}
